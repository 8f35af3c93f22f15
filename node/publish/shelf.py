"""What stands in HOME/open: published versions, as files that need no key to be served.

`OWNER+NAME/VERSION.json` describes one version and names the folder of its files; writing that
description is what publishes them, so a version is there wholly or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from node.data.chain import Query, destroyed_rows
from node.data.commitment import Field
from node.errors import MunimentError
from node.home import atomic_write
from node.publish import texts

FORMAT = 1
MAX_SHOWN_BYTES = 8 << 20
"""Records that are handed out at once have at most so many bytes of JSON."""
STEP = 100
"""Records between two marks of the index."""
OPEN = 1
"""The only level that is published."""
TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
PROOF, INDEX = "proof", "index"


class ShelfError(MunimentError):
    """A version that cannot be published, or is not."""

    code = "shelf"


@dataclass(frozen=True, slots=True)
class File:
    """A file's size in bytes and its SHA-256."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A version as it is published. `columns` is what `Profile.to_json` tells of each.

    `records` counts what the files hold; `erased` are the rows that were destroyed before.
    `files` are by format, with the proof among them. `time`: ms UTC.
    """

    dataset: str
    version: int
    commitment: str
    time: int
    records: int
    erased: tuple[int, ...]
    columns: tuple[dict[str, Any], ...]
    files: dict[str, File]
    folder: str

    @property
    def names(self) -> list[str]:
        return [column["name"] for column in self.columns]


class Shelf:
    """Published versions of one home. Raises ShelfError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, dataset: str, version: int) -> Publication | None:
        """Names are as the ledger has them, which no path could be made of."""
        return self._read(self._place(dataset) / f"{version}.json")

    def versions(self, dataset: str) -> list[int]:
        found = self._place(dataset).glob("*.json")
        return [int(path.stem) for path in found if path.stem.isascii() and path.stem.isdigit()]

    def all(self) -> Iterator[Publication]:
        for path in sorted(self._folder.glob("*+*/*.json")):
            found = self._read(path)
            if found is not None:
                yield found

    def open(self, found: Publication, name: str) -> BinaryIO:
        """Open one of a version's files, which stays readable while it is withdrawn."""
        return self._open(found, path_of(name))

    def records(self, found: Publication, first: int, count: int) -> list[list[Field]]:
        """Records from `first` (counted from 0) on, at most `count`.

        Raises ShelfError where they are too large to be held at once.
        """
        if first >= found.records:
            return []
        with self._open(found, INDEX) as index:
            index.seek(8 * (first // STEP))
            place = int.from_bytes(index.read(8), "big")
        with self._open(found, "records.json") as file:
            file.seek(place)
            for _ in range(first % STEP):
                file.readline(texts.MAX_RECORD_BYTES)
            wanted, left = min(count, found.records - first), MAX_SHOWN_BYTES
            lines = []
            for _ in range(wanted):
                lines.append(file.readline(left + 1))
                left -= len(lines[-1])
                if left < 0:
                    raise ShelfError("these records are too large to be shown; take the file")
        return [list(json.loads(line.rstrip(b",\n")).values()) for line in lines]

    def put(self, found: Publication) -> None:
        """Publish a version whose files stand in their folder; whatever was before goes."""
        data = json.dumps({"format": FORMAT, **asdict(found)}, ensure_ascii=False).encode()
        atomic_write(self._place(found.dataset) / f"{found.version}.json", data, 0o600)
        self._clear(found.dataset, found.version, found.folder)

    def withdraw(self, dataset: str, version: int) -> bool:
        """Remove a version; True if it was there."""
        place = self._place(dataset) / f"{version}.json"
        if not place.exists():
            return False
        place.unlink()
        self._clear(dataset, version)
        return True

    def _clear(self, dataset: str, version: int, kept: str = "") -> None:
        """Remove folders of a version, also those of runs that did not end."""
        for folder in self._place(dataset).glob(f"{version}-*"):
            if folder.name != kept:
                shutil.rmtree(folder, ignore_errors=True)

    def fresh(self, dataset: str, name: str) -> Path:
        """Make a folder for files that are about to be published."""
        folder = self._place(dataset) / name
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def _place(self, dataset: str) -> Path:
        return self._folder / dataset.replace("/", "+")

    def _open(self, found: Publication, file: str) -> BinaryIO:
        try:
            return (self._place(found.dataset) / found.folder / file).open("rb")
        except OSError as error:
            raise ShelfError(f"{found.dataset} version {found.version} is withdrawn") from error

    def _read(self, path: Path) -> Publication | None:
        try:
            row = json.loads(path.read_bytes())
            if row.pop("format") != FORMAT:
                raise ValueError
            files = {name: File(**each) for name, each in row.pop("files").items()}
            erased, columns = tuple(row.pop("erased")), tuple(row.pop("columns"))
            return Publication(**row, erased=erased, columns=columns, files=files)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ShelfError(f"{path} is damaged; publish the version anew") from error


def path_of(name: str) -> str:
    """What the file of a format, or the proof, is called in its folder."""
    return f"records.{name}" if name in TYPES else name


def why_not_open(
    query: Query, dataset: str, version: int, commitment: str | None = None
) -> str | None:
    """Why the chain does not call a version, of this commitment, open data; None if it does."""
    latest = query("catalogue", "get", {"dataset": dataset})
    row = query("catalogue", "get", {"dataset": dataset, "version": version})
    if latest is None or row is None:
        return "it is not registered"
    if latest["status"] != "active":
        return f"the dataset is {latest['status']}"
    for each in (row, latest):
        if each["level"] != OPEN:
            return f"version {each['version']} is of level L{each['level']}, not L{OPEN}"
    if commitment not in (None, row["commitment"]):
        return "it is not what is registered"
    return None


def version_to_open(query: Query, dataset: str, version: int | None) -> int:
    """The version that is meant, by default the latest. Raises ShelfError if it is not open."""
    latest = query("catalogue", "get", {"dataset": dataset})
    if latest is None:
        raise ShelfError(f"{dataset} is not registered")
    number: int = version or latest["latest"]
    closed = why_not_open(query, dataset, number)
    if closed is not None:
        raise ShelfError(f"{dataset} version {number} cannot be published: {closed}")
    return number


def is_agreed(query: Query, dataset: str, version: int) -> bool:
    """Whether the chain says that the owner gives a version's records to everybody."""
    found = query("catalogue", "published", {"dataset": dataset, "version": version})
    return found is not None


def why_closed(query: Query, dataset: str, version: int, commitment: str) -> str | None:
    """Why a version must not be shown to everybody, by what the chain says; None if it may."""
    closed = why_not_open(query, dataset, version, commitment)
    if closed is None and not is_agreed(query, dataset, version):
        return "the chain does not call it published"
    return closed


def why_stale(query: Query, found: Publication) -> str | None:
    """Why what is published must not be shown any more; None if it may."""
    closed = why_closed(query, found.dataset, found.version, found.commitment)
    if closed is not None:
        return closed
    whole, rows = destroyed_rows(query, found.dataset, found.version)
    if whole:
        return "it is destroyed"
    if not set(rows) <= set(found.erased):
        return "records of it are destroyed; publish it anew"
    return None


def sweep(shelf: Shelf, query: Query) -> list[tuple[str, int, str]]:
    """Remove what may not be shown any more; returns dataset, version and why of each."""
    gone = [(f.dataset, f.version, why) for f in shelf.all() if (why := why_stale(query, f))]
    for dataset, version, _ in gone:
        shelf.withdraw(dataset, version)
    return gone


def file_name(dataset: str, version: int, ending: Sequence[str]) -> str:
    """What a download is called: OWNER.NAME-VERSION.ENDING..."""
    return ".".join((f"{dataset.replace('/', '.')}-{version}", *ending))

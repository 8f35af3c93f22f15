"""What was received under grants: sealed chunks with their proofs, and where they come from.

A copy is a folder `copies/GRANT/NONCE`: `key` (its own key, wrapped by the master key), `order`
(what was asked for and how far it has come, sealed), `tree` (record hashes of the version, if they
were sent), `chunks` (sealed, in order: header, both signatures, body) and `refused` (a sealed chunk
that was not as registered). A chunk is kept before its header is signed, so whatever was signed for
is here after a crash. Destroying `key` erases it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from consensus.codec import Value, decode, expect_bytes, expect_list, expect_text
from contracts.system.deliveries.header import Header, first
from node.data import commitment
from node.data.commitment import Field
from node.data.sealing import Log, Sealer, destroy_file, fresh_key, load_key
from node.errors import MunimentError
from node.exchange import audited, linked
from node.exchange.linked import MAX_BODY_BYTES, Shape

MAX_WHY_BYTES = 1_024


class CopyError(MunimentError):
    """A copy that is not there, or may not be used."""

    code = "copy"


class FetchError(MunimentError):
    """A delivery that cannot be had, or not now; `code` is the server's where it refused."""

    def __init__(self, message: str, code: str = "fetch") -> None:
        super().__init__(message)
        self.code = code


class WrongDataError(FetchError):
    """The server sent what is not as registered, or as it signed; the header proves it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "wrong-data")


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. `delivery` is 0 until the chain has given it a number.

    `server` is the dataset's owner, or a delegate of it; `by_subject`: only what subjects authorise
    comes; `struck`: rows, from 1, erased since; `root`: in audited mode, over the `total` rows of
    the delivery, once it stands on the chain.
    """

    grant: int
    dataset: str
    version: int
    server: str
    rows: int
    reserved: int
    nonce: bytes
    seed: bytes
    commitment: bytes
    standard: bytes
    columns: tuple[str, ...]
    exact: tuple[int, ...]
    masked: tuple[int, ...]
    delivery: int = 0
    server_key: bytes = b""
    closed: str = ""
    by_subject: bool = False
    struck: tuple[int, ...] = ()
    mode: str = "linked"
    root: bytes = b""
    total: int = 0

    @property
    def shape(self) -> Shape:
        return Shape(len(self.columns), self.exact, self.masked)

    def require_registered(self, chain_id: bytes, root: bytes) -> None:
        """Raise WrongDataError unless the version registered has the tree with this root."""
        found = commitment.commitment(
            chain_id, self.dataset, self.version, self.standard, self.rows, root
        )
        if found != self.commitment:
            raise WrongDataError(
                f"{self.server} sent records that are not those registered as {self.dataset} "
                f"version {self.version}"
            )

    @property
    def names(self) -> list[str]:
        """Names of the delivered columns."""
        return [self.columns[index] for index in self.shape.delivered]


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk as it is kept."""

    header: bytes
    server: bytes
    recipient: bytes
    body: bytes


class Copy:
    """One copy, opened with the vault's master key."""

    def __init__(self, folder: Path, master: bytes) -> None:
        self.folder = folder
        self._sealer = load_key(folder / "key", master)
        self._log = Log(folder / "chunks", self._sealer, "chunk")
        self._places = self._log.places()
        self.order = self._read_order()

    @classmethod
    def create(cls, copies: Path, master: bytes, order: Order) -> Copy:
        folder = copies / str(order.grant) / order.nonce.hex()
        folder.mkdir(parents=True, mode=0o700)
        sealer = fresh_key(folder / "key", master)
        _write_order(folder, sealer, order)
        return cls(folder, master)

    def _read_order(self) -> Order:
        found: Any = self._sealer.read(self.folder / "order", "order")
        if found is None:
            raise CopyError(f"{self.folder} holds no order; remove it and fetch again")
        names = ("columns", "exact", "masked", "struck")
        fields: dict[str, Any] = {k: tuple(v) if k in names else v for k, v in found.items()}
        return Order(**fields)

    def note(self, **changes: Any) -> None:
        """Change the order, durably."""
        self.order = replace(self.order, **changes)
        _write_order(self.folder, self._sealer, self.order)

    def append(self, piece: Piece) -> None:
        """Keep a chunk, durably."""
        size = self._log_size()
        row: list[Value] = [piece.header, piece.server, piece.recipient, piece.body]
        self._log.append(len(self._places), row)
        self._places.append(size)

    def _log_size(self) -> int:
        path = self.folder / "chunks"
        return path.stat().st_size if path.exists() else 0

    def piece(self, number: int) -> Piece:
        """Return chunk `number`, from 0. Raises SealError."""
        row = expect_list(self._log.read(number, self._places[number]), "chunk", 4)
        return Piece(*(expect_bytes(part, "chunk", max_length=MAX_BODY_BYTES) for part in row))

    def pieces(self) -> Iterator[Piece]:
        return (self.piece(number) for number in range(len(self._places)))

    @property
    def last(self) -> Header:
        """The header of the last chunk here, or what stands before the first."""
        if not self._places:
            return first(self.order.delivery)
        return Header.decode(self.piece(len(self._places) - 1).header)

    @property
    def last_piece(self) -> Piece | None:
        return self.piece(len(self._places) - 1) if self._places else None

    @property
    def is_complete(self) -> bool:
        return self.last.is_last

    def rows(self) -> Iterator[list[Field]]:
        """Yield the delivered values of each row, which were verified when they came."""
        struck = frozenset(self.order.struck)
        for number, row in enumerate(self._rows(), 1):
            if number not in struck:
                yield row

    def _rows(self) -> Iterator[list[Field]]:
        for piece in self.pieces():
            columns: Any = expect_list(decode(piece.body, max_bytes=MAX_BODY_BYTES), "chunk", 5)[3]
            yield from (list(row) for row in zip(*columns, strict=True))

    def tree(self) -> bytes | None:
        """Return the version's record hashes, if they came."""
        path = self.folder / "tree"
        return path.read_bytes() if path.exists() else None

    def keep_tree(self, hashes: bytes) -> None:
        fresh = self.folder / "tree.new"
        fresh.write_bytes(hashes)
        fresh.rename(self.folder / "tree")

    def refuse(self, header: bytes, signature: bytes, body: bytes, why: str) -> None:
        """Keep a chunk that was refused, as the evidence of a dispute."""
        self._sealer.write(self.folder / "refused", "refused", [header, signature, body, why])

    def refused(self) -> tuple[bytes, bytes, bytes, str] | None:
        """Return header, server's signature and body of the last chunk refused, and why."""
        found = self._sealer.read(self.folder / "refused", "refused")
        if found is None:
            return None
        row = expect_list(found, "refused chunk", 4)
        header, signature, body = (
            expect_bytes(part, "part", max_length=MAX_BODY_BYTES) for part in row[:3]
        )
        return header, signature, body, expect_text(row[3], "reason", MAX_WHY_BYTES, 0)

    def strike(self, rows: Collection[int], master: bytes) -> None:
        """Erase single rows, from 1: write the copy anew without them, then destroy what it was.

        May be repeated; of what a crash leaves, `load` takes the copy that has fewer rows.
        """
        struck = tuple(sorted({*self.order.struck, *rows}))
        if struck == self.order.struck:
            return
        folder = self.folder.with_name(f"{self.order.nonce.hex()}-{len(struck)}")
        erase(folder)
        folder.mkdir(mode=0o700)
        sealer = fresh_key(folder / "key", master)
        log, before = Log(folder / "chunks", sealer, "chunk"), 0
        blank = audited.blank if self.order.mode == "audited" else linked.blank
        for number, piece in enumerate(self.pieces()):
            after = Header.decode(piece.header).rows
            here = {row - before - 1 for row in rows if before < row <= after}
            body = blank(self.order.shape, piece.body, here) if here else piece.body
            log.append(number, [piece.header, piece.server, piece.recipient, body])
            before = after
        if (hashes := self.tree()) is not None:
            (folder / "tree").write_bytes(hashes)
        _write_order(folder, sealer, replace(self.order, struck=struck))
        self.erase()

    def erase(self) -> None:
        """Make the copy unreadable, then remove it."""
        erase(self.folder)


def _write_order(folder: Path, sealer: Sealer, order: Order) -> None:
    sealer.write(folder / "order", "order", asdict(order))


def erase(folder: Path) -> None:
    """Destroy the key of a copy, then its files. May be repeated."""
    if (folder / "key").exists():
        destroy_file(folder / "key")
    shutil.rmtree(folder, ignore_errors=True)


def exported_as(exported: Path, grant: int, delivery: int, syntax: str) -> Path:
    """Where the desk writes what came with a delivery."""
    return exported / f"{grant}-{delivery}.{syntax}"


def erase_exported(exported: Path, grant: int) -> None:
    """Remove what the desk wrote of a grant's copies. May be repeated."""
    for path in exported.glob(f"{grant}-*"):
        path.unlink(missing_ok=True)


def held(copies: Path) -> list[int]:
    """Return the grants under which something is here."""
    found = [path.name for path in copies.glob("*") if path.name.isdigit()]
    return sorted(map(int, found))


def folders(copies: Path, grant: int) -> list[Path]:
    """Return the folders of a grant's copies, the oldest first."""
    found = (copies / str(grant)).glob("*")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def load(copies: Path, grant: int, master: bytes) -> list[Copy]:
    """Return the copies under a grant, by delivery. What a crash left of others goes."""
    found: dict[bytes, Copy] = {}
    for folder in folders(copies, grant):
        if not (folder / "order").exists():
            erase(folder)
            continue
        copy = Copy(folder, master)
        other = found.setdefault(copy.order.nonce, copy)
        if other is not copy:
            kept, gone = sorted((copy, other), key=lambda each: -len(each.order.struck))
            found[copy.order.nonce] = kept
            gone.erase()
    return sorted(found.values(), key=lambda copy: copy.order.delivery or 1 << 62)

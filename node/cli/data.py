"""Commands for datasets."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from node.cli.collect import chain_of
from node.cli.common import (
    Pending,
    Refused,
    connect,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    query,
    show,
    submit,
    table,
    where,
)
from node.cli.lookup import (
    destroy,
    diff,
    export,
    preview,
    quality,
    retire,
    search,
    versions,
)
from node.home import Home, atomic_write
from node.rpc.client import LOST, NodeError
from node.transactions import VALID_FOR_HEIGHTS

SLACK_HEIGHTS = 60
"""The chain may grow so far between looking at its height and signing."""
_Row = list[str | None]


@click.group()
def dataset() -> None:
    """Register and look up datasets."""


for _command in (search, versions, export, quality, preview, diff, retire, destroy):
    dataset.add_command(_command)


@dataset.command()
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@home_option
@passphrase_option
@click.option("--standard", "standard_name", help="A published standard's id, or a JSON file.")
@click.option("--title", required=True, help="What the dataset is called in the catalogue.")
@click.option("--dataset", "slug", help="Name after the member's; by default the file's.")
@click.option("--keyword", multiple=True, help="A word to find it by; may be repeated.")
@click.option("--level", type=click.IntRange(1, 4), default=None, help="Raise the sharing level.")
@click.option("--custody", type=click.Choice(["own", "escrow", "delegate"]), default="own",
              show_default=True, help="Who keeps it; see: muniment custody.")  # fmt: skip
@json_option
def register(
    file: Path,
    home: Path,
    passphrase_file: Path | None,
    standard_name: str | None,
    title: str,
    slug: str | None,
    keyword: tuple[str, ...],
    level: int | None,
    custody: str,
    as_json: bool,
) -> None:
    """Commit each field of each record of FILE.csv, and register the version.

    The records stay encrypted in the home's vault; the chain holds one commitment. Without
    --standard, a first one is drafted from the columns and published. The next version of a
    known dataset is counted by itself. The level is that of the standard, or a higher one that is
    found in the first 20,000 records.

    \b
    Example: muniment dataset register permits.csv --home tax --title "Permits 2026"
    """
    import config
    from node.data import standard as standards
    from node.data import table as tables
    from node.data import vault
    from node.data.findings import Detectors, look_at
    from node.data.keyring import Keyring
    from node.data.register import raise_class

    place = Home(home)
    owner = config.load(place.settings).node.name
    name = f"{owner}/{slug or _slug(file.stem)}"
    shape = tables.inspect(file)
    passphrase = passphrase_for(place, passphrase_file)
    chain, master = chain_of(home, passphrase_file)
    detectors = Detectors.of(place, chain.query, master)
    look = look_at(file, detectors)
    content = _find_standard(place, passphrase, standard_name, name, title, shape.columns, level)
    order = standards.order_columns(content, shape.columns)
    with connect(home) as client:
        known = client.call(
            "state.query", contract="catalogue", method="get", args={"dataset": name}
        )
        height = client.call("status")["height"]
    version = 1 if known is None else known["latest"] + 1
    folder = vault.folder_of(place.vault, name, version)
    keyring = Keyring(place.vault, master)
    submitted = folder / "submitted"
    _require_over(submitted, f"version {version} of {name}", height)
    vault.erase(place.vault, name, version, keyring)  # what a run that did not end left
    head = vault.write(
        folder,
        chain.chain_id,
        name,
        version,
        content,
        ([row[i] for i in order] for row in _progress(file, tables.rows(file, shape))),
        keyring,
    )
    least, data_class = standards.grade(content)
    found = max(level or 1, least, look.level)
    args: dict[str, Any] = {
        "dataset": name,
        "version": version,
        "title": title,
        "keywords": list(keyword),
        "theme": None,
        "licence": None,
        "frequency": "irregular",
        "spatial": None,
        "temporal": None,
        "media_type": "text/csv",
        "standard": [content["id"], content["version"], head.standard],
        "level": found,
        "class": raise_class(data_class, found, head.rows, detectors.rules),
        "rows": head.rows,
        "bytes": file.stat().st_size,
        "suite": "sha256-v1",
        "commitment": head.commitment,
        "quality": None,
        "derived_from": [],
        "custody": custody,
    }
    atomic_write(submitted, str(height + VALID_FOR_HEIGHTS + SLACK_HEIGHTS).encode(), 0o600)
    try:
        state = submit(place, passphrase, "catalogue", "register", args)
    except Pending:
        raise  # it may yet become final, so its records stay
    except (Refused, NodeError) as error:
        if error.code != LOST:
            vault.erase(place.vault, name, version, keyring)
        raise
    submitted.unlink()
    data = {
        "dataset": name,
        "version": version,
        "rows": head.rows,
        "level": f"L{args['level']}",
        "commitment": head.commitment.hex(),
        **where(state),
    }
    show(data, as_json, lambda d: pairs(list(d.items())))


def _require_over(submitted: Path, what: str, height: int) -> None:
    """Refuse to replace records whose registration may still become final."""
    try:
        until = int(submitted.read_text())
    except FileNotFoundError:
        return
    if height <= until:
        raise Refused(
            f"{what} was submitted and may still become final; look with `muniment dataset list`, "
            f"or register it again above height {until} (the chain is at {height})"
        )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-") or "dataset"


def _find_standard(
    home: Home,
    passphrase: str,
    wanted: str | None,
    name: str,
    title: str,
    columns: tuple[str, ...],
    level: int | None,
) -> dict[str, Any]:
    """Return the standard to use: published, from a file, or drafted; publish it if it is new."""
    from node.data import standard as standards

    if wanted is not None and not wanted.endswith(".json"):
        found = query(home.path, "standards", {"id": wanted})
        body: dict[str, Any] = found["standard"]
        return body
    if wanted is not None:
        content = standards.load(Path(wanted))
    else:
        content = standards.draft(name, title[:200], columns, level or 1)
    with connect(home.path) as client:
        known = client.call(
            "state.query", contract="standards", method="get", args={"id": content["id"]}
        )
    if known is not None and known["standard"]["fields"] == content["fields"]:
        published: dict[str, Any] = known["standard"]
        return published
    content = {**content, "version": 1 if known is None else known["latest"] + 1}
    submit(home, passphrase, "standards", "publish", content)
    return content


def _progress(file: Path, rows: Iterator[tuple[_Row, int]]) -> Iterator[_Row]:
    """Pass rows on, with a progress bar by bytes read where a person is watching."""
    if not sys.stderr.isatty():
        yield from (row for row, _ in rows)
        return
    size = file.stat().st_size
    with click.progressbar(length=size, label=f"committing {file.name}", file=sys.stderr) as bar:
        done = 0
        for row, position in rows:
            if position > done:
                bar.update(position - done)
                done = position
            yield row


@dataset.command("list")
@click.argument("prefix", default="")
@home_option
@json_option
def dataset_list(prefix: str, home: Path, as_json: bool) -> None:
    """List registered datasets whose id begins with PREFIX."""
    with connect(home) as client:
        data = client.call(
            "state.query", contract="catalogue", method="list", args={"prefix": prefix}
        )
    show(data, as_json, lambda rows: table(("dataset", "version", "status"), rows))


@dataset.command("show")
@click.argument("name", metavar="DATASET")
@click.option("--version", type=click.IntRange(1), default=None)
@home_option
@json_option
def dataset_show(name: str, version: int | None, home: Path, as_json: bool) -> None:
    """Show what is registered of a dataset."""
    args: dict[str, Any] = {"dataset": name}
    if version is not None:
        args["version"] = version
    data = query(home, "catalogue", args)
    wanted = ("dataset", "version", "title", "owner", "status", "level", "class", "rows",
              "commitment", "height", "latest")  # fmt: skip
    show(data, as_json, lambda d: pairs([(key, d[key]) for key in wanted]))

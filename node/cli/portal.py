"""Commands for what the portal shows: open data as files, and what the public says of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.collect import chain_of, unlocked
from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_for,
    passphrase_option,
    prepare_call,
    show,
    signing_options,
    submit,
    table,
)
from node.cli.person import person, person_options
from node.home import Home

if TYPE_CHECKING:
    from node.publish.remarks import Moderator
    from node.publish.shelf import Publication

_DATASET = click.argument("name", metavar="DATASET")


@click.group()
def portal() -> None:
    """Publish open data as files that everybody can load down and check (docs/portal.md).

    \b
    muniment portal publish tax/permits --home tax
    muniment portal list --home tax
    muniment portal withdraw tax/permits --version 1 --home tax
    muniment portal remarks --home tax
    """


@portal.command()
@_DATASET
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@home_option
@passphrase_option
@person_options
@json_option
def publish(
    name: str, version: int | None, home: Path, passphrase_file: Path | None,
    operator: str | None, operator_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Give the records of one of your DATASETs of level L1 to everybody: on chain, then as files.

    The files (CSV, JSON, Parquet, with proof) need no key: they stand in HOME/open, from where the
    portal serves them. That they were read enters the access log. For a version that the chain
    calls published already they are written anew.

    With --as it is only prepared: a second person confirms it with `operator confirm`, and then
    the same command writes the files.
    """
    from node.data.custody import Custody
    from node.keys import read_passphrase
    from node.publish.press import publish_version
    from node.publish.remarks import Moderator
    from node.publish.shelf import is_agreed, version_to_open

    place, query = Home(home), partial(ask, home)
    number = version_to_open(query, name, version)
    call, agreed = {"dataset": name, "version": number}, is_agreed(query, name, number)
    if operator is not None and not agreed:
        prepare_call(place, read_passphrase(operator_file), "catalogue", "publish", call, operator,
                     as_json, "the same command writes the files")  # fmt: skip
        return
    passphrase = passphrase_for(place, passphrase_file)
    if not agreed:
        submit(place, passphrase, "catalogue", "publish", call)
    chain, master = unlocked(home, passphrase)
    custody, who = Custody(place, chain, master), person(home, operator, operator_file)
    with click.progressbar(length=0, label="records", file=sys.stderr) as bar:

        def told(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        made = publish_version(place, custody, chain, name, number, who, told)
    Moderator(place.open, master).open()
    show(_told(made), as_json, lambda d: pairs(list(d.items())))


@portal.command("list")
@home_option
@json_option
def list_published(home: Path, as_json: bool) -> None:
    """List what is published, after removing what the chain does not call open any more."""
    from node.publish.shelf import Shelf, sweep

    shelf = Shelf(Home(home).open)
    gone = sweep(shelf, lambda *question: ask(home, *question))
    rows = [_told(each) for each in shelf.all()]
    removed = [{"dataset": dataset, "version": number, "why": why} for dataset, number, why in gone]

    def render(_: object) -> None:
        for each in removed:
            click.echo(f"removed {each['dataset']} version {each['version']}: {each['why']}")
        cells = [[moment(v)[:16] if k == "time" else v for k, v in row.items()] for row in rows]
        table(("dataset", "version", "records", "bytes", "time"), cells)

    show({"published": rows, "removed": removed}, as_json, render)


def _told(made: Publication) -> dict[str, Any]:
    size = sum(each.bytes for each in made.files.values())
    return {"dataset": made.dataset, "version": made.version, "records": made.records,
            "bytes": size, "time": made.time}  # fmt: skip


@portal.command()
@_DATASET
@click.option("--version", type=click.IntRange(1), required=True)
@signing_options
def withdraw(
    name: str, version: int, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Take the files of a version away, and say so on the chain; its registration stays.

    One person is enough. To publish it again is decided anew.
    """
    from node.publish.shelf import Shelf, is_agreed

    place, data = Home(home), {"dataset": name, "version": version}
    is_gone = Shelf(place.open).withdraw(name, version)
    if is_agreed(partial(ask, home), name, version):
        passphrase = passphrase_for(place, passphrase_file, operator)
        submit(place, passphrase, "catalogue", "withdraw", data, operator)
    elif not is_gone:
        raise Refused(f"{name} version {version} is not published; see: muniment portal list")
    show(data, as_json, lambda _: click.echo(f"{name} version {version} is withdrawn"))


# What the public says


def _moderator(home: Path, passphrase_file: Path | None) -> Moderator:
    from node.publish.remarks import Moderator

    _, master = chain_of(home, passphrase_file)
    return Moderator(Home(home).open, master)


@portal.command()
@home_option
@passphrase_option
@json_option
def remarks(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Read what the public has said of your open data; nobody else sees it yet."""
    rows = [
        {"id": name, **asdict(each)} for name, each in _moderator(home, passphrase_file).waiting()
    ]

    def render(_: object) -> None:
        for row in rows:
            click.echo(f"{row['id']}  {moment(row['time'])[:16]}  {row['dataset']}  {row['name']}")
            click.echo(f"{row['text']}\n")

    show(rows, as_json, render)


@portal.command()
@click.argument("remark", metavar="ID")
@click.option("--answer", default="", help="What the department says to it, for everybody.")
@home_option
@passphrase_option
def accept(remark: str, answer: str, home: Path, passphrase_file: Path | None) -> None:
    """Show a remark on the portal, with an answer if there is one."""
    found = _moderator(home, passphrase_file).accept(remark, answer)
    click.echo(f"shown with {found.dataset}")


@portal.command()
@click.argument("remark", metavar="ID")
@home_option
@passphrase_option
def reject(remark: str, home: Path, passphrase_file: Path | None) -> None:
    """Destroy a remark that is not to be shown."""
    _moderator(home, passphrase_file).reject(remark)
    click.echo(f"{remark} is destroyed")

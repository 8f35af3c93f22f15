"""Commands for what a home keeps: check it, see who read it, back it up, bring it back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.collect import chain_of
from node.cli.common import (
    Failed,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_option,
    show,
    table,
)
from node.cli.person import person_options
from node.home import Home

if TYPE_CHECKING:
    from node.data.custody import Custody


def custody_of(
    home: Path, passphrase_file: Path | None, operator: tuple[str, str] | None = None
) -> Custody:
    """Return a home's vault with its keys unlocked; see `chain_of`."""
    from node.data.custody import Custody

    return Custody(Home(home), *chain_of(home, passphrase_file, operator))


@click.group()
def vault() -> None:
    """Check, back up and restore what the home keeps.

    \b
    muniment vault verify --home HOME
    muniment vault backup /backup/vault --home HOME
    muniment vault backup-keys /safe/keys --days 90 --home HOME
    """


@vault.command("list")
@home_option
@passphrase_option
@json_option
def vault_list(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List the versions that are kept here."""
    found = custody_of(home, passphrase_file)
    rows = [(name, number, found.open(name, number).head.rows) for name, number in found.held()]
    data = [dict(zip(("dataset", "version", "rows"), row, strict=True)) for row in rows]
    show(data, as_json, lambda _: table(("dataset", "version", "rows"), rows))


@vault.command()
@click.argument("dataset", default="")
@click.option("--version", type=click.IntRange(1), default=None)
@home_option
@passphrase_option
@json_option
def verify(
    dataset: str, version: int | None, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Compare every byte with what is registered on the chain, and the access log with its anchors.

    Exit status 1 if anything differs; each damage is told with file, rows and bytes.
    """
    found = custody_of(home, passphrase_file)
    versions = list(found.held(dataset, version))
    damages = [asdict(each) for each in found.damages(dataset, version)]
    damages += [{"dataset": "", "version": 0, "what": what} for what in found.log_faults()]
    data = {"versions": len(versions), "damages": damages}

    def render(_: object) -> None:
        for each in damages:
            click.echo(f"{each['dataset']} version {each['version']}: {each['what']}")
        click.echo(f"{len(versions)} versions read, {len(damages)} damages")

    show(data, as_json, render)
    if damages:
        raise Failed(f"{len(damages)} damages; restore with: muniment vault restore")


@vault.command()
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@home_option
@passphrase_option
@json_option
def log(limit: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show who read plain values: the latest entries of the access log."""
    entries = list(custody_of(home, passphrase_file).log)[-limit:]
    rows = [
        (moment(e.time), e.operator, f"{e.dataset} v{e.version}", f"{e.first}-{e.last}", e.purpose)
        for e in entries
    ]
    names = ("time", "operator", "version", "rows", "purpose")
    show([asdict(each) for each in entries], as_json, lambda _: table(names, rows))


@vault.command()
@home_option
@passphrase_option
@person_options
def anchor(
    home: Path, passphrase_file: Path | None, operator: str | None, operator_file: Path | None
) -> None:
    """Anchor the access log on the chain now; `collect schedule` does so each hour."""
    from node.keys import read_passphrase

    signs = None if operator is None else (operator, read_passphrase(operator_file))
    found = custody_of(home, passphrase_file, signs)
    click.echo(f"{found.anchor()} entries are anchored")


@vault.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@home_option
@passphrase_option
@json_option
def backup(folder: Path, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Copy what is new to FOLDER, encrypted and without keys; what is destroyed goes there too."""
    copied, removed = custody_of(home, passphrase_file).backup(folder)
    data = {"copied": copied, "removed": removed}
    show(data, as_json, lambda d: pairs(list(d.items())))


@vault.command("backup-keys")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--days", type=click.IntRange(1, 3_650), default=90, show_default=True)
@home_option
@passphrase_option
@json_option
def backup_keys(
    file: Path, days: int, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Write the versions' keys to FILE, sealed under the member's vault key, good for --days.

    Keep it apart from backups of versions. An erasure is complete when the last key backup that
    holds the key is expired, or was reached here.
    """
    from node.data.backup import day

    made = custody_of(home, passphrase_file).backups.make(file, days)
    data = {"file": made.path, "keys": len(made.names), "expires": day(made.expires)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@vault.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--keys", type=click.Path(path_type=Path, dir_okay=False), help="A key backup.")
@home_option
@passphrase_option
@json_option
def restore(
    folder: Path, keys: Path | None, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Bring back from FOLDER what is missing or damaged here, checked against the chain.

    What the chain calls destroyed stays destroyed.
    """
    restored, destroyed = custody_of(home, passphrase_file).restore(folder, keys)
    data = {"restored": restored, "destroyed": destroyed}

    def render(_: object) -> None:
        for word, titles in data.items():
            for title in titles:
                click.echo(f"{word:<10} {title}")
        click.echo(f"{len(restored)} restored, {len(destroyed)} stay destroyed")

    show(data, as_json, render)


@vault.command()
@home_option
@passphrase_option
@json_option
def replay(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Carry out destructions that this home has missed, as after restoring all of it."""
    found = custody_of(home, passphrase_file).replay()
    rows = [[name, version] for name, version in found]
    show(rows, as_json, lambda _: table(("dataset", "version"), rows))

"""Commands for alerts, and the process that raises them."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

import click

from contracts.system.cases import DISPOSITIONS
from node.cli.common import (
    Refused,
    ask,
    connect,
    home_option,
    json_option,
    moment,
    own_name,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.home import Home
from node.watch.words import MEANINGS, SELDOM

_NUMBER = click.argument("number", metavar="ALERT", type=click.IntRange(1))


@click.group()
def alert() -> None:
    """Alerts: what supervisors' nodes have noticed, and why.

    \b
    muniment alert list --home tax
    muniment alert explain 3 --home tax
    muniment case open --kind anomaly --member city --alert 3 --home tax
    """


@alert.command("list")
@click.option("--member", help="Only alerts about this member.")
@click.option("--all", "everything", is_flag=True, help="Those that are disposed of, too.")
@home_option
@json_option
def list_alerts(member: str | None, everything: bool, home: Path, as_json: bool) -> None:
    """List open alerts, the gravest first."""
    if member is not None:
        rows = ask(home, "alerts", "about", {"member": member})
    else:
        rows = ask(home, "alerts", "list" if everything else "open", {})
    if not everything:
        rows = [row for row in rows if row["status"] == "open"]
    rows.sort(key=lambda row: (-row["severity"], -row["id"]))
    titles = ("alert", "severity", "what", "member", "subject", "since", "by", "status")
    show(rows, as_json, lambda found: table(titles, [_brief(row) for row in found]))


def _brief(row: dict[str, Any]) -> list[object]:
    status = row["disposition"] or row["status"]
    since = moment(row["time"])[:16]
    subject = row["subject"] or ""
    by = ", ".join(row["by"])
    return [
        row["id"], row["severity"], row["detector"], row["member"], subject, since, by, status,
    ]  # fmt: skip


def _find(home: Path, number: int) -> dict[str, Any]:
    row = ask(home, "alerts", "get", {"alert": number})
    if row is None:
        raise Refused(f"there is no alert {number}; list what there is with: muniment alert list")
    return dict(row)


@alert.command("show")
@_NUMBER
@home_option
@json_option
def show_alert(number: int, home: Path, as_json: bool) -> None:
    """Show ALERT with all that the chain holds of it."""
    show(_find(home, number), as_json, _render)


def _render(row: dict[str, Any]) -> None:
    names = ("id", "detector", "member", "subject", "severity", "status", "disposition", "case")
    pairs(
        [
            *((name, "-" if row[name] is None else row[name]) for name in names),
            ("by", ", ".join(row["by"])),
            ("at height", row["height"]),
            ("raised", f"{moment(row['time'])} at height {row['raised']}"),
        ]
    )


@alert.command()
@_NUMBER
@home_option
@json_option
def explain(number: int, home: Path, as_json: bool) -> None:
    """Say why ALERT was raised: each figure, what is usual, and how far it is from that."""
    row = _find(home, number)

    def render(found: dict[str, Any]) -> None:
        subject = f" ({found['subject']})" if found["subject"] else ""
        meaning = MEANINGS.get(found["detector"], SELDOM)
        click.echo(f"{found['member']}{subject}: {meaning}.")
        rows = [[name, *(f"{n / 100:,.2f}" for n in rest)] for name, *rest in found["reasons"]]
        table(("figure", "value", "usual", "spreads away"), rows)

    show({**row, "meaning": MEANINGS.get(row["detector"])}, as_json, render)


@alert.command()
@_NUMBER
@click.argument("disposition", type=click.Choice(DISPOSITIONS))
@click.option("--case", type=click.IntRange(1), help="The case that it was looked into in.")
@signing_options
def dispose(
    number: int, disposition: str, case: int | None, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say what ALERT came to; the watch learns from it."""
    place = Home(home)
    args = {"alert": number, "disposition": disposition, "case": case}
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "alerts", "dispose", args, operator)
    data = {"alert": number, "disposition": disposition, **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@click.command()
@home_option
@passphrase_option
def supervise(home: Path, passphrase_file: Path | None) -> None:
    """Follow the node of a supervisor, watch, and raise alerts signed with the node key.

    Runs beside `muniment start` until Ctrl-C or SIGTERM. What it has learnt is kept in the home.

    \b
    muniment supervise --home tax
    """
    from consensus.crypto import Signer
    from node.keys import find_keys, load_key
    from node.network import load_genesis
    from node.watch.supervise import SuperviseError, Supervisor

    place = Home(home)
    name = own_name(place)
    with connect(home) as client:
        record = client.call("state.query", contract="members", method="get", args={"name": name})
    if record is None or "supervisor" not in record["roles"]:
        raise SuperviseError(f"{name} is no supervisor; members give that role by vote")
    path = find_keys(place.keys, "node").get(bytes.fromhex(record["node_key"]))
    if path is None:
        raise SuperviseError(f"{place.keys} does not hold the node key that the chain knows")
    signer = Signer(load_key(path, "node", passphrase_for(place, passphrase_file)))

    def told(found: Any) -> None:
        click.echo(f"block {found.height}  severity {found.severity}  {found.key}")

    def passed(height: int, tip: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if height >= tip else ""
            click.echo(f"\rblock {height:,} of {tip:,}{end}", nl=False, err=True)

    chain_id = load_genesis(place.genesis).genesis.chain_id
    watcher = Supervisor(place.socket, place.watch, signer, chain_id, name, told, passed)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    click.echo(f"watching as {name} from height {watcher.height + 1}")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            watcher.run()
    finally:
        watcher.save()

"""Commands for cases: what supervisors look into."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from contracts.system.cases import DISPOSITIONS, KINDS
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
from node.cli.sealing import open_text, read_text, submit_worded, text_options
from node.home import Home, atomic_write
from node.trace.similar import similar

_NUMBER = click.argument("number", metavar="CASE", type=click.IntRange(1))


@click.group()
def case() -> None:
    """Cases: open one, look into it, say what it came to.

    A supervisor opens a case; what another member opens is a report that a supervisor takes. What
    is said is sealed to the supervisors and the member that it is about.

    \b
    muniment case open --kind leak --member city --severity 3 --text "Found on a forum." --home tax
    muniment case dispose 1 confirmed --home tax
    """


@case.command("open")
@click.option("--kind", type=click.Choice(KINDS), required=True)
@click.option("--severity", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--member", help="Whom it is about.")
@click.option("--dataset", help="What it is about.")
@click.option("--grant", type=click.IntRange(1), help="The grant that it is about.")
@click.option("--alert", "alerts", type=click.IntRange(1), multiple=True, help="May be repeated.")
@text_options
@signing_options
def open_case(
    kind: str, severity: int, member: str | None, dataset: str | None, grant: int | None,
    alerts: tuple[int, ...], text: str | None, file: Path | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Open a case, or report one."""
    place = Home(home)
    args = {
        "kind": kind,
        "severity": severity,
        "member": member,
        "dataset": dataset,
        "grant": grant,
        "alerts": list(alerts),
    }
    passphrase = passphrase_for(place, passphrase_file, operator)
    words = read_text(text, file, is_needed=False)
    to = [member] if member and member != own_name(place) else []
    state = submit_worded(place, passphrase, ("cases", "open", args), words, to, operator)
    event = next(e for e in state["events"] if e[:2] == ["cases", "opened"])
    data = {"case": event[2][0], "status": event[2][4], **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _step(
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool, number: int,
    method: str, args: dict[str, Any], *, words: str | None = None, has_words: bool = False,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    args = {"case": number, **args}
    if has_words:
        found = _find(home, number)
        assigned = (found["assignee"] or [None])[0]
        others = {found["opener"], found["member"], assigned} - {None, own_name(place)}
        call = ("cases", method, args)
        state = submit_worded(place, passphrase, call, words, sorted(others), operator)
    else:
        state = submit(place, passphrase, "cases", method, args, operator)
    data = {"case": number, "step": method, **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@case.command()
@_NUMBER
@click.argument("member")
@click.option("--operator", "person", help="Which of its operators.")
@signing_options
def assign(
    number: int, member: str, person: str | None, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say which supervisor looks into CASE."""
    args = {"member": member, "operator": person}
    _step(home, passphrase_file, operator, as_json, number, "assign", args)


@case.command()
@_NUMBER
@text_options
@signing_options
def comment(
    number: int, text: str | None, file: Path | None, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say something in CASE."""
    words = read_text(text, file)
    _step(home, passphrase_file, operator, as_json, number, "comment", {}, words=words,
          has_words=True)  # fmt: skip


@case.command()
@_NUMBER
@click.argument("evidence", metavar="FILE", type=click.Path(path_type=Path, exists=True,
                                                            dir_okay=False))  # fmt: skip
@click.option("--kind", default="file", show_default=True, help="Such as receipt or leak.")
@text_options
@signing_options
def attach(
    number: int, evidence: Path, kind: str, text: str | None, file: Path | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Name FILE as evidence by its SHA-256; the file itself stays where it is."""
    import hashlib

    with evidence.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    words = read_text(text, file, is_needed=False)
    args = {"kind": kind, "digest": digest}
    _step(home, passphrase_file, operator, as_json, number, "attach", args, words=words,
          has_words=True)  # fmt: skip


@case.command()
@_NUMBER
@click.argument("disposition", type=click.Choice(DISPOSITIONS))
@text_options
@signing_options
def dispose(
    number: int, disposition: str, text: str | None, file: Path | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say what CASE came to."""
    words = read_text(text, file, is_needed=False)
    args = {"disposition": disposition}
    _step(home, passphrase_file, operator, as_json, number, "dispose", args, words=words,
          has_words=True)  # fmt: skip


@case.command()
@_NUMBER
@signing_options
def close(
    number: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Close CASE once it is disposed of."""
    _step(home, passphrase_file, operator, as_json, number, "close", {})


@case.command()
@_NUMBER
@signing_options
def reopen(
    number: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
) -> None:
    """Take CASE up again."""
    _step(home, passphrase_file, operator, as_json, number, "reopen", {})


@case.command()
@_NUMBER
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with", "more", metavar="TXID", multiple=True,
              help="Another transaction, such as a request that was refused.")  # fmt: skip
@home_option
def export(number: int, output: Path, more: tuple[str, ...], home: Path) -> None:
    """Write CASE, with its violations, to one file that proves every step of it offline.

    \b
    Example: muniment case export 1 -o 1.case --home tax
             muniment verify 1.case --genesis genesis.json
    """
    from node.cli.traced import lives
    from node.network import load_genesis
    from node.proving import of_case
    from node.trace import case_file

    life = lives(home, f"case:{number}")
    with connect(home) as client:
        data = of_case(client, number, life, more)
    report = case_file.verify(data, load_genesis(Home(home).genesis).genesis)
    atomic_write(output, data, 0o644)
    count = len(report.receipts)
    click.echo(f"{output}: case {number}, {count} transactions, {len(data)} bytes")


# Looking


def _find(home: Path, number: int) -> dict[str, Any]:
    found = ask(home, "cases", "get", {"case": number})
    if found is None:
        raise Refused(f"there is no case {number}; see: muniment case list")
    return dict(found)


def _rows(cases: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (c["id"], c["kind"], c["severity"], c["member"] or "", c["dataset"] or "", c["status"],
         c["disposition"] or "", (c["assignee"] or [""])[0], moment(c["time"])[:16])
        for c in cases
    ]  # fmt: skip


_TITLES = ("case", "kind", "severity", "member", "dataset", "status", "came to", "assigned to",
           "opened")  # fmt: skip


@case.command("list")
@click.option("--before", type=click.IntRange(1), help="Cases below this number.")
@click.option("--member", help="Only those about this member.")
@home_option
@json_option
def list_cases(before: int | None, member: str | None, home: Path, as_json: bool) -> None:
    """List the latest cases."""
    if member is None:
        found = ask(home, "cases", "list", {} if before is None else {"before": before})
    else:
        found = ask(home, "cases", "about", {"member": member})
    show(found, as_json, lambda _: table(_TITLES, _rows(found)))


@case.command("show")
@_NUMBER
@home_option
@passphrase_option
@json_option
def show_case(number: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show CASE with its history, what was said (to its parties), and similar cases."""
    place = Home(home)
    found = _find(home, number)
    steps = []
    for what, member, operator, time, height, data in _history(home, number):
        envelope = data[-1] if what in ("opened", "commented", "attached", "disposed") else None
        words = open_text(place, passphrase_file, [envelope]) if envelope else None
        step = {"what": what, "member": member, "operator": operator, "time": time}
        steps.append({**step, "height": height, "data": data, "text": words})
    data = {**found, "history": steps, "similar": similar(partial(ask, home), found)}
    show(data, as_json, _render)


def _history(home: Path, number: int) -> list[Any]:
    rows: list[Any] = []
    while page := ask(home, "cases", "steps", {"case": number, "after": max(len(rows), 1)}
                      if rows else {"case": number}):  # fmt: skip
        rows += page
    return rows


def _render(data: dict[str, Any]) -> None:
    names = ("id", "kind", "severity", "member", "dataset", "grant", "status", "disposition")
    pairs([(name, data[name]) for name in names if data[name] is not None])
    rows = [
        (moment(s["time"])[:16], s["height"], s["what"],
         s["member"] + (f"/{s['operator']}" if s["operator"] else ""), s["text"] or "")
        for s in data["history"]
    ]  # fmt: skip
    table(("time", "height", "step", "by", "said"), rows)
    if data["similar"]:
        click.echo("Similar cases:")
        table(_TITLES, _rows(data["similar"]))

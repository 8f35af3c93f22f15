"""Commands for violations and sanctions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    moment,
    own_name,
    pairs,
    passphrase_for,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.cli.sealing import read_text, submit_worded, text_options
from node.home import Home

_NUMBER = click.argument("number", metavar="VIOLATION", type=click.IntRange(1))
DAY_MS = 24 * 60 * 60 * 1_000


@click.group()
def sanction() -> None:
    """Violations: find one, let the ladder act, appeal, decide.

    \b
    muniment sanction find city leak --gravity 2 --case 1 --home tax
    muniment sanction impose 1 --home tax
    muniment sanction appeal 1 --text "It was another copy." --home city
    """


@sanction.command()
@click.argument("member")
@click.argument("rule")
@click.option("--gravity", type=click.IntRange(1, 4), required=True)
@click.option("--case", "number", type=click.IntRange(1), required=True,
              help="A case that was confirmed against the member.")  # fmt: skip
@text_options
@signing_options
def find(
    member: str, rule: str, gravity: int, number: int, text: str | None, file: Path | None,
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say that MEMBER has broken RULE, such as leak or overdue-erasure."""
    place = Home(home)
    args = {"member": member, "rule": rule, "gravity": gravity, "case": number}
    passphrase = passphrase_for(place, passphrase_file, operator)
    words = read_text(text, file, is_needed=False)
    call = ("sanctions", "find", args)
    state = submit_worded(place, passphrase, call, words, [member], operator)
    event = next(e for e in state["events"] if e[:2] == ["sanctions", "found"])
    data = {"violation": event[2][0], "member": member, **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _act(
    home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool, number: int,
    method: str,
) -> None:  # fmt: skip
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    state = submit(place, passphrase, "sanctions", method, {"violation": number}, operator)
    _tell(home, number, state, as_json)


def _tell(home: Path, number: int, state: dict[str, Any], as_json: bool) -> None:
    found = _find(home, number)
    names = ("id", "member", "status", "measure")
    data = {name: found[name] for name in names if found[name] is not None} | where(state)
    if found["until"]:
        data["until"] = moment(found["until"])
    show(data, as_json, lambda d: pairs(list(d.items())))


def _add(method: str, says: str) -> None:
    """Add a command that does one thing about a violation."""

    @sanction.command(method, help=says)
    @_NUMBER
    @signing_options
    def _(
        number: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
    ) -> None:
        _act(home, passphrase_file, operator, as_json, number, method)


_add("impose", "Let the ladder act on VIOLATION; an operator needs a second one.")
_add("dismiss", "Take VIOLATION back before anything is imposed.")
_add("lift", "End the measure early; VIOLATION still counts.")


@sanction.command()
@_NUMBER
@text_options
@signing_options
def appeal(
    number: int, text: str | None, file: Path | None, home: Path, passphrase_file: Path | None,
    operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say that VIOLATION is wrong, as the member that it names."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    to = [_find(home, number)["imposer"]]
    call = ("sanctions", "appeal", {"violation": number})
    state = submit_worded(place, passphrase, call, read_text(text, file), to, operator)
    _tell(home, number, state, as_json)


@sanction.command()
@_NUMBER
@click.argument("outcome", type=click.Choice(("granted", "rejected")))
@text_options
@signing_options
def decide(
    number: int, outcome: str, text: str | None, file: Path | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Decide the appeal against VIOLATION: granted takes it back."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    to = [_find(home, number)["member"]]
    call = ("sanctions", "decide", {"violation": number, "outcome": outcome})
    words = read_text(text, file, is_needed=False)
    state = submit_worded(place, passphrase, call, words, to, operator)
    _tell(home, number, state, as_json)


# Looking


def _find(home: Path, number: int) -> dict[str, Any]:
    found = ask(home, "sanctions", "get", {"violation": number})
    if found is None:
        raise Refused(f"there is no violation {number}; see: muniment sanction list")
    return dict(found)


@sanction.command("list")
@click.option("--member", help="Only those of this member; 'own' for the own one.")
@home_option
@json_option
def list_violations(member: str | None, home: Path, as_json: bool) -> None:
    """List the latest violations and what was imposed."""
    if member is None:
        found = ask(home, "sanctions", "list", {})
    else:
        name = own_name(Home(home)) if member == "own" else member
        found = ask(home, "sanctions", "of", {"member": name})
    rows = [
        (v["id"], v["member"], v["rule"], v["gravity"], v["case"], v["status"], v["measure"] or "",
         moment(v["until"])[:10] if v["until"] else "")
        for v in found
    ]  # fmt: skip
    titles = ("violation", "member", "rule", "gravity", "case", "status", "measure", "until")
    show(found, as_json, lambda _: table(titles, rows))


@sanction.command("show")
@_NUMBER
@home_option
@json_option
def show_violation(number: int, home: Path, as_json: bool) -> None:
    """Show VIOLATION."""
    found = _find(home, number)
    times = ("from", "until", "appeal_until")

    def render(data: dict[str, Any]) -> None:
        pairs([(k, moment(v) if k in times else v) for k, v in data.items() if v])

    show(found, as_json, render)


@sanction.command()
@home_option
@json_option
def ladder(home: Path, as_json: bool) -> None:
    """Show the ladder; a vote changes it: muniment gov propose ladder."""
    found = ask(home, "sanctions", "ladder", {})

    def render(data: dict[str, Any]) -> None:
        rows = [(n, measure, f"{ms / DAY_MS:g} days")
                for n, (measure, ms) in enumerate(data["rungs"], 1)]  # fmt: skip
        table(("rung", "measure", "for"), rows)
        pairs([("violations count for", f"{data['window_ms'] / DAY_MS:g} days"),
               ("an appeal is taken for", f"{data['appeal_ms'] / DAY_MS:g} days")])  # fmt: skip

    show(found, as_json, render)

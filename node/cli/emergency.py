"""Commands for emergency plans: `muniment dispatch plan`."""

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
    passphrase_option,
    show,
    signing_options,
    submit,
    table,
    where,
)
from node.cli.sealing import open_text, read_text, seal_for, submit_sealed
from node.cli.spans import SPAN
from node.home import Home

_PLAN = click.argument("name", metavar="PLAN")


@click.group()
def plan() -> None:
    """Emergency plans: prepared and sealed beforehand, drilled, activated at once.

    \b
    muniment dispatch plan prepare flood --to city --to town --file flood.txt \\
        --acknowledge 30m --complete 6h --home tax
    muniment dispatch plan drill flood --home tax
    muniment dispatch plan activate flood --home tax
    """


@plan.command()
@_PLAN
@click.option("--to", multiple=True, required=True, help="A member below; may be repeated.")
@click.option("--severity", type=click.Choice(("routine", "urgent", "emergency")),
              default="emergency", show_default=True)  # fmt: skip
@click.option("--acknowledge", type=SPAN, default="30m", show_default=True)
@click.option("--complete", type=SPAN, default="6h", show_default=True)
@click.option("--escalate", type=SPAN, default="10m", show_default=True)
@click.option("--file", type=click.Path(path_type=Path), required=True,
              help="What each is to do, UTF-8; sealed to them now.")  # fmt: skip
@signing_options
def prepare(
    name: str, to: tuple[str, ...], severity: str, acknowledge: int, complete: int, escalate: int,
    file: Path, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Prepare PLAN, or its next version."""

    place, recipients = Home(home), sorted(set(to))
    passphrase = passphrase_for(place, passphrase_file, operator)
    words = read_text(None, file) or ""
    envelopes, anchors = seal_for(place, "plan", words, recipients)
    args = {
        "plan": name,
        "severity": severity,
        "recipients": recipients,
        "envelopes": envelopes,
        "acknowledge_ms": acknowledge,
        "complete_ms": complete,
        "escalate_ms": escalate,
    }
    calls = [*anchors, ("emergency", "prepare", args)]
    state = submit_sealed(place, passphrase, envelopes, calls, operator)
    data = {"plan": name, "version": _event(state, "prepared")[1], **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


def _event(state: dict[str, Any], name: str) -> list[Any]:
    return next(list(e[2]) for e in state["events"] if e[:2] == ["emergency", name])


def _act(method: str, event: str, help_text: str) -> None:
    def run(
        name: str, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool
    ) -> None:
        place = Home(home)
        passphrase = passphrase_for(place, passphrase_file, operator)
        state = submit(place, passphrase, "emergency", method, {"plan": name}, operator)
        data = {"plan": name, "order": _event(state, event)[-1], **where(state)}
        show(data, as_json, lambda d: pairs(list(d.items())))

    command: Any = _PLAN(signing_options(run))
    plan.command(method.replace("_", "-"), help=help_text)(command)


_act("drill", "drilled", "Try PLAN: its members get an order that is called a drill.")
_act("activate", "activated", "Put PLAN into force: its members get the order at once.")
_act("stand_down", "stood-down", "End the emergency; its order stays until it is confirmed.")


@plan.command("list")
@home_option
@json_option
def list_plans(home: Path, as_json: bool) -> None:
    """List all members' plans."""
    found: list[dict[str, Any]] = []
    while rows := ask(
        home, "emergency", "list",
        {"after": f"{found[-1]['owner']}/{found[-1]['plan']}"} if found else {},
    ):  # fmt: skip
        found += rows
    cells = [
        (p["owner"], p["plan"], p["version"], ", ".join(p["recipients"]), p["drills"],
         moment(p["last_drill"][1])[:16] if p["last_drill"] else "never",
         f"order {p['active'][0]}" if p["active"] else "")
        for p in found
    ]  # fmt: skip
    titles = ("owner", "plan", "version", "members", "drills", "last drill", "in force")
    show(found, as_json, lambda _: table(titles, cells))


@plan.command("show")
@_PLAN
@click.option("--owner", help="By default the own member.")
@home_option
@passphrase_option
@json_option
def show_plan(
    name: str, owner: str | None, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Show PLAN, and what it says if this member is a party."""
    place = Home(home)
    owner = owner or own_name(place)
    found = ask(home, "emergency", "get", {"owner": owner, "plan": name})
    if found is None:
        raise Refused(f"{owner} has no plan {name}; see: muniment dispatch plan list")
    data = {**found, "text": open_text(place, passphrase_file, found["envelopes"])}
    hidden = ("envelopes", "escalate_ms", "acknowledge_ms", "complete_ms")
    show(data, as_json, lambda d: pairs([(k, v) for k, v in d.items() if k not in hidden]))

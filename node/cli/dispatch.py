"""Commands for orders and notices down the tiers of members."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from node.cli.emergency import plan
from node.cli.sealing import (
    RECIPIENTS_EACH,
    Anchor,
    open_text,
    read_text,
    seal_for,
    submit_sealed,
    submit_worded,
    text_options,
)
from node.cli.spans import SPAN
from node.home import Home

_NUMBER = click.argument("order", metavar="ORDER", type=click.IntRange(1))
_MEMBER = click.argument("member")


@click.group()
def dispatch() -> None:
    """Orders and notices from a member to those below it, with deadlines that escalate.

    \b
    muniment dispatch issue --to city --to town --severity urgent --text "Check the dikes." \\
        --acknowledge 2h --complete 3d --home tax
    muniment dispatch due --home city
    muniment dispatch acknowledge 1 --home city
    """


dispatch.add_command(plan)


@dispatch.command()
@click.option("--to", multiple=True, help="A member; may be repeated.")
@click.option("--group", "groups", multiple=True, help="A group of yours; see: dispatch group set.")
@click.option("--kind", type=click.Choice(("order", "advisory", "vulnerability")), default="order",
              show_default=True)  # fmt: skip
@click.option("--severity", type=click.Choice(("routine", "urgent", "emergency")),
              default="routine", show_default=True)  # fmt: skip
@click.option("--acknowledge", type=SPAN, default="1d", show_default=True, help="By when, from now")
@click.option("--complete", type=SPAN, help="By when it has to be done, from now.")
@click.option("--escalate", type=SPAN, help="Time between steps of escalation; as --acknowledge.")
@click.option("--origin", type=click.IntRange(1), help="The order that this one passes on.")
@text_options
@signing_options
def issue(
    to: tuple[str, ...], groups: tuple[str, ...], kind: str, severity: str, acknowledge: int,
    complete: int | None, escalate: int | None, origin: int | None, text: str | None,
    file: Path | None, home: Path, passphrase_file: Path | None, operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Send an order or notice to members below the own one; supervisors send notices to all.

    Whoever has not acknowledged, or completed, when the time is over is reported to the members
    above it, one step after the other.
    """
    place = Home(home)
    words = read_text(text, file)
    recipients = sorted({*to, *_members_of(place, groups)})
    if not recipients:
        raise click.UsageError("say whom with --to or --group")
    passphrase = passphrase_for(place, passphrase_file, operator)
    now = time.time_ns() // 1_000_000
    envelopes, anchors = seal_for(place, kind, words or "", recipients)
    args = {
        "kind": kind,
        "severity": severity,
        "recipients": recipients,
        "envelopes": envelopes,
        "acknowledge_by": now + acknowledge,
        "complete_by": None if complete is None else now + complete,
        "escalate_ms": escalate or acknowledge,
        "origin": origin,
    }
    calls: list[Anchor] = [*anchors, ("dispatch", "issue", args)]
    state = submit_sealed(place, passphrase, envelopes, calls, operator)
    number = next(e[2][0] for e in state["events"] if e[:2] == ["dispatch", "issued"])
    data = {"order": number, "recipients": recipients, **where(state)}
    show(data, as_json, lambda d: pairs([*d.items()]))


def _members_of(place: Home, groups: Sequence[str]) -> list[str]:
    if not groups:
        return []
    known = {
        row[0]: row[1] for row in ask(place.path, "dispatch", "groups", {"owner": own_name(place)})
    }
    missing = [group for group in groups if group not in known]
    if missing:
        raise Refused(f"there is no group {missing[0]}; groups are {', '.join(known) or 'none'}")
    return [name for group in groups for name in known[group]]


# Answers


def _answer(method: str, help_text: str, *, has_words: bool, is_by_member: bool = False) -> None:
    """Add a command that brings one recipient's part of an order on."""

    def run(
        order: int, home: Path, passphrase_file: Path | None, operator: str | None, as_json: bool,
        text: str | None = None, file: Path | None = None, **more: Any,
    ) -> None:  # fmt: skip
        place = Home(home)
        passphrase = passphrase_for(place, passphrase_file, operator)
        args = {"order": order, **more}
        if has_words:
            words = read_text(text, file, is_needed=False)
            to = [more.get("member") or _find(home, order)["issuer"]]
            call = ("dispatch", method, args)
            state = submit_worded(place, passphrase, call, words, to, operator)
        else:
            state = submit(place, passphrase, "dispatch", method, args, operator)
        is_late = any(e[1] != "closed" and e[2][2:3] == [True] for e in state["events"])
        data = {"order": order, "late": is_late, **where(state)}
        show(data, as_json, lambda d: pairs(list(d.items())))

    command: Any = run
    command = signing_options(command)
    if has_words:
        command = text_options(command)
    if method == "report":
        command = click.option("--progress", type=click.IntRange(0, 100), required=True,
                               help="In percent.")(command)  # fmt: skip
    if is_by_member:
        command = _MEMBER(command)
    dispatch.command(method.replace("_", "-"), help=help_text)(_NUMBER(command))


_answer("acknowledge", "Say that the ORDER has been seen.", has_words=False)
_answer("report", "Say how far the ORDER is.", has_words=True)
_answer("complete", "Say that the ORDER is done.", has_words=True)
_answer("confirm", "Accept what MEMBER has completed, as the issuer of the ORDER.",
        has_words=False, is_by_member=True)  # fmt: skip
_answer("send_back", "Have MEMBER do it again, as the issuer of the ORDER.", has_words=True,
        is_by_member=True)  # fmt: skip
_answer("cancel", "Take the ORDER back, as its issuer.", has_words=False)


# Looking


def _find(home: Path, order: int) -> dict[str, Any]:
    found = ask(home, "dispatch", "get", {"order": order})
    if found is None:
        raise Refused(f"there is no order {order}; see: muniment dispatch list")
    return dict(found)


@dispatch.command("list")
@click.option("--before", type=click.IntRange(1), help="Orders below this number.")
@home_option
@json_option
def list_orders(before: int | None, home: Path, as_json: bool) -> None:
    """List the latest orders of all members."""
    found = ask(home, "dispatch", "list", {} if before is None else {"before": before})
    titles = ("order", "kind", "severity", "from", "to", "acknowledge by", "complete by", "status")
    rows = [
        (o["id"], o["kind"], o["severity"], o["issuer"], ", ".join(o["recipients"]),
         moment(o["acknowledge_by"])[:16], _until(o["complete_by"]), o["status"])
        for o in found
    ]  # fmt: skip
    show(found, as_json, lambda _: table(titles, rows))


def _until(ms: int | None) -> str:
    return "" if ms is None else moment(ms)[:16]


@dispatch.command("due")
@home_option
@json_option
def list_due(home: Path, as_json: bool) -> None:
    """List what this member owes, and what was escalated to it."""
    name = own_name(Home(home))
    data = {
        "due": ask(home, "dispatch", "due", {"member": name}),
        "raised": ask(home, "dispatch", "raised", {"member": name}),
    }
    show(data, as_json, _render_due)


def _render_due(data: dict[str, Any]) -> None:
    now = time.time_ns() // 1_000_000
    rows = []
    for order, part in data["due"]:
        is_seen = part["status"] != "sent"
        by = order["complete_by"] if is_seen else order["acknowledge_by"]
        overdue = "overdue" if by is not None and by < now else ""
        rows.append((order["id"], order["kind"], order["severity"], order["issuer"],
                     "complete" if is_seen else "acknowledge", _until(by), overdue))  # fmt: skip
    table(("order", "kind", "severity", "from", "to do", "by", ""), rows)
    if data["raised"]:
        table(("order", "member", "has not kept"), data["raised"])


@dispatch.command("show")
@_NUMBER
@home_option
@passphrase_option
@json_option
def show_order(order: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show an order, what it says (to its parties), and what each recipient has done."""
    place = Home(home)
    found = _find(home, order)
    found["text"] = open_text(place, passphrase_file, found["envelopes"])

    def render(data: dict[str, Any]) -> None:
        names = ("id", "kind", "severity", "issuer", "status", "origin", "plan", "text")
        pairs([(name, data[name]) for name in names if data[name] is not None])
        titles = ("member", "status", "since", "late", "progress", "escalated to")
        table(titles, [_part_row(name, part) for name, part in data["parts"].items()])

    show(found, as_json, render)


def _part_row(name: str, part: dict[str, Any]) -> tuple[object, ...]:
    status, since, is_late, progress, _ = (part["steps"] or [["sent", 0, False, None, None]])[-1]
    told = ", ".join(to for _, to, _ in part["overdue"])
    return (
        name, status, moment(since)[:16] if since else "", "late" if is_late else "",
        "" if progress is None else f"{progress} %", told,
    )  # fmt: skip


# Groups


@dispatch.group()
def group() -> None:
    """Members that are often addressed together, and how to reach their people."""


@group.command("set")
@click.argument("name", metavar="GROUP")
@click.argument("members", nargs=-1)
@text_options
@signing_options
def set_group(
    name: str, members: tuple[str, ...], text: str | None, file: Path | None, home: Path,
    passphrase_file: Path | None, operator: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Name MEMBERS as GROUP; without any the group ends. --text holds contacts, sealed to them."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    words = read_text(text, file, is_needed=False)
    envelopes: list[bytes] = []
    calls: list[Anchor] = []
    if words is not None:
        if len(members) > RECIPIENTS_EACH:
            raise Refused(f"contacts can be sealed to {RECIPIENTS_EACH} members at most")
        envelopes, calls = seal_for(place, "contacts", words, members)
    args = {
        "group": name,
        "members": sorted(set(members)),
        "envelope": envelopes[0] if envelopes else None,
    }
    calls.append(("dispatch", "set_group", args))
    state = submit_sealed(place, passphrase, envelopes, calls, operator)
    data = {"group": name, "members": args["members"], **where(state)}
    show(data, as_json, lambda d: pairs(list(d.items())))


@group.command("list")
@click.option("--owner", help="By default the own member.")
@home_option
@json_option
def list_groups(owner: str | None, home: Path, as_json: bool) -> None:
    """List a member's groups."""
    found = ask(home, "dispatch", "groups", {"owner": owner or own_name(Home(home))})
    rows = [(name, ", ".join(members), (envelope or "")[:16]) for name, members, envelope in found]
    show(found, as_json, lambda _: table(("group", "members", "contacts"), rows))

"""Dispatch: who owes what on each tier, an order with its history, and the answers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.genesis import TIERS
from contracts.system.dispatch import DUTIES
from node.errors import MunimentError
from node.trace.index import Entry, open_index
from node.web.console.exchange import before_of, now_ms
from node.web.console.letters import Letter, read, seal_to_all
from node.web.forms import whole
from node.web.signing import CallArguments, propose
from node.web.site import Area, MissingError, Site, Visit, page

AREAS = (Area("/dispatch", "Dispatch"),)
PAGE = 100
"""Orders that `dispatch.list` gives at once, and rows that `dispatch.due` gives of a member."""
SHOWN_EACH = 60
"""Of a tier, on the board; the most urgent."""
HISTORY, LETTERS = 500, 50
"""Of an order: what happened first, and texts that came last."""
_ANSWERS = ("acknowledge", "report", "complete")
_DECISIONS = ("confirm", "send_back", "cancel")


def routes(site: Site) -> list[BaseRoute]:
    order = "/dispatch/orders/{number:int}"
    return [
        page(site, "/dispatch", _board),
        page(site, "/dispatch/orders", _list),
        page(site, order, _show),
        page(site, order + "/{act}", _act, methods=("POST",), duties=DUTIES),
    ]


class DispatchError(MunimentError):
    """What cannot be done about an order any more."""

    code = "dispatch"


# Who stands where


def members_of(visit: Visit) -> list[dict[str, Any]]:
    return list(visit.query("members", "list"))


def below(records: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Names of the active members that stand below one in the tree."""
    parents = {record["name"]: record["parent"] for record in records}

    def stands_below(other: str) -> bool:
        seen = {other}
        while (parent := parents.get(other)) is not None and parent not in seen:
            if parent == name:
                return True
            seen.add(other := parent)
        return False

    return [r["name"] for r in records if r["status"] == "active" and stands_below(r["name"])]


# The board


@dataclass(frozen=True, slots=True)
class Owed:
    """What a member has to do about an order: `step` is acknowledge, complete or confirm.

    `by` is in ms UTC, None where there is no term; `told` are the members it was escalated to.
    """

    order: dict[str, Any]
    member: str
    step: str
    by: int | None
    told: tuple[str, ...] = ()
    progress: int | None = None

    @property
    def urgency(self) -> tuple[bool, int, int]:
        return self.by is None, self.by or 0, self.order["id"]


def owed_of(order: dict[str, Any], member: str, part: Mapping[str, Any]) -> Owed:
    """What a recipient owes, by its part of an order."""
    is_seen = part["status"] != "sent"
    by = order["complete_by"] if is_seen else order["acknowledge_by"]
    told = tuple(dict.fromkeys(to for _, to, _ in part["overdue"]))
    return Owed(order, member, "complete" if is_seen else "acknowledge", by, told, progress(part))


def progress(part: Mapping[str, Any]) -> int | None:
    """Percent, as the member has reported last."""
    told = [step[3] for step in part["steps"] if step[3] is not None]
    return told[-1] if told else None


def _board(visit: Visit) -> Response:
    seen = visit.site.live.latest("dispatch")
    records = members_of(visit)
    active = [record for record in records if record["status"] == "active"]
    asked = [("dispatch", "due", {"member": record["name"]}) for record in active]
    tiers: dict[str, list[Owed]] = {tier: [] for tier in TIERS}
    for record, rows in zip(active, visit.site.link.query_all(asked), strict=True):
        tiers[record["tier"]] += [owed_of(order, record["name"], part) for order, part in rows]
    for rows in tiers.values():
        rows.sort(key=lambda owed: owed.urgency)
    mine = [owed for rows in tiers.values() for owed in rows if owed.member == visit.site.member]
    raised = visit.query("dispatch", "raised", {"member": visit.site.member})
    return visit.page("dispatch.html", tiers=tiers, mine=mine, raised=raised, now=now_ms(),
                      confirm=_to_confirm(visit), most=SHOWN_EACH, seen=seen)  # fmt: skip


def _to_confirm(visit: Visit) -> list[Owed]:
    """What recipients of this member's latest orders have completed."""
    member = visit.site.member
    own = [o["id"] for o in visit.query("dispatch", "list")
           if o["issuer"] == member and o["status"] == "open"]  # fmt: skip
    found = visit.site.link.query_all([("dispatch", "get", {"order": each}) for each in own])
    return [
        Owed(order, name, "confirm", None, progress=100)
        for order in found for name, part in order["parts"].items()
        if part["status"] == "completed"
    ]  # fmt: skip


def _list(visit: Visit) -> Response:
    rows = visit.query("dispatch", "list", before_of(visit))
    return visit.page("orders.html", rows=rows, more=len(rows) == PAGE and rows[-1]["id"] > 1)


# One order


def _find(visit: Visit) -> Any:
    """The order that the path names. Raises MissingError."""
    args = {"order": int(visit.param("number"))}
    return visit.find("dispatch", "get", args, visit.say("There is no such order."))


def _show(visit: Visit) -> Response:
    order = _find(visit)
    member, records = visit.site.member, members_of(visit)
    is_open = order["status"] == "open" and not visit.duties.isdisjoint(DUTIES)
    own, history = order["parts"].get(member), _history(visit, order["id"])
    return visit.page(
        "order.html", order=order, now=now_ms(), progress=progress,
        tiers={record["name"]: record["tier"] for record in records},
        owed={name: owed_of(order, name, part) for name, part in order["parts"].items()
              if order["status"] == "open" and part["status"] not in ("completed", "confirmed")},
        letter=read(visit, order["envelopes"]), letters=_letters(visit, order),
        history=[(_told(visit, entry), entry) for entry in history],
        is_behind=not history or history[-1].time < _latest(order),
        may=_possible(own) if is_open and own else (),
        may_decide=is_open and order["issuer"] == member,
        may_pass_on=is_open and own is not None and own["status"] not in ("sent", "confirmed")
        and bool(below(records, member)),
    )  # fmt: skip


def _possible(part: Mapping[str, Any]) -> tuple[str, ...]:
    """What a recipient may do next."""
    match part["status"]:
        case "sent":
            return ("acknowledge",)
        case "acknowledged" | "reported":
            return ("report", "complete")
        case _:
            return ()


def _letters(visit: Visit, order: Mapping[str, Any]) -> list[tuple[str, str, Letter]]:
    """(member, step, text) of what came sealed with the latest steps and is for this member."""
    sealed = [
        (time, name, step, envelope)
        for name, part in order["parts"].items()
        for step, time, _, _, envelope in part["steps"]
        if envelope
    ]
    found = ((name, step, read(visit, [envelope]))
             for _, name, step, envelope in sorted(sealed)[-LETTERS:])  # fmt: skip
    return [(name, step, letter) for name, step, letter in found if letter is not None]


def _history(visit: Visit, number: int) -> list[Entry]:
    """What the index has, which this process brings up to date with each block."""
    with visit.site.link.client() as client:
        index = open_index(visit.site.home.trace, client)
    with closing(index):
        return index.trace(f"order:{number}", limit=HISTORY)


def _latest(order: Mapping[str, Any]) -> int:
    """When something happened to an order last, as far as it says so itself."""
    parts = order["parts"].values()
    steps = [step[1] for part in parts for step in part["steps"]]
    told = [row[2] for part in parts for row in part["overdue"]]
    return int(max([order["time"], *steps, *told]))


def _told(visit: Visit, entry: Entry) -> str:
    """A sentence on an event of `contracts.system.dispatch`."""
    say, data = visit.say, entry.data
    who = str(data[1]) if len(data) > 1 else ""
    match entry.name:
        case "issued":
            return say("%s gave the order") % who
        case "acknowledged":
            return say("%s has acknowledged") % who
        case "reported":
            told = say("%s has reported") % who
            return told if data[3] is None else f"{told}: {visit.language.percent(data[3] / 100)}"
        case "completed":
            return say("%s has completed") % who
        case "confirmed":
            return say("What %s has done is confirmed") % who
        case "escalated":
            late = say("%s has not acknowledged in time, which %s is told")
            if who == "complete":
                late = say("%s has not completed in time, which %s is told")
            return "; ".join(late % (member, to) for member, to in data[3])
        case "closed":
            return say("All is confirmed; the order is closed")
        case "cancelled":
            return say("The order was taken back")
        case name:
            return name


# Answers


def _act(visit: Visit) -> Response:
    order, act = _find(visit), visit.param("act")
    if act not in (*_ANSWERS, *_DECISIONS):
        raise MissingError(visit.say("There is no such order."))
    args: dict[str, Any] = {"order": order["id"]}
    other = order["issuer"]
    words = [(visit.say("Order"), f"{order['id']} · {visit.say(order['kind'])}"),
             (visit.say("Issued by"), order["issuer"])]  # fmt: skip
    if act in ("confirm", "send_back"):
        args["member"] = other = visit.form.get("member", "")[:64]
        words.append((visit.say("Member"), other))
    concerned = args.get("member", visit.site.member)
    stand = _stand(order, concerned)
    if act == "report":
        percent = whole(visit.form.get("progress", ""), 3)
        if percent is None or percent > 100:
            return visit.problem(visit.say("Progress is a whole number from 0 to 100."))
        args["progress"] = percent
        words.append((visit.say("Progress"), visit.language.percent(percent / 100)))

    def check(again: Visit) -> None:
        if _stand(_find(visit), concerned) != stand:
            sentence = again.say("Somebody else was first: the order is not as it was shown.")
            raise DispatchError(sentence)

    sealed: list[str] = []
    calls: list[CallArguments] = []
    if act in ("report", "complete", "send_back"):
        text = visit.form.get("text", "").strip()
        args["envelope"] = None
        if text:
            words.append((visit.say("Text, sealed to %s") % other, text))
            sealed, calls = seal_to_all(visit, act.replace("_", "-"), text, [other])
            args["envelope"] = bytes.fromhex(sealed[0])
    return propose(visit, _title(visit, act) % order["id"], words,
                   [*calls, ("dispatch", act, args)], f"/dispatch/orders/{order['id']}",
                   sealed, check=check)  # fmt: skip


def _stand(order: Mapping[str, Any], member: str) -> tuple[str, str]:
    """Where an order stands, and a member's part of it."""
    return order["status"], order["parts"].get(member, {}).get("status", "")


def _title(visit: Visit, act: str) -> str:
    return {
        "acknowledge": visit.say("Acknowledge order %s"),
        "report": visit.say("Report on order %s"),
        "complete": visit.say("Say that order %s is done"),
        "confirm": visit.say("Confirm what was done on order %s"),
        "send_back": visit.say("Send order %s back"),
        "cancel": visit.say("Take order %s back"),
    }[act]

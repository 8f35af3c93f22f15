"""Violations: the ladder acts on them, the member appeals, somebody else decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import APPROVER
from contracts.system import sanctions
from contracts.system.cases import SUPERVISOR
from node.trace.index import Entry, Index
from node.trace.words import EVENTS
from node.web.console.exchange import now_ms
from node.web.console.rows import latest_rows, pages_of
from node.web.console.seconds import prepare, waiting
from node.web.console.supervision import (
    ROOT,
    members_of,
    propose_worded,
    read_texts,
    reading,
    unchanged,
)
from node.web.signing import propose
from node.web.site import Site, Visit, page

STATES = ("found", "imposed", "appealed", "overturned", "lifted", "dismissed")
MAX_BACK = 2_000
"""Of a member's latest doings, so many are looked through for what it prepared."""
OUTCOMES = (sanctions.GRANTED, sanctions.REJECTED)
_ALL = ROOT + "/violations"
_ONE = _ALL + "/{number:int}"


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _ALL, _list),
        page(site, _ONE, _show),
        page(site, _ONE + "/{act}", _act, methods=("POST",), duties=(APPROVER,)),
    ]


def _list(visit: Visit) -> Response:
    facets = {"state": visit.option("state"), "member": visit.option("member")}
    found = latest_rows(visit, "sanctions")
    rows = [row for row in found if facets["state"] in ("", row["status"])
            and facets["member"] in ("", row["member"])]  # fmt: skip
    return visit.page(
        "violations.html", **pages_of(rows, visit, **facets), facets=facets, states=STATES,
        members=sorted({row["member"] for row in found}),
        ladder=visit.query("sanctions", "ladder"), day_ms=sanctions.DAY_MS,
    )  # fmt: skip


def _find(visit: Visit) -> Any:
    """The violation that the path names. Raises MissingError."""
    args = {"violation": int(visit.param("number"))}
    return visit.find("sanctions", "get", args, visit.say("There is no such violation."))


def allowed(
    row: Mapping[str, Any], member: str, record: Mapping[str, Any], now: int
) -> frozenset[str]:
    """What a member (its record as the chain has it) may do about a violation, as rules go."""
    found: set[str] = set()
    supervises = SUPERVISOR in record["roles"] and member != row["member"]
    status = row["status"]
    if supervises and status == sanctions.FOUND:
        found |= {"impose", "dismiss"}
    if supervises and status in sanctions.STANDING:
        found.add("lift")
    if member == row["member"] and status == sanctions.IMPOSED and row["appeal"] is None:
        found |= {"appeal"} if now <= row["appeal_until"] else set()
    may_decide = SUPERVISOR in record["roles"] or record["tier"] == "central"
    has_no_part = member not in (row["imposer"], row["member"])
    if may_decide and has_no_part and status == sanctions.APPEALED:
        found.add("decide")
    return frozenset(found)


def rung_of(
    ladder: Mapping[str, Any], row: Mapping[str, Any], others: Sequence[Mapping[str, Any]], now: int
) -> tuple[str, int]:
    """The measure that the ladder would impose at `now` (ms UTC), and for how long in ms."""
    earlier = sum(
        each["status"] in (*sanctions.STANDING, sanctions.LIFTED)
        and each["from"] > now - ladder["window_ms"]
        for each in others
    )
    rungs = ladder["rungs"]
    measure, span = rungs[min(row["gravity"] - 1 + earlier, len(rungs) - 1)]
    return measure, span


def said_with(index: Index, step: Entry) -> str | None:
    """The envelope that was anchored with a step, or with what was prepared for it."""

    def anchored(txid: str) -> str | None:
        found = (e.data[0] for e in index.trace(f"tx:{txid}")
                 if (e.contract, e.name) == ("envelopes", "anchored"))  # fmt: skip
        return next(found, None)

    events = index.trace(f"tx:{step.txid}")
    request = next((e.data[0] for e in events
                    if (e.contract, e.name) == ("operators", "confirmed")), None)  # fmt: skip
    if request is None:
        return anchored(step.txid)
    mark = f"member:{step.sender.partition('/')[0]}"
    for entry in index.trace(mark, until=step.time, latest=True, limit=MAX_BACK):
        if (entry.contract, entry.name, entry.data[:1]) == ("operators", "prepared", [request]):
            return anchored(entry.txid)
    return None


def _show(visit: Visit) -> Response:
    seen = visit.site.live.latest("sanctions", "operators")
    row = _find(visit)
    member, now = visit.site.member, now_ms()
    ladder = visit.query("sanctions", "ladder")
    others = visit.query("sanctions", "of", {"member": row["member"]})
    measure, span = rung_of(ladder, row, others, now)
    with reading(visit) as index:
        history = index.trace(f"violation:{row['id']}")
        decided = next((e for e in history if e.name == "decided" and not e.code), None)
        said = said_with(index, decided) if decided else None
    envelopes = {"found": row["envelope"], "appeal": (row["appeal"] or [None, None])[1],
                 "decided": said}  # fmt: skip
    return visit.page(
        "violation.html", seen=seen, row=row, history=history, events=EVENTS, measure=measure,
        days=span // sanctions.DAY_MS,
        envelopes=envelopes, texts=read_texts(visit, list(envelopes.values())),
        may=allowed(row, member, members_of(visit).get(member, {"roles": [], "tier": ""}), now)
        if APPROVER in visit.duties else frozenset(),
        waiting=waiting(visit, "sanctions", violation=row["id"]), outcomes=OUTCOMES,
    )  # fmt: skip


def _act(visit: Visit) -> Response:
    row, act = _find(visit), visit.param("act")
    number, args = row["id"], {"violation": row["id"]}
    back = f"{_ALL}/{number}"
    words = [(visit.say("Member"), row["member"]), (visit.say("Rule"), row["rule"]),
             (visit.say("Gravity"), str(row["gravity"]))]  # fmt: skip
    check = unchanged("sanctions", args, row["status"])
    match act:
        case "impose":
            title = visit.say("Let the ladder act on violation %s") % number
            return prepare(visit, title, words, ("sanctions", act, args), back, check=check)
        case "lift":
            title = visit.say("End the measure of violation %s") % number
            return prepare(visit, title, words, ("sanctions", act, args), back, check=check)
        case "dismiss":
            title = visit.say("Take violation %s back") % number
            return propose(visit, title, words, [("sanctions", act, args)], back, check=check)
        case "appeal":
            title = visit.say("Appeal against violation %s") % number
            return propose_worded(visit, title, words, ("sanctions", act, args), [row["imposer"]],
                                  back, check=check)  # fmt: skip
        case "decide" if (outcome := visit.form.get("outcome", "")) in OUTCOMES:
            title = visit.say("Decide the appeal against violation %s") % number
            words.append((visit.say("Outcome"), visit.say(outcome)))
            return propose_worded(visit, title, words,
                                  ("sanctions", act, {**args, "outcome": outcome}),
                                  [row["member"]], back, for_two=True, check=check)  # fmt: skip
        case _:
            return visit.problem(visit.say("This form is not complete."))

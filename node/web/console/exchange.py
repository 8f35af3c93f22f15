"""The exchange: what waits for this member, requests with the reasons of each decision, reviews."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING
from contracts.masks import SPECS
from node.errors import MunimentError
from node.exchange.asking import DAY_MS, AskingError, fields_of, show_hours
from node.exchange.due import find_due
from node.exchange.reasons import change_text, rule_text
from node.web.console.terms import condition_texts, kind_name
from node.web.forms import number_of, whole
from node.web.signing import propose
from node.web.site import Area, Site, Visit, page

AREAS = (Area("/exchange", "Exchange"),)
PAGE = 50
"""Requests that `access.list` gives at once."""
DUE = ("access", "custody", "deliveries", "dispatch", "governance", "intersections", "operators",
       "subjects", "sums")  # fmt: skip
"""The contracts that an inbox hangs on."""
_PLACES = {
    "review": "/exchange/requests/{}", "dispute": "/exchange/deliveries/{}/dispute",
    "order": "/dispatch/orders/{}", "vote": "/governance/proposals/{}",
    "second": "/exchange/prepared", "withdrawal": "/exchange/authorisations",
    "use": "/exchange/authorisations", "notice": "/exchange/authorisations",
}  # fmt: skip
"""Where a page tells more of what waits."""
_RANKS = ("DENY", "REVIEW", "APPROVE")


def routes(site: Site) -> list[BaseRoute]:
    request = "/exchange/requests/{number:int}"
    return [
        page(site, "/exchange", _inbox),
        page(site, "/exchange/requests", _list),
        page(site, "/exchange/deputy", _set_deputy, methods=("POST",), duties=("approver",)),
        page(site, request, _show),
        page(site, request + "/withdraw", _withdraw, methods=("POST",), duties=ACTING),
    ]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def before_of(visit: Visit) -> dict[str, int]:
    """The cursor of a list that is paged by number; nothing where it is none."""
    number = number_of(visit.option("before"))
    return {"before": number} if number else {}


def reasons_of(visit: Visit, reasons: Sequence[Any], names: Sequence[str]) -> list[dict[str, str]]:
    """What each rule says, the strictest first, in the visitor's language."""
    return [
        {"rule": rule, "outcome": outcome, "because": visit.say(rule_text(rule)),
         "change": change_text(change, names, visit.say)}
        for rule, outcome, change in sorted(reasons, key=lambda row: _RANKS.index(row[1]))
    ]  # fmt: skip


def masks_of(visit: Visit, fields: Sequence[Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """Each field that is delivered with its mask, empty where it has none."""
    shown = []
    for index, mask in fields:
        text = ""
        if mask is not None:
            params = ", ".join(f"{word}={value}" for word, value in mask[2].items())
            text = f"{visit.mask(mask[0])} v{mask[1]}" + (f" ({params})" if params else "")
        shown.append((names[index], text))
    return shown


def _inbox(visit: Visit) -> Response:
    seen = visit.site.live.latest(*DUE)
    rows = find_due(visit.query, visit.site.member, now_ms())
    deputy = visit.query("access", "deputy", {"member": visit.site.member})
    members = [row["name"] for row in visit.query("members", "list", {})
               if row["status"] == "active" and row["name"] != visit.site.member]  # fmt: skip
    return visit.page("exchange.html", rows=rows, places=_PLACES, deputy=deputy, now=now_ms(),
                      members=members if "approver" in visit.duties else [],
                      follows=" ".join(DUE), seen=seen)  # fmt: skip


def _set_deputy(visit: Visit) -> Response:
    """Let another member give this member's reviews for some days; none ends it."""
    deputy, days = visit.form.get("deputy", "")[:64], whole(visit.form.get("days", ""), 4)
    if not days:
        raise AskingError(visit.say("Days are a whole number above 0."))
    until = now_ms() + days * DAY_MS
    words = [(visit.say("Stands in"), deputy or "–")]
    if deputy:
        words.append((visit.say("Until"), visit.language.moment(until)))
    call = ("access", "set_deputy", {"deputy": deputy or None, "until": until})
    return propose(visit, visit.say("Reviews by a deputy"), words, [call], "/exchange")


def _list(visit: Visit) -> Response:
    seen = visit.site.live.latest("access")
    args = {"member": visit.site.member, **before_of(visit)}
    rows = visit.query("access", "list", args)
    return visit.page("requests.html", rows=rows, more=len(rows) == PAGE, seen=seen)


def find_request(visit: Visit) -> Any:
    """The request that the path names. Raises MissingError."""
    args = {"request": int(visit.param("number"))}
    return visit.find("access", "request", args, visit.say("There is no such request."))


def opened_of(visit: Visit, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What travels sealed with a request: its text, values of its filter, reasons of reviews.

    `problem` says why something cannot be opened; who has no duty to act is not shown it.
    """
    empty: dict[str, Any] = {"text": None, "values": None, "reasons": {}, "problem": ""}
    has_any = asked["args"]["envelope"] or any(row[4] for row in asked["reviews"].values())
    if not has_any or visit.duties.isdisjoint(ACTING):
        return empty
    try:
        return {**empty, **visit.explained(visit.desk("request.opened", request=asked["id"]))}
    except MunimentError as error:
        return {**empty, "problem": visit.told(error)}


def show_request(visit: Visit, status: int = 200, **more: Any) -> Response:
    """A request's page; `more` is what a reviewer has tried on it."""
    seen = visit.site.live.latest("access")
    args = {"request": find_request(visit)["id"], "time": now_ms()}
    explained = visit.query("access", "explain", args)
    asked, now = explained["request"], explained["now"]
    fields = fields_of(visit.query, asked["standard"])
    names = [field["name"] for field in fields]
    opened, own = opened_of(visit, asked), asked["recipient"] == visit.site.member
    may_act = own and not visit.duties.isdisjoint(ACTING)
    shown: dict[str, Any] = {"sample": None, "given": {}, "problem": "", **more}
    return visit.page(
        "request.html", status, asked=asked, names=names, opened=opened,
        fields=[fields[index] for index in asked["args"]["fields"]],
        conditions=condition_texts(asked["args"]["filter"], names, opened["values"]),
        kind=kind_name(visit, asked["args"]["kind"]),
        hours=show_hours(asked["args"]["hours"]) if asked["args"]["hours"] else "",
        reasons=reasons_of(visit, asked["reasons"], names),
        now=now, later=reasons_of(visit, now["reasons"], names) if now else [],
        masks=masks_of(visit, now["fields"], names) if now else [], specs=SPECS,
        is_reviewer="approver" in visit.duties and is_reviewer(visit, asked),
        may_act=may_act, seen=seen, **shown,
    )  # fmt: skip


def is_reviewer(visit: Visit, asked: Mapping[str, Any]) -> bool:
    """Whether a request waits for a review that this member may give, for itself or another."""
    member = visit.site.member
    if asked["status"] != "waiting" or asked["recipient"] == member:
        return False
    record = visit.query("members", "get", {"name": member})
    own = {f"member/{member}", *record["roles"]} | {record["tier"]}
    return any(party in own or _stands_in(visit, party) for party in asked["parties"])


def _stands_in(visit: Visit, party: str) -> bool:
    """Whether this member is the deputy of the member that a party names."""
    kind, _, name = party.partition("/")
    found = visit.query("access", "deputy", {"member": name}) if kind == "member" else None
    return found is not None and found[0] == visit.site.member and found[1] >= now_ms()


def _show(visit: Visit) -> Response:
    return show_request(visit)


def _withdraw(visit: Visit) -> Response:
    found = find_request(visit)
    return propose(visit, visit.say("Withdraw request %s") % found["id"],
                   request_words(visit, found),
                   [("access", "withdraw", {"request": found["id"]})],
                   f"/exchange/requests/{found['id']}")  # fmt: skip


def request_words(visit: Visit, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    args = found["args"]
    return [
        (visit.say("Recipient"), found["recipient"]),
        (visit.say("Dataset"), args["dataset"]),
        (visit.say("Level"), f"L{found['level']}"),
        (visit.say("Purpose"), visit.term(args["purpose"])),
        (visit.say("Records"), visit.language.number(args["rows"])),
    ]

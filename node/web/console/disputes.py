"""Disputes about deliveries: a recipient shows a chunk, a supervisor settles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING, APPROVER, STEWARD
from contracts.system.deliveries import OUTCOMES
from node.errors import MunimentError
from node.exchange.asking import AskingError
from node.network import bytes_from_text
from node.web.console.deliveries import find_delivery
from node.web.console.exchange import PAGE
from node.web.console.rows import all_rows
from node.web.forms import whole
from node.web.signing import CallArguments, propose
from node.web.site import Site, Visit, page

MAX_WORDS = 250


def routes(site: Site) -> list[BaseRoute]:
    path = "/exchange/deliveries/{number:int}/dispute"
    return [
        page(site, "/exchange/disputes", _list),
        page(site, path, _show),
        page(site, path, _open, methods=("POST",), duties=(STEWARD,)),
        page(site, path + "/settle", _settle, methods=("POST",), duties=(APPROVER,)),
    ]


def _list(visit: Visit) -> Response:
    """The latest disputes; those that are not settled first."""
    rows = all_rows(visit, "deliveries", "disputes", {})
    rows.sort(key=lambda row: (row["dispute"]["outcome"] is not None, -row["id"]))
    return visit.page("disputes.html", rows=rows[:PAGE])


def _show(visit: Visit) -> Response:
    return _page(visit, find_delivery(visit))


def _page(visit: Visit, found: Any, status: int = 200, **more: Any) -> Response:
    evidence, away = _evidence(visit, found)
    member = visit.site.member
    concerned = (found["recipient"], found["server"], found["owner"])
    record = visit.query("members", "get", {"name": member})
    shown = {"looked": None, "given": {}, "problem": ""} | more
    return visit.page(
        "dispute.html", status, it=found, evidence=evidence, away=away, outcomes=OUTCOMES,
        may_open=found["recipient"] == member and STEWARD in visit.duties
        and found["dispute"] is None,
        may_settle=found["status"] == "disputed" and APPROVER in visit.duties
        and "supervisor" in record["roles"] and member not in concerned, **shown,
    )  # fmt: skip


def _evidence(visit: Visit, delivery: Mapping[str, Any]) -> tuple[Any, str]:
    """What the evidence proves, to whom it is sealed, and why it cannot be opened."""
    if delivery["dispute"] is None or visit.duties.isdisjoint(ACTING):
        return None, ""
    try:
        return visit.desk("dispute.evidence", delivery=delivery["id"]), ""
    except MunimentError as error:
        return None, visit.told(error)


def _open(visit: Visit) -> Response:
    """First what a supervisor would find is shown; then it is sealed, and signed."""
    found = find_delivery(visit)
    given, text = dict(visit.form), visit.form.get("text", "").strip()
    try:
        row = _count(visit, "row", 0)
        if len(text) > MAX_WORDS:
            raise AskingError(visit.say("The text is too long."))
        asked = {"delivery": found["id"], "row": row, "text": text}
        if visit.form.get("decision") != "propose":
            return _page(visit, found, looked=visit.desk("dispute.look", **asked), given=given)
        made = visit.desk("dispute.seal", **asked)
    except MunimentError as error:
        return _page(visit, found, 400, problem=visit.told(error), given=given)
    words = [
        (visit.say("Delivery"), str(found["id"])),
        (visit.say("Server"), found["server"]),
        (visit.say("Sealed to"), ", ".join(made["judges"])),
        *([(visit.say("What is wrong"), text)] if text else []),
    ]
    calls: list[CallArguments] = [
        *(("envelopes", "anchor", bytes_from_text(anchor)) for anchor in made["anchors"]),
        ("deliveries", "dispute", bytes_from_text(made["args"])),
    ]
    return propose(visit, visit.say("Dispute delivery %s") % found["id"], words, calls,
                   _path(found), made["envelopes"])  # fmt: skip


def _settle(visit: Visit) -> Response:
    found = find_delivery(visit)
    outcome = visit.form.get("outcome", "")
    if outcome not in OUTCOMES:
        raise AskingError(visit.say("This form is not complete."))
    args = {"delivery": found["id"], "outcome": outcome, "rows": _count(visit, "rows", None)}
    words = [
        (visit.say("Server"), found["server"]),
        (visit.say("Recipient"), found["recipient"]),
        (visit.say("Outcome"), visit.say(outcome)),
        (visit.say("Records that count"), visit.language.number(args["rows"])),
    ]
    return propose(visit, visit.say("Settle the dispute about delivery %s") % found["id"], words,
                   [("deliveries", "settle", args)], _path(found),
                   check=lambda later: _require_open(later, found["id"]))  # fmt: skip


def _require_open(visit: Visit, number: int) -> None:
    """Say who settled it, where somebody was first. Raises AskingError."""
    about = visit.query("deliveries", "get", {"delivery": number})["dispute"]
    if about is None or about["outcome"] is not None:
        who = "" if about is None else about["supervisor"]
        raise AskingError(visit.say("%s has settled this dispute.") % who)


def _count(visit: Visit, name: str, empty: int | None) -> int:
    """A whole number of the form; `empty` where it is left out. Raises AskingError."""
    text = visit.form.get(name, "").strip()
    if not text and empty is not None:
        return empty
    number = whole(text)
    if number is None:
        raise AskingError(visit.say("Records are a whole number."))
    return number


def _path(delivery: Mapping[str, Any]) -> str:
    return f"/exchange/deliveries/{delivery['id']}/dispute"

"""The form of a request: what would be decided, and why, is shown before anything is signed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING
from node.errors import MunimentError
from node.exchange.asking import DAY_MS, AskingError, Dataset, is_trained, parse_hours
from node.web.console.exchange import masks_of, now_ms, reasons_of
from node.web.signing import propose
from node.web.site import Site, Visit, page

_ASK = "/exchange/ask"
_NUMBERS = {"rows": 15, "days": 5}
"""Numbers of the form, and how many digits each may have."""


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _ASK, _show, duties=ACTING),
        page(site, _ASK, _answer, methods=("POST",), duties=ACTING),
    ]


def _show(visit: Visit) -> Response:
    wanted = visit.option("dataset").strip()
    if not wanted:
        return visit.page("ask_which.html")
    return _form(visit, Dataset.find(visit.query, wanted, None), {"rows": "100", "days": "30"})


def _answer(visit: Visit) -> Response:
    found = Dataset.find(visit.query, visit.form.get("dataset", "")[:200].strip(), None)
    given = dict(visit.form)
    try:
        args = _arguments(visit, found)
        preview = {"recipient": visit.site.member, "time": now_ms(), "trained": _is_trained(visit)}
        decision = visit.query("access", "preview", {**args, **preview})
    except MunimentError as error:
        return _form(visit, found, given, problem=str(error), status=400)
    if given.get("decision") != "propose":
        return _form(visit, found, given, decision)
    outcome = decision["outcome"].lower()
    words = [
        (visit.say("Dataset"), args["dataset"]),
        (visit.say("Fields"), ", ".join(found.names[index] for index in args["fields"])),
        (visit.say("Purpose"), args["purpose"]),
        (visit.say("Basis"), args["basis"]),
        (visit.say("Records"), visit.language.number(args["rows"])),
        (visit.say("Would be decided"), visit.say(outcome)),
    ]
    call = ("access", "request", {**args, "standard": found.digest})
    return propose(visit, visit.say("Ask for %s") % args["dataset"], words, [call],
                   f"{_ASK}?dataset={args['dataset']}")  # fmt: skip


def _form(
    visit: Visit, found: Dataset, given: dict[str, str], decision: Any = None, *,
    problem: str = "", status: int = 200,
) -> Response:  # fmt: skip
    reasons = reasons_of(visit, decision["reasons"], found.names) if decision else []
    masks = masks_of(decision["fields"], found.names) if decision else []
    return visit.page("ask.html", status, found=found, given=given, decision=decision,
                      reasons=reasons, masks=masks, problem=problem,
                      rules=visit.query("access", "rules"))  # fmt: skip


def _arguments(visit: Visit, found: Dataset) -> dict[str, Any]:
    """The request as the chain takes it. Raises AskingError."""
    form = visit.form
    fields = [index for index in range(len(found.fields)) if f"field-{index}" in form]
    if not fields:
        raise AskingError(visit.say("Choose one field at least."))
    numbers = {}
    for name, digits in _NUMBERS.items():
        text = form.get(name, "").strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= digits and int(text) > 0):
            raise AskingError(visit.say("Records and days are whole numbers above 0."))
        numbers[name] = int(text)
    hours, begin = form.get("hours", "")[:100].strip(), now_ms()
    return {
        "dataset": found.registration["dataset"], "version": None, "fields": fields, "filter": [],
        "envelope": None, "purpose": form.get("purpose", "")[:64],
        "basis": form.get("basis", "")[:64],
        "statute": form.get("statute", "")[:64].strip() or None,
        "kind": "table", "key": None, "mode": "audited" if "audited" in form else "linked",
        "from": begin, "until": begin + numbers["days"] * DAY_MS, "rows": numbers["rows"],
        "retention_days": numbers["days"], "onward": False,
        "hours": parse_hours(hours) if hours else None,
    }  # fmt: skip


def _is_trained(visit: Visit) -> bool:
    operator = "" if visit.session is None else visit.session.operator
    return is_trained(visit.query, visit.site.member, operator, now_ms())

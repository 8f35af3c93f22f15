"""The form of a request: what would be decided, and why, is shown before anything is signed.

A new request, an amendment of one that waits, and a clone of an earlier one share the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING
from node.errors import MunimentError
from node.exchange.asking import Dataset, is_trained
from node.exchange.terms import SHOWN
from node.web.console import terms
from node.web.console.exchange import find_request, masks_of, now_ms, opened_of, reasons_of
from node.web.console.terms import Terms
from node.web.forms import whole
from node.web.signing import CallArguments, anchored, propose
from node.web.site import MissingError, Site, Visit, page

_ASK = "/exchange/ask"
DAYS = 30
VERSIONS = 20
"""Versions that may be chosen, the latest."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a form is about. `before` is the request that is amended or cloned (`act`)."""

    found: Dataset
    act: str = "request"
    before: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        if self.before is None:
            return _ASK
        return f"/exchange/requests/{self.before['id']}/{self.act}"

    @property
    def dataset(self) -> str:
        return str(self.found.registration["dataset"])


def routes(site: Site) -> list[BaseRoute]:
    again = "/exchange/requests/{number:int}/"
    made = [
        page(site, _ASK, _show, duties=ACTING),
        page(site, _ASK, _answer, methods=("POST",), duties=ACTING),
    ]
    for act in ("amend", "clone"):
        made += [
            page(site, again + act, _again(act, _show_again), duties=ACTING),
            page(site, again + act, _again(act, _decide), methods=("POST",), duties=ACTING),
        ]
    return [*made]


# New ones


def _show(visit: Visit) -> Response:
    wanted = visit.option("dataset").strip()
    if not wanted:
        rows = visit.query("catalogue", "list", {"prefix": ""})
        names = [name for name, _, status in rows if status == "active"]
        others = [name for name in names if name.partition("/")[0] != visit.site.member]
        return visit.page("ask_which.html", names=others)
    asking = Asking(Dataset.find(visit.query, wanted, whole(visit.option("version"))))
    return _form(visit, asking, _defaults(visit, asking.found))


def _answer(visit: Visit) -> Response:
    wanted = visit.form.get("dataset", "")[:200].strip()
    version = whole(visit.form.get("version", ""))
    return _decide(visit, Asking(Dataset.find(visit.query, wanted, version)))


def _defaults(visit: Visit, found: Dataset) -> dict[str, str]:
    """What the dataset suggests: purpose and basis as it was asked for before, or the basis that

    goes no further than its level; as many records as it has, and as allowed.
    """
    row = found.registration
    level, rules = row["level"], visit.query("access", "rules")
    earlier = visit.query("access", "list", {"member": visit.site.member})
    wanted = (visit.site.member, row["dataset"])
    mine = (each for each in earlier if (each["recipient"], each["dataset"]) == wanted)
    last: Any = next(mine, None)
    enough = [each for each in rules["bases"] if each["level"] >= level]
    basis = min(enough, key=lambda each: each["level"], default=None)
    if last is None:
        purpose = "open-use" if level == 1 else ""
        last = {"purpose": purpose, "basis": basis["name"] if basis else ""}
    days = min(DAYS, rules["days"][level - 1])
    rows = max(1, min(row["rows"], rules["rows"][level - 1]))
    return {"purpose": last["purpose"], "basis": last["basis"], "rows": str(rows),
            "days": str(days)}  # fmt: skip


# Earlier ones


def _again(act: str, handle: Any) -> Any:
    """A handler of an own request that is amended or cloned."""

    def handler(visit: Visit) -> Response:
        before = find_request(visit)
        if before["recipient"] != visit.site.member:
            raise MissingError(visit.say("There is no such request."))
        if act == "amend" and before["status"] != "waiting":
            return visit.problem(visit.say("This request does not wait any more."))
        version = before["args"]["version"]
        if visit.request.method == "POST":
            version = whole(visit.form.get("version", ""))
        found = Dataset.find(visit.query, before["args"]["dataset"], version)
        answer: Response = handle(visit, Asking(found, act, before))
        return answer

    return handler


def _show_again(visit: Visit, asking: Asking) -> Response:
    before: Any = asking.before
    old, opened = before["args"], opened_of(visit, before)
    given = terms.fill(old, asking.found.names, opened["text"], opened["values"] or [])
    given["begin"] = terms.begins(old, now_ms())
    if list(asking.found.registration["standard"]) != before["standard"]:
        given = {name: text for name, text in given.items() if not name.startswith("field-")}
    return _form(visit, asking, given, problem=opened["problem"])


def _kept(visit: Visit, asking: Asking, made: Terms) -> str | None:
    """The envelope of the request before, where what travels sealed stays as it is."""
    if asking.before is None or asking.before["args"]["envelope"] is None:
        return None
    before: Any = asking.before
    opened, old = opened_of(visit, before), before["args"]
    if opened["problem"] or opened["values"] is None:
        return None if made.is_sealed else str(old["envelope"])
    is_same = (opened["text"], opened["values"], old["filter"]) == (
        made.words, made.values, made.args["filter"])  # fmt: skip
    return str(old["envelope"]) if is_same else None


# Deciding


def _decide(visit: Visit, asking: Asking) -> Response:
    given = dict(visit.form)
    try:
        version = whole(given.get("version", ""))
        made = terms.read(visit, asking.found, version, now_ms())
        kept = _kept(visit, asking, made)
        args: dict[str, Any] = {**made.args}
        if kept is not None:
            args |= {"envelope": bytes.fromhex(kept)}
            if not made.conditions and asking.before is not None:
                args["filter"] = asking.before["args"]["filter"]
        elif made.is_sealed:
            args["envelope"] = bytes(32)
        preview = {"recipient": visit.site.member, "time": now_ms(), "trained": _is_trained(visit)}
        decision = visit.query("access", "preview", {**args, **preview})
    except MunimentError as error:
        return _form(visit, asking, given, problem=visit.told(error), status=400)
    if given.get("decision") != "propose":
        return _form(visit, asking, given, decision)
    sealed, calls = [], list[CallArguments]()
    if made.is_sealed and kept is None:
        envelope, anchor = _seal(visit, asking, made)
        args["envelope"] = bytes.fromhex(envelope)
        sealed, calls = [envelope], [anchor]
    return propose(visit, _title(visit, asking), _words(visit, asking, args, made, decision),
                   [*calls, _call(asking, args)], asking.path + _query(asking),
                   sealed, then="/exchange/requests")  # fmt: skip


def _query(asking: Asking) -> str:
    return f"?dataset={asking.dataset}" if asking.before is None else ""


def _seal(visit: Visit, asking: Asking, made: Terms) -> tuple[str, CallArguments]:
    """Let the desk seal the text and the values to the owner."""
    owner = asking.found.registration["owner"]
    return anchored(visit.desk("request.seal", text=made.words, values=made.values, to=owner))


def _call(asking: Asking, args: Mapping[str, Any]) -> CallArguments:
    """The call that asks, or that says what is different from the request before."""
    if asking.before is None:
        return "access", "request", {**args, "standard": asking.found.digest}
    old = dict(asking.before["args"])
    if old["envelope"] is not None:
        old["envelope"] = bytes.fromhex(old["envelope"])
    changes = {name: value for name, value in args.items() if value != old[name]}
    for name in ("fields", "filter", "key"):  # places in the standard that was shown
        changes[name] = args[name]
    return "access", asking.act, {
        "request": asking.before["id"], "changes": changes, "standard": asking.found.digest,
    }  # fmt: skip


def _title(visit: Visit, asking: Asking) -> str:
    if asking.before is None:
        return visit.say("Ask for %s") % asking.dataset
    is_amended = asking.act == "amend"
    title = visit.say("Amend request %s") if is_amended else visit.say("Ask again as in request %s")
    return str(title % asking.before["id"])


def _words(
    visit: Visit, asking: Asking, args: Mapping[str, Any], made: Terms, decision: Any
) -> list[tuple[str, str]]:
    names, lang, outcome = asking.found.names, visit.language, decision["outcome"].lower()
    return [
        (visit.say("Dataset"), asking.dataset),
        (visit.say("What"), terms.kind_name(visit, args["kind"])),
        (visit.say("Fields"), ", ".join(names[index] for index in args["fields"])),
        *((visit.say("Only where"), text)
          for text in terms.condition_texts(args["filter"], names, made.values or None)),
        (visit.say("Purpose"), visit.term(args["purpose"])),
        (visit.say("Basis"), visit.term(args["basis"])),
        (visit.say("Records"), lang.number(args["rows"])),
        (visit.say("From"), lang.moment(args["from"])),
        (visit.say("Until"), lang.moment(args["until"])),
        (visit.say("Kept for"), visit.say("%s days") % args["retention_days"]),
        *([(visit.say("Text to the owner, sealed"), made.words)] if made.words else []),
        (visit.say("Would be decided"), visit.say(outcome)),
    ]  # fmt: skip


def _form(
    visit: Visit, asking: Asking, given: Mapping[str, str], decision: Any = None, *,
    problem: str = "", status: int = 200,
) -> Response:  # fmt: skip
    found = asking.found
    reasons = reasons_of(visit, decision["reasons"], found.names) if decision else []
    masks = masks_of(visit, decision["fields"], found.names) if decision else []
    latest = visit.query("catalogue", "get", {"dataset": asking.dataset})["version"]
    return visit.page(
        "ask.html", status, asking=asking, found=found, given=given, decision=decision,
        title=_title(visit, asking), reasons=reasons, masks=masks, problem=problem,
        kinds=[(kind, terms.kind_name(visit, kind)) for kind in terms.KINDS_SHOWN],
        rules=visit.query("access", "rules"), operators=SHOWN, rows=terms.rows_of(given),
        versions=range(latest, max(0, latest - VERSIONS), -1),
    )  # fmt: skip


def _is_trained(visit: Visit) -> bool:
    return is_trained(visit.query, visit.site.member, visit.operator, now_ms())

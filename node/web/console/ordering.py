"""The form of an order or notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.system.dispatch import DUTIES, KINDS, SEVERITIES
from node.web.console.dispatch import below, members_of
from node.web.console.exchange import now_ms
from node.web.console.fields import UNITS, FormError, or_again, recipients_of, span_of, text_of
from node.web.console.letters import seal_to_all
from node.web.forms import number_of
from node.web.signing import propose
from node.web.site import Site, Visit, page

_NEW = "/dispatch/new"
_FIRST = {"kind": "order", "severity": "routine", "acknowledge": "1", "acknowledge-unit": "days",
          "complete": "3", "complete-unit": "days", "escalate": "1",
          "escalate-unit": "hours"}  # fmt: skip


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _NEW, _show, duties=DUTIES),
        page(site, _NEW, or_again(_propose, _form), methods=("POST",), duties=DUTIES),
    ]


def _show(visit: Visit) -> Response:
    origin = number_of(visit.option("origin"))
    return _form(visit, {**_FIRST, "origin": str(origin or "")})


def _form(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    records = members_of(visit)
    member = visit.site.member
    return visit.page(
        "order_new.html", 400 if problem else 200, given=given, problem=problem,
        below=_rows(records, below(records, member)),
        others=_rows(records, _others(visit, records)),
        groups=visit.query("dispatch", "groups", {"owner": member}),
        kinds=KINDS, severities=SEVERITIES, units=UNITS,
    )  # fmt: skip


def _rows(records: Sequence[Any], names: Sequence[str]) -> list[tuple[str, str]]:
    return [(record["name"], record["tier"]) for record in records if record["name"] in names]


def _others(visit: Visit, records: Sequence[Any]) -> list[str]:
    """Whom only notices may be sent to: for a supervisor, all that do not stand below it."""
    own = next(record for record in records if record["name"] == visit.site.member)
    if "supervisor" not in own["roles"]:
        return []
    reached = (visit.site.member, *below(records, visit.site.member))
    return [r["name"] for r in records if r["status"] == "active" and r["name"] not in reached]


def _propose(visit: Visit) -> Response:
    """Raises MunimentError: what is wrong with the form, or why nothing can be sealed."""
    form, say, moment = visit.form, visit.say, visit.language.moment
    kind, severity, origin = form.get("kind"), form.get("severity"), form.get("origin", "").strip()
    if kind not in KINDS or severity not in SEVERITIES:
        raise FormError(say("This form is not complete."))
    if origin and number_of(origin) is None:
        raise FormError(say("The order that is passed on is a number."))
    to = _recipients(visit)
    text, escalate, now = text_of(visit), span_of(visit, "escalate"), now_ms()
    acknowledge_by = now + span_of(visit, "acknowledge")
    complete_by = now + span_of(visit, "complete") if form.get("complete", "").strip() else None
    if complete_by is not None and complete_by < acknowledge_by:
        raise FormError(say("It cannot be due before it is to be acknowledged."))
    sealed, anchors = seal_to_all(visit, kind, text, to)
    args = {
        "kind": kind, "severity": severity, "recipients": to,
        "envelopes": [bytes.fromhex(envelope) for envelope in sealed],
        "acknowledge_by": acknowledge_by, "complete_by": complete_by, "escalate_ms": escalate,
        "origin": number_of(origin),
    }  # fmt: skip
    words = [
        (say("Kind"), f"{say(kind)} · {say(severity)}"),
        (say("To"), ", ".join(to)),
        (say("Acknowledge by"), moment(acknowledge_by)),
        *([(say("Complete by"), moment(complete_by))] if complete_by else []),
        *([(say("Passes on"), say("Order %s") % origin)] if origin else []),
        (say("Text, sealed to %s") % ", ".join(to), text),
    ]  # fmt: skip
    return propose(visit, say("Issue an order") if kind == "order" else say("Send a notice"),
                   words, [*anchors, ("dispatch", "issue", args)], "/dispatch", sealed)  # fmt: skip


def _recipients(visit: Visit) -> list[str]:
    """Members that are ticked, and those of groups that are."""
    records, member = members_of(visit), visit.site.member
    reached = [*below(records, member), *_others(visit, records)]
    grouped = [
        name for group, names, _ in visit.query("dispatch", "groups", {"owner": member})
        if f"group-{group}" in visit.form for name in names
    ]  # fmt: skip
    if not grouped:
        return recipients_of(visit, reached)
    return sorted({*grouped, *(name for name in reached if f"to-{name}" in visit.form)})

"""Emergency plans: what all members have prepared; the own ones are drilled and activated."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.system.dispatch import DUTIES, SEVERITIES
from node.web.console.dispatch import below, members_of
from node.web.console.fields import (
    UNITS,
    FormError,
    name_of_form,
    or_again,
    recipients_of,
    span_of,
    text_of,
)
from node.web.console.letters import read, seal_to_all
from node.web.signing import propose
from node.web.site import MissingError, Site, Visit, page

_PLANS = "/dispatch/plans"
_FIRST = {"severity": "emergency", "acknowledge": "30", "acknowledge-unit": "minutes",
          "complete": "6", "complete-unit": "hours", "escalate": "10",
          "escalate-unit": "minutes"}  # fmt: skip
_ACTS = ("drill", "activate", "stand_down")


def routes(site: Site) -> list[BaseRoute]:
    plan = _PLANS + "/{owner}/{plan}"
    return [
        page(site, _PLANS, _list),
        page(site, _PLANS + "/new", _new, duties=DUTIES),
        page(site, _PLANS + "/new", or_again(_propose, _form), methods=("POST",), duties=DUTIES),
        page(site, plan, _show),
        page(site, plan + "/{act}", _act, methods=("POST",), duties=DUTIES),
    ]


def _list(visit: Visit) -> Response:
    after = visit.option("after")
    rows = visit.query("emergency", "list", {"after": after} if after else {})
    return visit.page("plans.html", rows=rows)


def _find(visit: Visit) -> Any:
    """The plan that the path names. Raises MissingError."""
    args = {"owner": visit.param("owner"), "plan": visit.param("plan")}
    return visit.find("emergency", "get", args, visit.say("There is no such plan."))


def _show(visit: Visit) -> Response:
    plan = _find(visit)
    may = plan["owner"] == visit.site.member and not visit.duties.isdisjoint(DUTIES)
    return visit.page("plan.html", plan=plan, letter=read(visit, plan["envelopes"]), may=may)


def _act(visit: Visit) -> Response:
    plan, act = _find(visit), visit.param("act")
    if act not in _ACTS or plan["owner"] != visit.site.member:
        raise MissingError(visit.say("There is no such plan."))
    title = {
        "drill": visit.say("Drill the plan %s"),
        "activate": visit.say("Put the plan %s into force"),
        "stand_down": visit.say("End the emergency of the plan %s"),
    }[act]
    severity = plan["severity"]
    words = [
        (visit.say("Emergency plan"), f"{plan['plan']} v{plan['version']}"),
        (visit.say("Members"), ", ".join(plan["recipients"])),
        (visit.say("Urgency"), visit.say(severity)),
    ]
    return propose(visit, title % plan["plan"], words,
                   [("emergency", act, {"plan": plan["plan"]})],
                   f"{_PLANS}/{plan['owner']}/{plan['plan']}")  # fmt: skip


def _new(visit: Visit) -> Response:
    return _form(visit, {**_FIRST, "plan": visit.option("plan")})


def _form(visit: Visit, given: Any, problem: str = "") -> Response:
    records = members_of(visit)
    names = below(records, visit.site.member)
    return visit.page(
        "plan_new.html", 400 if problem else 200, given=given, problem=problem, units=UNITS,
        below=[(r["name"], r["tier"]) for r in records if r["name"] in names],
        severities=SEVERITIES,
    )  # fmt: skip


def _propose(visit: Visit) -> Response:
    """Raises MunimentError."""
    say, span, severity = visit.say, visit.language.span, visit.form.get("severity", "")
    if severity not in SEVERITIES:
        raise FormError(say("This form is not complete."))
    name, text = name_of_form(visit, "plan"), text_of(visit)
    to = recipients_of(visit, below(members_of(visit), visit.site.member))
    spans = {f"{each}_ms": span_of(visit, each) for each in ("acknowledge", "complete", "escalate")}
    if spans["complete_ms"] < spans["acknowledge_ms"]:
        raise FormError(say("It cannot be due before it is to be acknowledged."))
    sealed, anchors = seal_to_all(visit, "plan", text, to)
    args = {"plan": name, "severity": severity, "recipients": to, **spans,
            "envelopes": [bytes.fromhex(envelope) for envelope in sealed]}  # fmt: skip
    words = [
        (say("Emergency plan"), name),
        (say("Urgency"), say(severity)),
        (say("To"), ", ".join(to)),
        (say("Acknowledge within"), span(spans["acknowledge_ms"])),
        (say("Complete within"), span(spans["complete_ms"])),
        (say("Escalates every"), span(spans["escalate_ms"])),
        (say("Text, sealed to %s") % ", ".join(to), text),
    ]
    return propose(visit, say("Prepare the plan %s") % name, words,
                   [*anchors, ("emergency", "prepare", args)],
                   f"{_PLANS}/new?plan={name}", sealed,
                   then=f"{_PLANS}/{visit.site.member}/{name}")  # fmt: skip

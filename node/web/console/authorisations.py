"""Authorisations of subjects: batches and what they cover, obligations, uses by law."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import APPROVER, STEWARD
from node.errors import MunimentError
from node.exchange.asking import AskingError
from node.web.console.exchange import now_ms
from node.web.console.rows import all_rows
from node.web.site import Site, Visit, page

_PATH = "/exchange/authorisations"
MOST = 200
SHOWN_JOBS = 5


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _PATH, _show),
        page(site, _PATH, _count, methods=("POST",), duties=(STEWARD, APPROVER)),
    ]


def _show(visit: Visit) -> Response:
    """Batches for requests at L4 by or to this member, and what withdrawals oblige to."""
    member, now = visit.site.member, now_ms()
    scopes = {
        (row["dataset"], row["recipient"], row["purpose"])
        for row in visit.query("access", "list", {"member": member})
        if row["level"] == 4
    }
    batches = [row for scope in sorted(scopes) for row in _batches(visit, scope, now)]
    uses = [
        row
        for row in _rows(visit, "uses", {})
        if member in (row["recipient"], row["dataset"].partition("/")[0], row["registrar"])
    ]
    jobs, away = _jobs(visit)
    return visit.page(
        "authorisations.html", scopes=sorted(scopes), batches=batches, uses=uses, away=away,
        obligations=_rows(visit, "obligations", {"member": member}), jobs=jobs, now=now,
    )  # fmt: skip


def _batches(visit: Visit, scope: tuple[str, str, str], now: int) -> list[Any]:
    dataset, recipient, purpose = scope
    args = {"dataset": dataset, "recipient": recipient, "purpose": purpose, "at": now}
    return _rows(visit, "batches", args)


def _rows(visit: Visit, method: str, args: dict[str, Any]) -> list[Any]:
    return all_rows(visit, "subjects", method, args, most=MOST)


def _jobs(visit: Visit) -> tuple[list[Any], str]:
    try:
        found = visit.desk("job.list")
    except MunimentError as error:
        return [], visit.told(error)
    return [job for job in found if job["kind"] == "coverage"][:SHOWN_JOBS], ""


def _count(visit: Visit) -> Response:
    """Let the desk count what subjects authorise of an own dataset."""
    scope = [visit.form.get(name, "")[:200] for name in ("dataset", "recipient", "purpose")]
    found = visit.query("catalogue", "get", {"dataset": scope[0]}) if all(scope) else None
    if found is None or found["owner"] != visit.site.member:
        raise AskingError(visit.say("This form is not complete."))
    visit.desk(
        "authorisation.coverage", dataset=scope[0], recipient=scope[1], purpose=scope[2],
        version=found["version"], time=now_ms(),
        who=visit.operator,
    )  # fmt: skip
    return visit.see(_PATH)

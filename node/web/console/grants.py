"""Grants with their quotas, what comes under them, and their end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import APPROVER, STEWARD
from node.errors import MunimentError
from node.exchange.asking import fields_of, show_hours
from node.render import name_of
from node.web.console.exchange import PAGE, before_of, masks_of, now_ms
from node.web.console.terms import kind_name
from node.web.signing import propose
from node.web.site import Site, Visit, page

_REASON = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
SYNTAXES = ("csv", "jsonl", "parquet")
_JOBS = ("fetch", "export")
JOBS_SHOWN = 3
SERVICE = "delivery"
"""As `node.exchange.server` names it, which loads what pages do not need."""


def routes(site: Site) -> list[BaseRoute]:
    grant = "/exchange/grants/{number:int}"
    return [
        page(site, "/exchange/grants", _list),
        page(site, grant, show_grant),
        page(site, grant + "/revoke", _revoke, methods=("POST",), duties=("approver",)),
        page(site, grant + "/resume", _resume, methods=("POST",), duties=("approver",)),
    ]


def _list(visit: Visit) -> Response:
    requests = visit.query("access", "list", {"member": visit.site.member, **before_of(visit)})
    rows = [_find(visit, row["id"]) for row in requests if row["status"] == "granted"]
    more = requests[-1]["id"] if len(requests) == PAGE else None
    return visit.page("grants.html", rows=rows, more=more)


def find_grant(visit: Visit) -> Any:
    """The grant that the path names; see `_find`. Raises MissingError."""
    return _find(visit, int(visit.param("number")))


def _find(visit: Visit, number: int) -> Any:
    """A grant with the name of the code that says whether it may be used now."""
    found = visit.find("access", "grant", {"grant": number}, visit.say("There is no such grant."))
    usable = visit.query("access", "usable", {"grant": number, "time": now_ms()})
    return {**found, "usable": name_of(usable)}


def latest_under(visit: Visit, grant: int) -> list[int]:
    """Numbers of the PAGE latest deliveries under a grant, the latest first."""
    found: list[int] = []
    args = {"grant": grant}
    while part := visit.query("deliveries", "of", args):
        found = (found + part)[-PAGE:]
        args["after"] = part[-1]
    return found[::-1]


def show_grant(visit: Visit, status: int = 200, **more: Any) -> Response:
    """A grant's page; `more` is the answer to a look-up, or why there is none."""
    found = find_grant(visit)
    names = [field["name"] for field in fields_of(visit.query, found["standard"])]
    asked = visit.query("access", "request", {"request": found["id"]})
    deliveries = [
        visit.query("deliveries", "get", {"delivery": each})
        for each in latest_under(visit, found["id"])
    ]
    jobs, away = _jobs(visit, found)
    shown = {"key": "", "answer": None, "problem": ""} | more
    may_fetch = found["recipient"] == visit.site.member and STEWARD in visit.duties
    return visit.page(
        "grant.html", status, grant=found, height=asked["height"],
        kind=kind_name(visit, found["kind"]), syntaxes=SYNTAXES,
        masks=masks_of(visit, found["fields"], names), deliveries=deliveries, jobs=jobs, away=away,
        hours=[show_hours(window) for window in found["hours"]], names=names,
        key_name=names[asked["args"]["key"]] if asked["args"]["key"] is not None else "",
        may_end=_may_end(visit, found),
        may_fetch=may_fetch and found["kind"] in ("table", "lookup"),
        delegates=_delegates(visit, found) if may_fetch else [],
        unserved=found["owner"] == visit.site.member and found["usable"] == "ok"
        and not is_serving(visit), **shown,
    )  # fmt: skip


def _may_end(visit: Visit, grant: Mapping[str, Any]) -> bool:
    """Owners end grants on their data, and supervisors any."""
    if APPROVER not in visit.duties or grant["status"] not in ("active", "paused"):
        return False
    record = visit.query("members", "get", {"name": visit.site.member})
    return grant["owner"] == visit.site.member or "supervisor" in record["roles"]


def is_serving(visit: Visit) -> bool:
    """Whether a process of this member serves deliveries to others."""
    return SERVICE in visit.call("status")["services"]


def _jobs(visit: Visit, grant: Mapping[str, Any]) -> tuple[list[Any], str]:
    """The latest jobs of the desk under a grant of this member, and why they cannot be seen."""
    if grant["recipient"] != visit.site.member:
        return [], ""
    try:
        return jobs_of(visit, grant["id"])[:JOBS_SHOWN], ""
    except MunimentError as error:
        return [], visit.told(error)


def jobs_of(visit: Visit, grant: int) -> list[dict[str, Any]]:
    """The desk's jobs under a grant, the latest first. Raises MunimentError."""
    return [job for job in visit.jobs() if job["kind"] in _JOBS and job["about"] == str(grant)]


def _delegates(visit: Visit, grant: Mapping[str, Any]) -> list[str]:
    """Members that keep the dataset for its owner, and may deliver it too."""
    rows = visit.query("custody", "list", {})
    wanted = (grant["dataset"], "delegate", "active")
    return sorted({row["custodian"] for row in rows
                   if (row["dataset"], row["mode"], row["status"]) == wanted})  # fmt: skip


def _revoke(visit: Visit) -> Response:
    reason = visit.form.get("reason", "").strip()
    if not _REASON.fullmatch(reason):
        return visit.problem(visit.say("A reason is one word such as misuse, in small letters."))
    return _end(visit, "revoke", visit.say("Revoke grant %s"), {"reason": reason})


def _resume(visit: Visit) -> Response:
    return _end(visit, "resume", visit.say("Resume grant %s"), {})


def _end(visit: Visit, act: str, title: str, more: dict[str, str]) -> Response:
    found = find_grant(visit)
    words = [
        (visit.say("Dataset"), found["dataset"]),
        (visit.say("Recipient"), found["recipient"]),
        *((visit.say("Reason"), reason) for reason in more.values()),
    ]
    return propose(visit, title % found["id"], words,
                   [("access", act, {"grant": found["id"], **more})],
                   f"/exchange/grants/{found['id']}")  # fmt: skip

"""What a trace asks of the vault and of other members, by the desk: a record's row, access logs."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.console.places import trace_of
from node.web.console.supervision import LOOKING
from node.web.forms import number_of
from node.web.site import MissingError, Site, Visit, page

_LOGS, _ROW = "/trace/logs", "/trace/row"
_OWNED = re.compile(r"[a-z0-9._-]{1,64}/[a-z0-9._-]{1,64}", re.ASCII)
_JOB = re.compile(r"[0-9a-f]{16}", re.ASCII)


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _LOGS, _ask, methods=("POST",), duties=LOOKING),
        page(site, _LOGS + "/{job}", _logs, duties=LOOKING),
        page(site, _ROW, _find, methods=("POST",), duties=LOOKING),
        page(site, _ROW + "/{job}", _row, duties=LOOKING),
    ]


def _job(visit: Visit, kind: str) -> Any:
    """The job that the path names. Raises MissingError."""
    name = visit.param("job")
    job = visit.job(name) if _JOB.fullmatch(name) else None
    if not job or job["kind"] != kind:
        raise MissingError(visit.say("There is no such question any more; ask again."))
    return job


# Access logs


def _ask(visit: Visit) -> Response:
    dataset = visit.form.get("dataset", "").strip()
    version, row = (number_of(visit.form.get(name, "")) or 0 for name in ("version", "row"))
    if not _OWNED.fullmatch(dataset):
        return visit.problem(visit.say("A dataset is named OWNER/NAME."))
    return visit.see(
        f"{_LOGS}/{visit.desk('trace.logs', dataset=dataset, version=version, row=row)}"
    )


def _logs(visit: Visit) -> Response:
    job = _job(visit, "trace.logs")
    logs = job["result"]["logs"] if job["result"] else []
    read = sorted(
        ({"member": log["member"], **entry} for log in logs for entry in log["entries"]),
        key=lambda row: int(row["time"]),
    )
    return visit.page("readers.html", job=job, result=job["result"], logs=logs, read=read)


# Rows by a value


def _find(visit: Visit) -> Response:
    """Look in the own vault; who asks stands in its access log."""
    form = {name: visit.form.get(name, "").strip() for name in ("dataset", "field", "value")}
    known = None
    if _OWNED.fullmatch(form["dataset"]) and form["dataset"].startswith(f"{visit.site.member}/"):
        version = number_of(visit.form.get("version", ""))
        args = {"dataset": form["dataset"]} | ({"version": version} if version else {})
        known = visit.query("catalogue", "get", args)
    if known is None or not form["field"] or not form["value"] or visit.session is None:
        return visit.problem(
            visit.say("Name a field, and the value that it has in an own dataset.")
        )
    job = visit.desk("trace.row", **form, version=known["version"],
                     operator=visit.session.operator)  # fmt: skip
    return visit.see(f"{_ROW}/{job}")


def _row(visit: Visit) -> Response:
    job = _job(visit, "trace.row")
    found = job["result"] or {"dataset": "", "version": 0, "count": 0, "rows": []}
    version = str(found["version"])
    links = [(row, trace_of("record", found["dataset"], version=version, row=str(row)))
             for row in found["rows"]]  # fmt: skip
    return visit.page("rows.html", job=job, count=found["count"], links=links)

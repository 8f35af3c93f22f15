"""Who read a dataset: access logs of those who hold it, compared with the chain by the desk."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.console.supervision import LOOKING, number_of
from node.web.site import Site, Visit, page

_LOGS = "/trace/logs"
_OWNED = re.compile(r"[a-z0-9._-]{1,64}/[a-z0-9._-]{1,64}", re.ASCII)
_JOB = re.compile(r"[0-9a-f]{16}", re.ASCII)
KIND = "trace.logs"


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _LOGS, _ask, methods=("POST",), duties=LOOKING),
        page(site, _LOGS + "/{job}", _show, duties=LOOKING),
    ]


def _ask(visit: Visit) -> Response:
    dataset = visit.form.get("dataset", "").strip()
    version, row = (number_of(visit.form.get(name, "")) or 0 for name in ("version", "row"))
    if not _OWNED.fullmatch(dataset):
        return visit.problem(visit.say("A dataset is named OWNER/NAME."))
    job = visit.desk(KIND, dataset=dataset, version=version, row=row)
    return visit.see(f"{_LOGS}/{job}")


def _show(visit: Visit) -> Response:
    name = visit.param("job")
    job = visit.desk("job.get", job=name) if _JOB.fullmatch(name) else None
    if job is None or job["kind"] != KIND:
        return visit.problem(visit.say("There is no such question any more; ask again."), 404)
    logs = job["result"]["logs"] if job["result"] else []
    read = sorted(
        ({"member": log["member"], **entry} for log in logs for entry in log["entries"]),
        key=lambda row: int(row["time"]),
    )
    return visit.page("readers.html", job=job, result=job["result"], logs=logs, read=read)

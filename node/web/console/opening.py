"""Open data in the console: publish records for everybody, and read what people say of them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.publish.remarks import MAX_ANSWER
from node.publish.shelf import OPEN
from node.web.catalogue import Catalogue
from node.web.forms import number_of
from node.web.site import Site, Visit, page

_STEWARD = ("steward",)
_PLACE = "/data/open"
KIND = "publish"


def routes(site: Site, catalogue: Catalogue) -> list[BaseRoute]:
    return [
        page(site, _PLACE, lambda visit: _show(visit, catalogue), duties=_STEWARD),
        page(site, _PLACE, _decide, methods=("POST",), duties=_STEWARD),
        page(site, f"{_PLACE}/remarks", _moderate, methods=("POST",), duties=_STEWARD),
    ]


def _show(visit: Visit, catalogue: Catalogue) -> Response:
    told = visit.desk("open.list")
    jobs = [job for job in visit.desk("job.list") if job["kind"] == KIND]
    latest: dict[str, Any] = {job["about"]: job for job in reversed(jobs)}
    published = {(row["dataset"], row["version"]): row for row in told["published"]}
    own = [row for row in catalogue.all()
           if row["owner"] == visit.site.member and row["level"] == OPEN]  # fmt: skip
    rows = [
        {**row, "made": published.pop((row["dataset"], row["version"]), None),
         "job": latest.get(row["dataset"])}
        for row in own
    ]  # fmt: skip
    return visit.page(
        "opening.html", rows=rows, older=list(published.values()), removed=told["removed"],
        remarks=visit.desk("remark.list"), most=MAX_ANSWER,
    )  # fmt: skip


def _decide(visit: Visit) -> Response:
    dataset, version = visit.form.get("dataset", ""), number_of(visit.form.get("version", ""))
    if visit.form.get("decision") == "publish":
        visit.desk("open.publish", dataset=dataset, who=visit.operator)
    elif version is not None:
        visit.desk("open.withdraw", dataset=dataset, version=version)
    return visit.see(_PLACE)


def _moderate(visit: Visit) -> Response:
    remark = visit.form.get("remark", "")
    if visit.form.get("decision") == "show":
        visit.desk("remark.accept", remark=remark, answer=visit.form.get("answer", ""))
    else:
        visit.desk("remark.reject", remark=remark)
    return visit.see(_PLACE)

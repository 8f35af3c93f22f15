"""Open data in the console: publish records for everybody, and read what people say of them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import APPROVER, STEWARD
from node.publish.remarks import MAX_ANSWER
from node.publish.shelf import OPEN, is_agreed, version_to_open
from node.web.catalogue import Catalogue
from node.web.console.seconds import prepare, waiting
from node.web.forms import number_of
from node.web.signing import propose
from node.web.site import Site, Visit, page

_STEWARD = (STEWARD,)
_PLACE = "/data/open"
KIND = "publish"


def routes(site: Site, catalogue: Catalogue) -> list[BaseRoute]:
    return [
        page(site, _PLACE, lambda visit: _show(visit, catalogue), duties=(*_STEWARD, APPROVER)),
        page(site, _PLACE, _decide, methods=("POST",), duties=_STEWARD),
        page(site, f"{_PLACE}/remarks", _moderate, methods=("POST",), duties=_STEWARD),
    ]


def _show(visit: Visit, catalogue: Catalogue) -> Response:
    """What is open: what two persons have agreed on, what its files are, what people say."""
    told, is_steward = visit.desk("open.list"), STEWARD in visit.duties
    jobs = [job for job in visit.jobs() if job["kind"] == KIND]
    latest: dict[str, Any] = {job["about"]: job for job in reversed(jobs)}
    published = {(row["dataset"], row["version"]): row for row in told["published"]}
    own = [row for row in catalogue.all()
           if row["owner"] == visit.site.member and row["level"] == OPEN]  # fmt: skip
    args = [{"dataset": row["dataset"], "version": row["version"]} for row in own]
    agreed = visit.site.link.query_all([("catalogue", "published", each) for each in args])
    seconds = [row for row in waiting(visit, "catalogue") if row["method"] == "publish"]
    rows = [
        {**row, "made": published.pop((row["dataset"], row["version"]), None), "agreed": height,
         "waits": any(each["args"] == call for each in seconds), "job": latest.get(row["dataset"])}
        for row, call, height in zip(own, args, agreed, strict=True)
    ]  # fmt: skip
    return visit.page(
        "opening.html", rows=rows, older=list(published.values()), removed=told["removed"],
        remarks=visit.desk("remark.list") if is_steward else [], most=MAX_ANSWER,
        seconds=seconds, is_steward=is_steward,
    )  # fmt: skip


def _decide(visit: Visit) -> Response:
    """Publish: prepared for a second person, then written. Withdraw: files at once, then signed."""
    dataset, version = visit.form.get("dataset", ""), number_of(visit.form.get("version", ""))
    if not dataset.startswith(f"{visit.site.member}/") or version is None:
        return visit.problem(visit.say("This form is not complete."))
    args = {"dataset": dataset, "version": version}
    words = [(visit.say("Dataset"), dataset), (visit.say("Version"), str(version))]
    agreed = is_agreed(visit.query, dataset, version)
    match visit.form.get("decision"):
        case "publish" if agreed:
            visit.desk("open.publish", who=visit.operator, **args)
            return visit.see(_PLACE)
        case "publish":
            version_to_open(visit.query, dataset, version)
            title = visit.say("Give the records of %s to everybody") % dataset
            return prepare(visit, title, words, ("catalogue", "publish", args), _PLACE)
        case "withdraw":
            there = visit.desk("open.withdraw", **args)
            if agreed:
                title = visit.say("Withdraw the records of %s") % dataset
                return propose(visit, title, words, [("catalogue", "withdraw", args)], _PLACE)
            if there:
                return visit.see(_PLACE)
    return visit.problem(visit.say("There is nothing to be done about this version."))


def _moderate(visit: Visit) -> Response:
    remark = visit.form.get("remark", "")
    if visit.form.get("decision") == "show":
        visit.desk("remark.accept", remark=remark, answer=visit.form.get("answer", ""))
    else:
        visit.desk("remark.reject", remark=remark)
    return visit.see(_PLACE)

"""Own sources: runs, quality, refused records and their repair, files that outsiders hand in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import STEWARD
from contracts.system.catalogue import OPEN_LEVEL
from contracts.system.standards import CLASSES
from node.data.source import KINDS
from node.errors import MunimentError
from node.network import bytes_from_text
from node.web.console.fields import MAX_FILE_BYTES
from node.web.console.rows import all_rows
from node.web.console.seconds import prepare, waiting
from node.web.forms import whole
from node.web.signing import propose
from node.web.site import Site, Visit, page

SOURCES = "/data/sources"
PAGE = 50
"""Refused records that the desk gives at once."""
MAX_VALUE = 16_384


def routes(site: Site) -> list[BaseRoute]:
    source, steward = SOURCES + "/{name}", (STEWARD,)
    return [
        page(site, SOURCES, lambda visit: list_page(visit, {})),
        page(site, source, lambda visit: source_page(visit, {})),
        page(site, source + "/run", _run, methods=("POST",), duties=steward),
        page(site, source + "/stop", _stop, methods=("POST",), duties=steward),
        page(site, source + "/register", _register, methods=("POST",), duties=steward),
        page(site, source + "/quarantine", _quarantine, duties=steward),
        page(site, source + "/quarantine", _repair, methods=("POST",), duties=steward),
        page(site, source + "/discard", _discard, methods=("POST",), duties=steward),
        page(site, "/data/inbox", _inbox, duties=steward),
        page(site, "/data/inbox/{upload}", _decide, methods=("POST",), duties=steward),
    ]


def latest_job(visit: Visit, kind: str, about: str) -> Any:
    """The desk's latest job of a kind about a thing, or None."""
    return next((job for job in visit.jobs() if (job["kind"], job["about"]) == (kind, about)), None)


def list_page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    """All own sources, and the form of a new one as it was `given`."""
    rows = [visit.explained(row) for row in visit.desk("source.list")]
    return visit.page(
        "sources.html", 400 if problem else 200, rows=rows, given=given, problem=problem,
        **_choices(visit),
    )  # fmt: skip


def source_page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    """A source, with its declaration's form as it is, or as it was `given`."""
    name = visit.param("name")
    found = visit.desk("source.show", source=name)
    found["history"] = [visit.explained(run) for run in found["history"]]
    prepared = _prepared(visit, found["ready"]["args"]) if found["ready"] else []
    return visit.page(
        "source.html", 400 if problem else 200, source=found, prepared=prepared,
        job=latest_job(visit, "collect", name), given={**found["form"], **given}, problem=problem,
        most=MAX_FILE_BYTES, **_choices(visit),
    )  # fmt: skip


def _choices(visit: Visit) -> dict[str, Any]:
    """What declarations' forms offer, to who may declare."""
    may = STEWARD in visit.duties
    standards = all_rows(visit, "standards", "list", {}) if may else []
    return {"may_act": may, "standards": [row["id"] for row in standards], "kinds": KINDS}


def _run(visit: Visit) -> Response:
    visit.desk("source.run", source=visit.param("name"))
    return visit.see(_path(visit))


def _stop(visit: Visit) -> Response:
    job = latest_job(visit, "collect", visit.param("name"))
    if job is not None:
        visit.desk("job.stop", job=job["id"])
    return visit.see(_path(visit))


def _path(visit: Visit) -> str:
    return f"{SOURCES}/{visit.param('name')}"


# The registration of what a run has made


def _register(visit: Visit) -> Response:
    """Sign what stands ready; what opens data or lowers a grade waits for a second person."""
    ready = visit.desk("source.show", source=visit.param("name"))["ready"]
    if ready is None:
        return visit.problem(visit.say("No version of this source waits for a signature."))
    args = ready["args"]
    if _prepared(visit, args):
        return visit.problem(visit.say("This version waits for a second person already."))
    added, removed, changed = (visit.language.number(count) for count in ready["changes"])
    words = [
        (visit.say("Dataset"), args["dataset"]),
        (visit.say("Version"), str(args["version"])),
        (visit.say("Title"), args["title"]),
        (visit.say("Level"), f"L{args['level']}"),
        (visit.say("Records"), visit.language.number(args["rows"])),
        (visit.say("Changes"),
         visit.say("%s added, %s removed, %s changed") % (added, removed, changed)),
        (visit.say("Refused"), visit.language.number(ready["refused"])),
    ]  # fmt: skip
    title = visit.say("Register %s version %s") % (args["dataset"], args["version"])
    call = ("catalogue", "register", bytes_from_text(args))
    if _needs_second(visit, args):
        return prepare(visit, title, words, call, _path(visit))
    return propose(visit, title, words, [call], _path(visit))


def _needs_second(visit: Visit, args: Mapping[str, Any]) -> bool:
    """As the catalogue has it: open data, a lower grade, a field below what was found."""
    if args["level"] == OPEN_LEVEL or args.get("lowered"):
        return True
    before = visit.query("catalogue", "get", {"dataset": args["dataset"]})
    if before is None:
        return False
    lower = CLASSES.index(args["class"]) < CLASSES.index(before["class"])
    return lower or args["level"] < before["level"]


def _prepared(visit: Visit, args: Mapping[str, Any]) -> list[Any]:
    """Requests of this registration that wait for a second person."""
    found = waiting(visit, "catalogue", dataset=args["dataset"], version=args["version"])
    return [row for row in found if row["method"] == "register"]


# Refused records


def _quarantine(visit: Visit, status: int = 200, **more: Any) -> Response:
    name, after = visit.param("name"), whole(visit.option("after")) or 0
    found = visit.desk("quarantine.list", source=name, after=after, who=visit.operator)
    shown: dict[str, Any] = {"problem": "", "given": {}, **more}
    return visit.page("quarantine.html", status, name=name, found=found, after=after,
                      upto=after + PAGE, **shown)  # fmt: skip


def _repair(visit: Visit) -> Response:
    """Note the correction of one field; a run applies all of them."""
    record, field = whole(visit.form.get("record", "")), visit.form.get("field", "")
    if record is None:
        return visit.problem(visit.say("This form is not complete."))
    value = visit.form.get("value", "")
    try:
        if len(value) > MAX_VALUE:
            raise MunimentError(visit.say("The value is too long."))
        visit.desk("quarantine.fix", source=visit.param("name"), record=record,
                   changes={field: value or None})  # fmt: skip
    except MunimentError as error:
        return _quarantine(visit, 400, problem=visit.told(error), given=dict(visit.form))
    return visit.see(f"{_path(visit)}/quarantine")


def _discard(visit: Visit) -> Response:
    if "sure" not in visit.form:
        return visit.problem(visit.say("Say that you are sure: it cannot be undone."))
    visit.desk("quarantine.clear", source=visit.param("name"))
    return visit.see(_path(visit))


# What outsiders hand in


def _inbox(visit: Visit) -> Response:
    rows = visit.desk("upload.list")
    looks = {job["about"]: job for job in reversed(visit.jobs()) if job["kind"] == "look"}
    return visit.page("uploads.html", rows=rows, looks=looks)


def _decide(visit: Visit) -> Response:
    upload, decision = visit.param("upload"), visit.form.get("decision", "")
    if decision == "look":
        visit.desk("upload.look", upload=upload)
    elif decision in ("take", "refuse"):
        visit.desk("upload.decide", upload=upload, take=decision == "take", who=visit.operator)
    else:
        return visit.problem(visit.say("This form is not complete."))
    return visit.see("/data/inbox")

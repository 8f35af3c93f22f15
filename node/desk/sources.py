"""Sources: what they are, their runs, what was refused of them, and what outsiders hand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.data import source as sources
from node.data import vault
from node.data.access import AccessLog
from node.data.collect import Collector
from node.data.commitment import Field
from node.data.findings import Detectors, look_at
from node.data.inbox import Inbox
from node.data.preview import veil
from node.data.quarantine import Refused
from node.data.refine import CollectError
from node.data.register import Report, UnsignedError
from node.data.source import Source
from node.desk.declaring import form_of, without_user
from node.desk.found import collector, dataset_of, own_source
from node.desk.params import MAX_TEXT, ParamError, number, text
from node.errors import MunimentError
from node.network import bytes_as_text

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress

PAGE = 50
"""Refused records at once."""
MAX_CHANGES = 256
CLOSED = 4
"""Values of this level are not shown, not even where they are what is wrong."""


def _list(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Every declared source with its last run; `problem` (`code`) says why one cannot be used."""
    found = []
    for name in sources.names(desk.home.sources):
        try:
            source = sources.load(desk.home.sources, name)
            run = collector(desk, source)
            past = run.history.all()
            found.append({
                "name": name, "problem": "", "code": "", "kind": source.kind, "title": source.title,
                "standard": source.standard, "schedule": source.schedule, "watch": source.watch,
                "dataset": dataset_of(desk, source), "last": asdict(past[0]) if past else None,
                "waiting": sum(1 for _ in run.quarantine),
            })  # fmt: skip
        except MunimentError as error:
            found.append({"name": name, "problem": error.message, "code": error.code})
    return found


def _show(desk: Desk, params: Mapping[str, Any]) -> Any:
    """A source: its declaration, runs, the quality of its latest version, what waits.

    `ready` has what waits for a person's signature: the registration's arguments, how many records
    were added, removed and changed, and refused. `busy`: a run is under way, so it is not known.
    """
    source = own_source(desk, params)
    run, dataset, busy, ready = collector(desk, source), dataset_of(desk, source), False, None
    try:
        ready = run.ready()
    except CollectError:
        busy = True
    known = desk.chain.query("catalogue", "get", {"dataset": dataset})
    version = known["latest"] if known else 0
    refused = list(run.quarantine)
    return {
        "name": source.name, "title": source.title, "dataset": dataset, "version": version,
        "declaration": _declaration(source), "file": str(desk.home.sources / f"{source.name}.toml"),
        "form": form_of(source),
        "files": [asdict(each) for each in _inbox(desk).accepted(source.name)],
        "history": [asdict(each) for each in run.history.all()],
        "waiting": len(refused), "corrected": run.quarantine.has_corrections(),
        "report": report_of(desk, dataset, version), "busy": busy,
        "ready": ready and bytes_as_text(ready),
    }  # fmt: skip


def _declaration(source: Source) -> list[list[str]]:
    """What is set, in words; an address is shown without user and password."""
    rows = []
    for each in fields(Source):
        value = getattr(source, each.name)
        if each.name == "name" or value in ("", (), {}, False, 0):
            continue
        match value:
            case tuple():
                shown = ", ".join(value)
            case str() if each.name in ("url", "page", "next"):
                shown = without_user(value)
            case Mapping():
                shown = ", ".join(f"{name} = {column}" for name, column in value.items())
            case _:
                shown = str(value)
        rows.append([each.name, shown])
    return rows


def report_of(desk: Desk, dataset: str, version: int) -> dict[str, Any] | None:
    """The quality and findings that are kept with a version here, if there are any."""
    report = Report.load(vault.folder_of(desk.home.vault, dataset, version) / "report")
    return None if report is None else asdict(report)


# Runs


def _run(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start a run, or take up one that was broken off; returns the job's id.

    It does not register by itself: that a person signs.
    """
    source = own_source(desk, params)

    def unsigned(contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
        title = f"{args['dataset']} version {args['version']}"
        raise UnsignedError(f"{title} stands ready; its registration waits for a signature")

    def work(progress: Progress) -> Any:
        chain = replace(desk.chain, submit=unsigned)
        try:
            done = Collector(desk.home, source, chain, desk.master, progress).run()
        except UnsignedError as error:
            return {"state": error.code}
        return asdict(done)

    return desk.jobs.start("collect", source.name, work)


# Refused records


def _refused(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Refused records from place `after` on. What is wrong is shown to `who`, unless it is of the

    highest level; the other values are veiled by their level. The look enters the access log.
    """
    source, who = own_source(desk, params), text(params, "who")
    after = number(params, "after")
    run = collector(desk, source)
    standard = run.standard()
    levels = {each["name"]: each["level"] for each in standard["fields"]}
    rows = list(islice(run.quarantine, after, after + PAGE))
    if rows:
        run.note_access(who, f"quarantine of {source.name}")
    return {
        "fields": [{"name": name, "level": level} for name, level in levels.items()],
        "total": sum(1 for _ in run.quarantine),
        "records": [
            {"row": each.row, "field": each.field, "reason": each.reason,
             "corrected": run.quarantine.correction(each.values) is not None,
             "values": _shown(each, levels)}
            for each in rows
        ],
    }  # fmt: skip


def _shown(refused: Refused, levels: Mapping[str, int]) -> list[Field]:
    return [
        value if name == refused.field and level < CLOSED else veil(value, level)
        for value, (name, level) in zip(refused.values, levels.items(), strict=False)
    ]


def _fix(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Note what fields of a refused record should be; null makes one empty."""
    source, row = own_source(desk, params), number(params, "record", 1)
    changes = params.get("changes")
    if not isinstance(changes, dict) or not 0 < len(changes) <= MAX_CHANGES:
        raise ParamError(f"changes must name 1 to {MAX_CHANGES} fields")
    for value in changes.values():
        if value is not None:
            text({"value": value}, "value", MAX_TEXT)
    collector(desk, source).correct(row, changes)


def _clear(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Destroy what was refused, and the corrections; returns how many waited."""
    return collector(desk, own_source(desk, params)).clear()


# What outsiders hand in


def _uploads(desk: Desk, params: Mapping[str, Any]) -> Any:
    return [asdict(each) for each in _inbox(desk).uploads()]


def _look(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start to look for what is sensitive in a file; returns the job's id."""
    found = _inbox(desk).find(text(params, "upload"))

    def work(progress: Progress) -> Any:
        progress(0, 0, "reading")
        detectors = Detectors.of(desk.home, desk.chain.query, desk.master)
        with _inbox(desk).opened(found) as descriptor:
            look = look_at(Path(found.name), detectors, descriptor)
        return {"level": look.level, "findings": [asdict(each) for each in look.findings]}

    return desk.jobs.start("look", found.id, work)


def _decide(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Take an upload into the next run of its source, or destroy it.

    That `who` did enters the access log.
    """
    upload, who, take = text(params, "upload"), text(params, "who"), params.get("take")
    inbox = _inbox(desk)
    found = inbox.find(upload)
    if take is True:
        inbox.accept(upload)
    else:
        inbox.remove(upload)
    log = AccessLog(desk.home.vault, desk.master)
    word = "taken" if take is True else "refused"
    log.note(who, f"{desk.member}/{found.source}", 0, (0, 0), f"upload {upload} {word}")
    return found.source


def _inbox(desk: Desk) -> Inbox:
    return Inbox(desk.home, desk.master)


METHODS: dict[str, Method] = {
    "source.list": _list,
    "source.show": _show,
    "source.run": _run,
    "quarantine.list": _refused,
    "quarantine.fix": _fix,
    "quarantine.clear": _clear,
    "upload.list": _uploads,
    "upload.look": _look,
    "upload.decide": _decide,
}

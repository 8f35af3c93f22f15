"""The life of anything on the chain as a time line, with the proof of each step."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.errors import MunimentError
from node.exchange.reasons import rule_text
from node.render import name_of
from node.trace import lineage
from node.trace.entities import KINDS, entities_of
from node.trace.index import Entry
from node.trace.openlineage import to_events
from node.trace.prov import to_prov
from node.trace.record import Span, of_record
from node.trace.words import EVENTS
from node.web.console import places
from node.web.console.rows import SHOWN
from node.web.console.supervision import behind, reading
from node.web.forms import number_of
from node.web.site import MissingError, Site, Visit, page

RECORD = "record"
CHOICES = (KINDS[0], RECORD, *KINDS[1:])
MAX_SHOWN = 5_000
"""Entries that can be paged through; beyond, the time has to be narrowed."""
MAX_LIFE = 20_000
"""Entries of a dataset's life from which those of a record are picked."""
MAX_LINKS = 8
EXPORTS = {"prov": "application/json", "openlineage": "application/x-ndjson"}
_FIELDS = ("kind", "id", "version", "row", "since", "until", "by", "order")


def routes(site: Site) -> list[BaseRoute]:
    return [page(site, "/trace", _show), page(site, "/trace/export/{form}", _export)]


def _show(visit: Visit) -> Response:
    asked = {name: visit.option(name).strip() for name in _FIELDS}
    number = number_of(visit.option("page")) or 1
    entries: list[Entry] = []
    problem, missing = "", 0
    if asked["id"]:
        try:
            entries, missing = _find(visit, asked, number)
        except MunimentError as error:
            problem = visit.told(error)
    members = {row["name"] for row in visit.query("members", "list")} if entries else set()
    more = len(entries) > SHOWN

    def link(page: int) -> str:
        return "?" + urlencode({**asked, "page": page})

    export = {form: f"/trace/export/{form}?" + urlencode({"id": asked["id"]}) for form in EXPORTS}
    return visit.page(
        "trace.html", 400 if problem else 200, asked=asked, kinds=CHOICES, problem=problem,
        steps=[_step(visit, entry, asked, members) for entry in entries[:SHOWN]],
        number=number, more=more, link=link, behind=missing,
        export=export if asked["kind"] in ("dataset", RECORD) and entries else {},
    )  # fmt: skip


def _find(visit: Visit, asked: dict[str, str], number: int) -> tuple[list[Entry], int]:
    """The entries of one page and one more, and how many blocks the index is behind."""
    kind, latest = asked["kind"], asked["order"] == "latest"
    if kind not in CHOICES:
        raise MunimentError(visit.say("Choose what to trace."))
    since, until = _day(visit, asked["since"], 0), _day(visit, asked["until"], 1)
    first = (number - 1) * SHOWN
    if first >= MAX_SHOWN:
        raise MunimentError(visit.say("So far back it is found by narrowing the time."))
    limit = first + SHOWN + 1
    with reading(visit) as index:
        if kind == RECORD:
            version, row = _which(visit, asked)
            life = index.trace(f"dataset:{asked['id']}", limit=MAX_LIFE)
            found = Span(since, until, asked["by"]).pick(of_record(life, version, row))
            found = found[::-1] if latest else found
        else:
            found = index.trace(f"{kind}:{asked['id']}", since, until, asked["by"], limit,
                                latest=latest)  # fmt: skip
        missing = behind(visit, index)
    if not found:
        raise MunimentError(
            visit.say("The chain tells nothing of %s in that time.") % f"{kind} {asked['id']}"
        )
    return found[first:limit], missing


def _which(visit: Visit, asked: dict[str, str]) -> tuple[int, int]:
    """Version and row (from 1) of the record that is asked for."""
    version, row = number_of(asked["version"]), number_of(asked["row"])
    args = {"dataset": asked["id"]} | ({"version": version} if version else {})
    known = visit.query("catalogue", "get", args)
    if known is None or row is None or row > known["rows"]:
        raise MunimentError(
            visit.say("A record is named by its dataset OWNER/NAME and its row, counted from 1.")
        )
    return known["version"], row


def _day(visit: Visit, text: str, days: int) -> int:
    """The beginning of a day in the visitor's zone in ms UTC, or its end; without one all time."""
    if not text:
        return (1 << 62) * days
    try:
        day = datetime.fromisoformat(text[:10]).replace(tzinfo=visit.language.zone)
        moment = (day + timedelta(days=days)).astimezone(UTC)
        return int(moment.timestamp() * 1_000) - days
    except (ValueError, OverflowError) as error:
        raise MunimentError(visit.say("A day is written as 2026-12-31.")) from error


def _step(
    visit: Visit, entry: Entry, asked: dict[str, str], members: Collection[str]
) -> dict[str, Any]:
    """An entry as the time line shows it: who, what, when, by which rule, about what."""
    about = entities_of(entry.contract, entry.name, entry.data, members)
    about -= {f"{asked['kind']}:{asked['id']}"}
    marks = [mark.split(":", 1) for mark in sorted(about)][:MAX_LINKS]
    key, rule = f"{entry.contract}.{entry.name}", _rule(entry)
    return {
        "entry": entry, "key": key,
        "what": "" if entry.code or key not in EVENTS else visit.say(EVENTS[key]),
        "failed": name_of(entry.code) if entry.code else "",
        "rule": rule, "because": visit.say(rule_text(rule)) if rule else "",
        "about": [(kind, identity, places.page_of(kind, identity)) for kind, identity in marks],
        "data": json.dumps(entry.data, ensure_ascii=False),
    }  # fmt: skip


def _rule(entry: Entry) -> str:
    match entry.contract, entry.name, entry.data:
        case ("access", "decided", [_, _, str(rule), *_]) | ("access", "denied", [_, str(rule)]):
            return rule
    return ""


# Lineage for other tools


def _export(visit: Visit) -> Response:
    """PROV-JSON or OpenLineage of a dataset's latest version."""
    form, dataset = visit.param("form"), visit.option("id").strip()
    newest = lineage.registration(visit.query, dataset, None) if "/" in dataset else None
    if form not in EXPORTS or newest is None:
        raise MissingError(visit.say("There is no active dataset of this name."))
    graph = lineage.Lineage(visit.query).of(dataset, newest["version"])
    base = f"urn:muniment:{visit.site.genesis.chain_id.hex()[:16]}:"
    if form == "prov":
        text = json.dumps(to_prov(graph, base), indent=2, ensure_ascii=False) + "\n"
    else:
        text = "".join(json.dumps(event) + "\n" for event in to_events(graph, base))
    return visit.file(f"{dataset.replace('/', '-')}.{form}.json", text, EXPORTS[form])

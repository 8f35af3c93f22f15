"""The portal's pages: catalogue, datasets, and how to check what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import BaseRoute

from node.data.commitment import Field
from node.publish import remarks
from node.publish.profile import number_of
from node.publish.proof import SUFFIX
from node.publish.remarks import RemarkError
from node.publish.shelf import OPEN, PROOF, TYPES, Publication, ShelfError
from node.web import charts
from node.web.catalogue import OPEN_FACETS, Record, search
from node.web.forms import page_of
from node.web.portal.api import file_of, registration_of
from node.web.portal.context import Portal, whole
from node.web.site import Area, Site, Visit, page

AREAS = (
    Area("/", "Catalogue"),
    Area("/check", "Check a proof"),
    Area("/hand-in", "Hand in a file"),
    Area("/developers", "For programs"),
)
MAX_VERSIONS = 100
FIRST, PAGE = 8, 50
"""Records that a dataset's page shows, and those on a page of records."""
MOST_SORTED = 1_000
"""So many of the first records are sorted; all of them are in the files."""
_DATASET = "/datasets/{owner}/{name}"
_VERSION = f"{_DATASET}/{{version:int}}"


def routes(site: Site, portal: Portal) -> list[BaseRoute]:
    made: dict[str, Callable[[Visit], Response]] = {
        "/": portal.bound(_search),
        _DATASET: portal.bound(_dataset),
        f"{_VERSION}/proof": portal.bound(_proof),
        f"{_VERSION}/records": portal.bound(_records),
        f"{_VERSION}/{{file}}": portal.bound(_file),
        "/check": lambda visit: visit.page("portal/check.html"),
        "/developers": lambda visit: visit.page("portal/developers.html"),
        "/genesis.json": _genesis,
    }
    speak = page(site, f"{_DATASET}/remarks", portal.bound(_speak), methods=("POST",), public=True)
    return [speak, *(page(site, path, handler, public=True) for path, handler in made.items())]


def _search(visit: Visit, portal: Portal) -> Response:
    found = search(portal.catalogue, visit.option, "/", OPEN_FACETS)
    return visit.page("portal/catalogue.html", **found)


def _dataset(visit: Visit, portal: Portal) -> Response:
    row = portal.dataset(visit)
    if row is None:
        return _missing(visit)
    return _show(visit, portal, row)


def _show(visit: Visit, portal: Portal, row: Record, said: str = "", status: int = 200) -> Response:
    identity, number, _ = row["standard"]
    standard = visit.query("standards", "get", {"id": identity, "version": number})
    versions = visit.query("catalogue", "versions", {"dataset": row["dataset"]})[:MAX_VERSIONS]
    stars = visit.query("feedback", "sum", {"dataset": row["dataset"]})
    made = portal.published.newest(row)
    folder = visit.site.home.open
    return visit.page(
        "portal/dataset.html", status, row=row, stars=stars, votes=sum(stars), said=said,
        fields=standard["standard"]["fields"] if standard else [],
        versions=[each for each in versions if each["level"] == OPEN],
        made=made, first=_first(portal, made),
        charts=_charts(visit, made) if made else [], types=TYPES, proof=PROOF, suffix=SUFFIX,
        remarks=remarks.shown(folder, row["dataset"]), may_speak=remarks.box_of(folder).is_open,
        most=remarks.MAX_TEXT,
    )  # fmt: skip


def _first(portal: Portal, made: Publication | None) -> list[list[Field]]:
    """The first records, where they are small enough for a page."""
    try:
        return portal.published.records(made, 0, FIRST) if made else []
    except ShelfError:
        return []


def _charts(visit: Visit, made: Publication) -> list[dict[str, Any]]:
    """What each column looks like, as far as a chart tells anything."""
    return [
        {**column, "label": label_of(visit, column), "svg": svg}
        for column in made.columns
        if (svg := _chart(visit, column)) is not None
    ]


def label_of(visit: Visit, column: dict[str, Any]) -> str:
    """A column's name in the visitor's language, where its standard has one."""
    return str(column["zh" if visit.language.code == "zh" else "en"] or column["name"])


def _chart(visit: Visit, column: dict[str, Any]) -> Markup | None:
    name, say, number = label_of(visit, column), visit.say, visit.language.number
    match column["chart"]:
        case "bins":
            low, high = number(column["low"]), number(column["high"])
            label = say("%s: how often values occur, from %s to %s") % (name, low, high)
            most = number(max(column["bars"]))
            return charts.bars(column["bars"], label, low, high, say("at most %s") % most)
        case "months":
            bars = column["bars"]
            label = say("%s: records by time, from %s to %s") % (name, bars[0][0], bars[-1][0])
            most = number(max(count for _, count in bars))
            return charts.bars([count for _, count in bars], label, bars[0][0], bars[-1][0],
                               say("at most %s") % most)  # fmt: skip
        case "ranks":
            rows = [(text, count, number(count)) for text, count in column["bars"]]
            return charts.ranks(rows, say("%s: the most frequent values") % name)
        case _:
            return None


def _records(visit: Visit, portal: Portal) -> Response:
    made = portal.publication(visit)
    if made is None:
        return _missing(visit)
    column, falls = whole(visit.option("sort"), 1_024), visit.option("order") == "down"
    if column is not None and column >= len(made.columns):
        column = None
    total = made.records if column is None else min(made.records, MOST_SORTED)
    number, last = page_of(visit.option("page"), total, PAGE)
    start = (number - 1) * PAGE
    if column is None:
        rows = portal.published.records(made, start, PAGE)
    else:
        rows = portal.published.records(made, 0, MOST_SORTED)
        rows = _sorted(rows, column, made, falls=falls)[start : start + PAGE]
    path = visit.request.url.path

    def link(**changes: object) -> str:
        options: dict[str, object] = {"page": number}
        if column is not None:
            options |= {"sort": column, "order": "down" if falls else "up"}
        pairs = "&".join(f"{name}={value}" for name, value in {**options, **changes}.items())
        return f"{path}?{pairs}"

    return visit.page(
        "portal/records.html", made=made, rows=rows, number=number, last=last, link=link,
        column=column, falls=falls, total=total, types=TYPES, suffix=SUFFIX,
        labels=[label_of(visit, each) for each in made.columns],
    )  # fmt: skip


def _sorted(
    rows: list[list[Field]], column: int, made: Publication, *, falls: bool
) -> list[list[Field]]:
    """By numbers where the column has them; what is empty comes last either way."""
    is_number = "mean" in made.columns[column]

    def key(row: list[Field]) -> Any:
        return number_of(row[column]) if is_number else row[column]

    known = [row for row in rows if key(row) is not None]
    return sorted(known, key=key, reverse=falls) + [row for row in rows if key(row) is None]


def _file(visit: Visit, portal: Portal) -> Response:
    made = portal.publication(visit)
    found = file_of(visit, portal, made) if made else None
    return found or _missing(visit)


def _proof(visit: Visit, portal: Portal) -> Response:
    """What the state holds of a version, with its proof, for `muniment verify-state`."""
    found = portal.version(visit)
    if found is None:
        return _missing(visit)
    return registration_of(visit, portal, found[1])


def _speak(visit: Visit, portal: Portal) -> Response:
    """Take what somebody says of a dataset; it is shown once a steward has accepted it."""
    row = portal.dataset(visit)
    if row is None:
        return _missing(visit)
    given = {"text": visit.form.get("text", ""), "name": visit.form.get("name", "")}
    try:
        made = portal.take_remark(visit, row, given)
    except RemarkError:
        sentence = visit.say("Please say something, in at most %s characters.")
        return visit.problem(sentence % visit.language.number(remarks.MAX_TEXT))
    if made is None:
        return visit.problem(visit.say("That is much at once; please wait some minutes."), 429)
    return _show(visit, portal, row, made)


def _missing(visit: Visit) -> Response:
    return visit.problem(visit.say("There is no open dataset of this name."), 404)


def _genesis(visit: Visit) -> Response:
    return Response(visit.site.home.genesis.read_bytes(), media_type="application/json")

"""Alerts: what supervisors' nodes have noticed, with the figures that made them, and decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.system.cases import DISPOSITIONS
from node.trace.index import Index
from node.trace.words import EVENTS
from node.watch.calendar import DAY_MS, Calendar
from node.watch.history import by_day, can_count, grants_of
from node.watch.item import Terms
from node.watch.words import MEANINGS, SELDOM, figure_text
from node.web import charts
from node.web.console.rows import all_rows, latest_rows, pages_of
from node.web.console.supervision import (
    LOOKING,
    ROOT,
    came_to,
    members_of,
    reading,
    supervisors_of,
    unchanged,
)
from node.web.forms import number_of
from node.web.signing import propose
from node.web.site import Site, Visit, page

STATES = ("open", "disposed", "all")
DAYS, LEAD = 30, 4
"""Days that a plot shows, and those before them that its first days are counted with."""
MAX_ENTRIES, MAX_GRANTS = 5_000, 200
"""What of a member's life is counted for a plot, at most."""
OF_OTHERS = frozenset(("denied", "lookups", "unfinished"))
"""Figures that what others did about a member's grants belongs to."""
MAX_COUNTED = 256
Counted = dict[tuple[int, str], tuple[range, list[float]]]
"""Days and values of plots, by alert and figure."""
_ALERT = ROOT + "/alerts/{number:int}"


def routes(site: Site) -> list[BaseRoute]:
    counted: Counted = {}
    return [
        page(site, ROOT, _list),
        page(site, _ALERT, lambda visit: _show(visit, counted)),
        page(site, _ALERT + "/dispose", _dispose, methods=("POST",), duties=LOOKING),
    ]


def meaning_of(visit: Visit, detector: str) -> str:
    return visit.say(MEANINGS.get(detector, SELDOM))


def _list(visit: Visit) -> Response:
    seen = visit.site.live.latest("alerts")
    state = visit.option("state", "open")
    facets = {name: visit.option(name) for name in ("detector", "member")}
    if state == "open":
        found = all_rows(visit, "alerts", "open", {})
    else:
        found = latest_rows(visit, "alerts")
    rows = [
        row for row in found
        if state not in ("open", "disposed") or row["status"] == state
        if all(value in ("", row[name]) for name, value in facets.items())
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["status"] != "open", -row["severity"], -row["id"]))
    return visit.page(
        "alerts.html", **pages_of(rows, visit, state=state, **facets), seen=seen, state=state,
        states=STATES, facets=facets, meaning=lambda name: meaning_of(visit, name),
        choices={name: sorted({row[name] for row in found} | ({value} - {""}))
                 for name, value in facets.items()},
    )  # fmt: skip


def _find(visit: Visit) -> Any:
    """The alert that the path names. Raises MissingError."""
    args = {"alert": int(visit.param("number"))}
    return visit.find("alerts", "get", args, visit.say("There is no such alert."))


def _show(visit: Visit, counted: Counted) -> Response:
    seen = visit.site.live.latest("alerts", "cases")
    alert = _find(visit)
    about = visit.query("cases", "about", {"member": alert["member"]})
    cases = [case for case in about if alert["id"] in case["alerts"]]
    with reading(visit) as index:
        history = index.trace(f"alert:{alert['id']}")
        plot = _plot(visit, index, alert, counted)
    return visit.page(
        "alert.html", seen=seen, alert=alert, meaning=meaning_of(visit, alert["detector"]),
        figures=[_figure(visit, *row) for row in alert["reasons"]], plot=plot, cases=cases,
        history=history, events=EVENTS,
        dispositions=DISPOSITIONS, may_decide=_may_decide(visit, alert["member"]),
    )  # fmt: skip


def _may_decide(visit: Visit, about: str) -> bool:
    """Supervisors decide, but not on what is about themselves."""
    member = visit.site.member
    return member != about and member in supervisors_of(members_of(visit))


def _dispose(visit: Visit) -> Response:
    alert = _find(visit)
    disposition, text = visit.form.get("disposition", ""), visit.form.get("case", "").strip()
    case = number_of(text)
    if disposition not in DISPOSITIONS or bool(text) != bool(case):
        return visit.problem(visit.say("This form is not complete."))
    words = [
        (visit.say("About"), alert["member"]),
        (visit.say("Why it was raised"), meaning_of(visit, alert["detector"])),
        (visit.say("It came to"), came_to(visit, disposition)),
        (visit.say("Case"), str(case or "–")),
    ]
    args = {"alert": alert["id"], "disposition": disposition, "case": case}
    check = unchanged("alerts", {"alert": alert["id"]}, alert["status"])
    return propose(visit, visit.say("Dispose of alert %s") % alert["id"], words,
                   [("alerts", "dispose", args)], f"{ROOT}/alerts/{alert['id']}",
                   check=check)  # fmt: skip


# Figures


def _figure(visit: Visit, name: str, value: int, usual: int, far: int) -> dict[str, Any]:
    """One reason of an alert in words, with its two bars. Numbers come in hundredths."""
    say, number = visit.say, visit.language.number
    text, through = figure_text(name)
    title = say(text) % through if through else say(text)
    told = {
        "value": number(value / 100),
        "usual": number(usual / 100),
        "far": number(abs(far) / 100),
    }
    label = say("%s: %s, usual is %s") % (title, told["value"], told["usual"])
    words = say("%s usual spreads below what is usual") if far < 0 else say(
        "%s usual spreads above what is usual")  # fmt: skip
    return {**told, "title": title, "words": words % told["far"] if far else "",
            "bars": charts.pair(value, usual, label)}  # fmt: skip


def _plot(
    visit: Visit, index: Index, alert: dict[str, Any], counted: Counted
) -> tuple[str, Markup] | None:
    """The first figure that can be counted from the chain: its title, and its days as a chart."""
    figure = next((row for row in alert["reasons"] if can_count(row[0])), None)
    if figure is None:
        return None
    name, value, usual, _ = figure
    key = alert["id"], name
    if key not in counted:
        found = _count(visit, index, alert, name)
        if index.height < alert["raised"]:
            return None
        while len(counted) >= MAX_COUNTED:
            counted.pop(next(iter(counted)), None)
        counted[key] = found
    days, values = counted[key]
    number = visit.language.number
    title = visit.say(figure_text(name)[0])
    label = visit.say("%s on each of the last %s days; at the alert %s, usual is %s") % (
        title, len(days), number(value / 100),
        number(usual / 100))  # fmt: skip
    top = visit.say("at most %s, usual is %s") % (number(max(values)), number(usual / 100))
    return title, charts.bars(values, label, _date(days[0]), _date(days[-1]), top, usual / 100)


def _count(
    visit: Visit, index: Index, alert: dict[str, Any], figure: str
) -> tuple[range, list[float]]:
    """The figure on each day up to the alert's: what went before an alert does not change."""
    calendar = Calendar.of(visit.query("access", "rules")["office_hours"])
    since, until = alert["time"] - (DAYS + LEAD) * DAY_MS, alert["time"]
    mark = f"member:{alert['member']}"
    life = index.trace(mark, since, until, limit=MAX_ENTRIES, latest=True)
    if figure in OF_OTHERS:
        grants = [f"grant:{number}" for number in grants_of(life)[:MAX_GRANTS]]
        life = index.trace(mark, since, until, limit=MAX_ENTRIES, also=grants, latest=True)
    life.reverse()
    last = calendar.day(until)
    first = last - DAYS + 1
    if len(life) == MAX_ENTRIES:  # earlier ones are left out: days that are not whole say nothing
        first = min(last, max(first, calendar.day(life[0].time) + 1))
    days = range(first, last + 1)
    subject = alert["subject"] or ""
    return days, by_day(life, alert["member"], figure, subject, days, calendar,
                        lambda grant: _terms(visit, grant))  # fmt: skip


def _terms(visit: Visit, grant: int) -> Terms | None:
    found = visit.query("access", "grant", {"grant": grant})
    if found is None:
        return None
    return Terms(found["recipient"], found["owner"], found["dataset"], found["level"])


def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).strftime("%Y-%m-%d")

"""Permits of third parties, and opinions on the own datasets that wait for an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING, APPROVER
from node.errors import MunimentError
from node.web.console.exchange import now_ms
from node.web.console.fields import day_end_of
from node.web.console.rows import all_rows
from node.web.console.supervision import (
    LOOKING,
    ROOT,
    members_of,
    propose_worded,
    read_texts,
    supervisors_of,
)
from node.web.forms import number_of
from node.web.signing import propose
from node.web.site import MissingError, Site, Visit, page

_PERMITS, _FEEDBACK = ROOT + "/permits", ROOT + "/feedback"
_NAME = re.compile(r"[a-z0-9._-]{1,64}", re.ASCII)
MAX_DATASETS = 200
"""Own datasets whose opinions are gone through."""


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _PERMITS, _list),
        page(site, _PERMITS + "/issue", _issue, methods=("POST",), duties=(APPROVER,)),
        page(site, _PERMITS + "/revoke", _revoke, methods=("POST",), duties=(APPROVER,)),
        page(site, _FEEDBACK, _opinions),
        page(site, _FEEDBACK + "/answer", _answer, methods=("POST",), duties=ACTING),
    ]


# Permits


def _list(visit: Visit) -> Response:
    rows = all_rows(visit, "permits", "list", {}, by="member")
    members, own = members_of(visit), visit.site.member
    return visit.page(
        "permits.html", rows=rows, now=now_ms(),
        members=[name for name in sorted(members) if name != own],
        purposes=[row["name"] for row in visit.query("access", "rules")["purposes"]],
        may_issue=own in supervisors_of(members) and APPROVER in visit.duties,
    )  # fmt: skip


def _issue(visit: Visit) -> Response:
    member, until = visit.form.get("member", "").strip(), day_end_of(visit, "until")
    known = [row["name"] for row in visit.query("access", "rules")["purposes"]]
    scenarios = [name for name in known if f"scenario-{name}" in visit.form]
    if member not in members_of(visit) or not scenarios or not until:
        return visit.problem(
            visit.say("Choose a member, one purpose at least, and a day such as 2027-12-31.")
        )
    words = [*_words(visit, member, scenarios), (visit.say("Until"), visit.language.moment(until))]
    args = {"member": member, "scenarios": scenarios, "until": until}
    return propose(visit, visit.say("Give %s a permit") % member, words,
                   [("permits", "issue", args)], _PERMITS)  # fmt: skip


def _words(visit: Visit, member: str, scenarios: Iterable[str]) -> list[tuple[str, str]]:
    purposes = ", ".join(map(visit.term, scenarios))
    return [(visit.say("Member"), member), (visit.say("Purposes"), purposes)]


def _revoke(visit: Visit) -> Response:
    member = visit.form.get("member", "").strip()
    missing = visit.say("There is no such permit.")
    if not _NAME.fullmatch(member):
        raise MissingError(missing)
    found = visit.find("permits", "get", {"member": member}, missing)
    words = _words(visit, member, found["scenarios"])
    return propose(visit, visit.say("End the permit of %s") % member, words,
                   [("permits", "revoke", {"member": member})], _PERMITS)  # fmt: skip


# Opinions


def _opinions(visit: Visit) -> Response:
    """Opinions on own datasets, those without an answer first."""
    rows = []
    for dataset in _own_datasets(visit):
        for each in visit.query("feedback", "list", {"dataset": dataset}):
            rows.append({**each, "dataset": dataset})
    rows.sort(key=lambda row: (row["answer"] is not None, -row["time"]))
    said = [row["envelope"] for row in rows]
    answers = [row["answer"][2] for row in rows if row["answer"]]
    return visit.page(
        "feedback.html", rows=rows, texts=read_texts(visit, [*said, *answers]),
        may_read=any(said) and not visit.duties.isdisjoint(LOOKING),
        may_answer=not visit.duties.isdisjoint(ACTING),
    )  # fmt: skip


def _own_datasets(visit: Visit) -> list[str]:
    args = {"prefix": f"{visit.site.member}/"}
    return [name for name, *_ in visit.query("catalogue", "list", args)][:MAX_DATASETS]


def _answer(visit: Visit) -> Response:
    dataset, member = visit.form.get("dataset", "").strip(), visit.form.get("member", "").strip()
    version = visit.form.get("version", "").strip()
    if dataset not in _own_datasets(visit) or not _NAME.fullmatch(member) or (
        version and number_of(version) is None
    ):  # fmt: skip
        raise MunimentError(visit.say("This form is not complete."))
    args = {"dataset": dataset, "member": member, "version": number_of(version)}
    words = [(visit.say("Dataset"), dataset), (visit.say("Member"), member),
             (visit.say("Mended in version"), version or "–")]  # fmt: skip
    return propose_worded(visit, visit.say("Answer an opinion on %s") % dataset, words,
                          ("feedback", "answer", args), [member], _FEEDBACK)  # fmt: skip

"""Authorisations of subjects: batches and what they cover, obligations, uses by law."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING, APPROVER, STEWARD
from contracts.system.cases import SUPERVISOR
from contracts.system.subjects.batches import REGISTRAR
from node.errors import MunimentError
from node.web.console.exchange import now_ms
from node.web.console.fields import FormError, day_end_of
from node.web.console.rows import all_rows
from node.web.signing import anchored, propose
from node.web.site import Site, Visit, page

_PATH = "/exchange/authorisations"
MOST = 200
SHOWN_JOBS = 5
LOOK = "withdrawn"
"""The desk's kind of job that finds what is withdrawn."""


def routes(site: Site) -> list[BaseRoute]:
    owed, use = _PATH + "/{number:int}/", _PATH + "/uses/{number:int}/"
    acts = {
        owed + "look": (_look, (STEWARD,)), owed + "tell": (_tell, (STEWARD,)),
        owed + "erase": (_erase, (STEWARD,)), use + "review": (_review, (APPROVER,)),
        use + "notified": (_notified, ACTING), _PATH + "/uses": (_invoke, ACTING),
    }  # fmt: skip
    return [
        page(site, _PATH, _show),
        page(site, _PATH, _count, methods=("POST",), duties=(STEWARD, APPROVER)),
        *(page(site, path, act, methods=("POST",), duties=duties)
          for path, (act, duties) in acts.items()),
    ]  # fmt: skip


def _show(visit: Visit) -> Response:
    """Batches for requests at L4 by or to this member, and what withdrawals oblige to."""
    member, now = visit.site.member, now_ms()
    scopes = {
        (row["dataset"], row["recipient"], row["purpose"])
        for row in visit.query("access", "list", {"member": member})
        if row["level"] == 4
    }
    batches = [row for scope in sorted(scopes) for row in _batches(visit, scope, now)]
    members = visit.query("members", "list")
    supervises = any(row["name"] == member and SUPERVISOR in row["roles"] for row in members)
    uses = []
    for row in _rows(visit, "uses", {}):
        parties = (row["recipient"], row["dataset"].partition("/")[0])
        may_review = supervises and row["status"] == "asked" and member not in parties
        if may_review or member in (*parties, row["registrar"]):
            uses.append({**row, "may_review": may_review})
    jobs, away = _jobs(visit)
    looked: dict[str, Any] = {job["about"]: job for job in reversed(jobs) if job["kind"] == LOOK}
    return visit.page(
        "authorisations.html", scopes=sorted(scopes), batches=batches, uses=uses, away=away,
        obligations=[
            {**row, "job": looked.get(str(row["id"])), "told": _told(visit, row)}
            for row in _rows(visit, "obligations", {"member": member})
        ],
        jobs=[job for job in jobs if job["kind"] == "coverage"][:SHOWN_JOBS],
        registrars=[row["name"] for row in members if REGISTRAR in row["roles"]],
        purposes=[row["name"] for row in visit.query("access", "rules")["purposes"]],
        now=now, is_steward=STEWARD in visit.duties,
        may_act=not visit.duties.isdisjoint(ACTING),
    )  # fmt: skip


def _batches(visit: Visit, scope: tuple[str, str, str], now: int) -> list[Any]:
    dataset, recipient, purpose = scope
    args = {"dataset": dataset, "recipient": recipient, "purpose": purpose, "at": now}
    return _rows(visit, "batches", args)


def _rows(visit: Visit, method: str, args: dict[str, Any]) -> list[Any]:
    return all_rows(visit, "subjects", method, args, most=MOST)


def _jobs(visit: Visit) -> tuple[list[Any], str]:
    """What the desk works on, the latest first, and why that cannot be said."""
    try:
        found = visit.jobs()
    except MunimentError as error:
        return [], visit.told(error)
    return found, ""


def _count(visit: Visit) -> Response:
    """Let the desk count what subjects authorise of an own dataset."""
    scope = [visit.form.get(name, "")[:200] for name in ("dataset", "recipient", "purpose")]
    found = visit.query("catalogue", "get", {"dataset": scope[0]}) if all(scope) else None
    if found is None or found["owner"] != visit.site.member:
        raise FormError(visit.say("This form is not complete."))
    visit.desk(
        "authorisation.coverage", dataset=scope[0], recipient=scope[1], purpose=scope[2],
        version=found["version"], time=now_ms(),
        who=visit.operator,
    )  # fmt: skip
    return visit.see(_PATH)


# What withdrawals oblige to


def _told(visit: Visit, obligation: Any) -> int | str | None:
    """How many records a steward is told to erase, or why that cannot be said."""
    if obligation["status"] != "erasing" or STEWARD not in visit.duties:
        return None
    try:
        rows: int = visit.desk("authorisation.told", obligation=obligation["id"])["rows"]
    except MunimentError as error:
        return visit.told(error)
    return rows


def _look(visit: Visit) -> Response:
    """Let the desk find the delivered rows that are withdrawn."""
    number = int(visit.param("number"))
    visit.desk("authorisation.look", obligation=number, time=now_ms(), who=visit.operator)
    return visit.see(_PATH)


def _tell(visit: Visit) -> Response:
    """Seal what was found to the recipient, and go on to sign that it was told."""
    found, job = _obligation(visit), visit.form.get("job", "")[:32]
    made = visit.desk("authorisation.tell", obligation=found["id"], job=job)
    envelope, anchor = anchored(made)
    args = {"obligation": found["id"], "envelope": bytes.fromhex(envelope)}
    title = visit.say("Tell %s what is withdrawn") % found["recipient"]
    return propose(visit, title, _words(visit, found, made["rows"]),
                   [anchor, ("subjects", "tell", args)], _PATH, [envelope])  # fmt: skip


def _erase(visit: Visit) -> Response:
    """Erase here what was told, and go on to sign that it is gone in every copy."""
    found = _obligation(visit)
    rows = visit.desk("authorisation.erase", obligation=found["id"])["rows"]
    words = [
        *_words(visit, found, rows),
        (visit.say("Erased"), visit.say("from what was fetched here, just now")),
        (visit.say("You attest"), visit.say("that they are gone from files and backups too")),
    ]
    title = visit.say("Attest that withdrawn records are erased")
    return propose(visit, title, words, [("subjects", "erased", {"obligation": found["id"]})],
                   _PATH)  # fmt: skip


def _obligation(visit: Visit) -> Any:
    """The obligation that the path names. Raises MissingError."""
    args = {"obligation": int(visit.param("number"))}
    return visit.find("subjects", "obligation", args, visit.say("There is no such obligation."))


def _words(visit: Visit, obligation: Any, rows: int) -> list[tuple[str, str]]:
    return [
        (visit.say("Dataset"), obligation["dataset"]),
        (visit.say("Recipient"), obligation["recipient"]),
        (visit.say("Records"), visit.language.number(rows)),
    ]


# Uses by law


def _invoke(visit: Visit) -> Response:
    """Ask, as the recipient, to use a dataset under a statute; a supervisor reviews it."""
    form = {name: visit.form.get(name, "").strip()[:200]
            for name in ("statute", "dataset", "purpose", "registrar")}  # fmt: skip
    until = day_end_of(visit, "until")
    if not all(form.values()) or not until:
        raise FormError(visit.say("This form is not complete."))
    missing = visit.say("There is no such statute.")
    visit.find("governance", "statute", {"statute": form["statute"]}, missing)
    words = [*_use_words(visit, {**form, "recipient": visit.site.member}),
             (visit.say("Registrar"), form["registrar"]),
             (visit.say("Until"), visit.language.moment(until))]  # fmt: skip
    return propose(visit, visit.say("Ask for a use by law"), words,
                   [("subjects", "invoke", {**form, "until": until})], _PATH)  # fmt: skip


def _review(visit: Visit) -> Response:
    """A supervisor allows a use by law, with a day by which notice is due, or refuses it."""
    found, notice = _use(visit), 0
    title, words = visit.say("Refuse use %s by law"), _use_words(visit, found)
    match visit.form.get("outcome"):
        case "allow" if notice := day_end_of(visit, "notice"):
            title = visit.say("Allow use %s by law")
            words.append((visit.say("Notice due"), visit.language.moment(notice)))
        case "refuse":
            pass
        case _:
            raise FormError(visit.say("By when are those concerned notified? A day such as "
                                        "2027-12-31."))  # fmt: skip
    args = {"use": found["id"], "notice": notice or None}
    return propose(visit, title % found["id"], words, [("subjects", "review", args)],
                   _PATH)  # fmt: skip


def _notified(visit: Visit) -> Response:
    """The registrar attests that those concerned know."""
    found = _use(visit)
    title = visit.say("Attest that those concerned by use %s are notified") % found["id"]
    return propose(visit, title, _use_words(visit, found),
                   [("subjects", "notified", {"use": found["id"]})], _PATH)  # fmt: skip


def _use(visit: Visit) -> Any:
    """The use by law that the path names. Raises MissingError."""
    missing, number = visit.say("There is no such use by law."), int(visit.param("number"))
    return visit.find("subjects", "use", {"use": number}, missing)


def _use_words(visit: Visit, use: Any) -> list[tuple[str, str]]:
    return [
        (visit.say("Statute"), use["statute"]),
        (visit.say("Dataset"), use["dataset"]),
        (visit.say("Recipient"), use["recipient"]),
        (visit.say("Purpose"), visit.term(use["purpose"])),
    ]

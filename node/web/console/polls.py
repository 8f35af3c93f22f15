"""Polls by ballots that nobody reads before all are in: open, vote, show the vote, close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING
from node.ballots import CONTRACT
from node.rpc.client import NodeError
from node.web.console.exchange import now_ms
from node.web.console.fields import (
    ROOM,
    UNITS,
    FormError,
    digest_of_file,
    name_of_form,
    or_again,
    span_of,
)
from node.web.forms import whole
from node.web.signing import propose
from node.web.site import MissingError, Site, Visit, page

_POLLS = "/governance/polls"
CHOICES = range(2, 33)
_NEW = "/governance/new-poll"
ROOMY = {_NEW: ROOM}


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _POLLS, _which),
        page(site, _NEW, or_again(_propose, _page), methods=("POST",), duties=ACTING, files=1),
        page(site, _POLLS + "/{poll}", _show),
        page(site, _POLLS + "/{poll}/{act}", _act, methods=("POST",), duties=ACTING),
    ]


def _which(visit: Visit) -> Response:
    wanted = visit.option("poll").strip()
    if wanted and "/" not in wanted:
        return visit.see(f"{_POLLS}/{wanted}")
    return _page(visit, {"votes-unit": "days", "shown-unit": "days", "quorum": "0"})


def _page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    is_there = visit.query("contracts", "get", {"name": CONTRACT}) is not None
    return visit.page(
        "polls.html", 400 if problem else 200, is_there=is_there, given=given, problem=problem,
        members=[(row["name"], row["tier"]) for row in _active(visit)], units=UNITS,
        may=is_there and not visit.duties.isdisjoint(ACTING),
    )  # fmt: skip


def _active(visit: Visit) -> list[Any]:
    return [row for row in visit.query("members", "list") if row["status"] == "active"]


def _propose(visit: Visit) -> Response:
    """Let a person sign that a poll is opened. Raises MunimentError."""
    form, say, moment = visit.form, visit.say, visit.language.moment
    name, names = name_of_form(visit, "poll"), [row["name"] for row in _active(visit)]
    question = digest_of_file(visit, "file")
    choices, quorum = whole(form.get("choices", ""), 2), whole(form.get("quorum", ""), 3)
    if choices is None or choices not in CHOICES or quorum is None or quorum > 100:
        raise FormError(say("A poll has 2 to 32 choices, and a quorum of 0 to 100 percent."))
    registrar = form.get("registrar", "") or None
    if registrar not in (None, *names):
        raise FormError(say("There is no such member."))
    voters = [each for each in names if f"to-{each}" in form]
    if not voters and registrar is None:
        raise FormError(say("Choose one member at least."))
    votes_until = now_ms() + span_of(visit, "votes")
    shown_until = votes_until + span_of(visit, "shown")
    args = {"poll": name, "question": question, "choices": choices, "members": voters,
            "registrar": registrar, "votes_until": votes_until, "shown_until": shown_until,
            "quorum": 100 * quorum}  # fmt: skip
    words = [
        (say("Poll"), name), (say("Document, by digest"), question.hex()),
        (say("Choices"), f"0 – {choices - 1}"),
        (say("Members that vote"), ", ".join(voters) or "–"),
        (say("Enrols persons"), registrar or "–"),
        (say("Votes are taken"), moment(votes_until)),
        (say("Votes are shown"), moment(shown_until)),
        (say("Quorum"), f"{quorum} %"),
    ]  # fmt: skip
    return propose(visit, say("Open the poll %s") % name, words, [(CONTRACT, "open", args)], _POLLS,
                   then=f"{_POLLS}/{name}")  # fmt: skip


def _find(visit: Visit) -> Any:
    """The poll that the path names. Raises MissingError, as well where no contract keeps polls."""
    missing = visit.say("There is no such poll.")
    try:
        return visit.find(CONTRACT, "poll", {"poll": visit.param("poll")}, missing)
    except NodeError as error:
        if error.code != "unknown-contract":
            raise
        raise MissingError(missing) from error


def _show(visit: Visit) -> Response:
    found, name, now = _find(visit), visit.param("poll"), now_ms()
    rows = visit.query(CONTRACT, "votes", {"poll": name, "after": None})
    voted = dict(rows)
    member = visit.site.member
    acts = {
        "vote": now < found["votes_until"] and member not in voted,
        "show": found["votes_until"] <= now < found["shown_until"] and member in voted
        and voted[member] is None,
        "close": found["result"] is None and (now >= found["shown_until"] or (
            now >= found["votes_until"] and found["shown"] == found["votes"])),
    }  # fmt: skip
    may = not visit.duties.isdisjoint(ACTING)
    return visit.page("poll.html", name=name, poll=found, rows=rows, now=now,
                      acts={act for act, is_possible in acts.items() if is_possible and may}
                      )  # fmt: skip


def _act(visit: Visit) -> Response:
    found, name, act = _find(visit), visit.param("poll"), visit.param("act")
    if act not in ("vote", "show", "close"):
        raise MissingError(visit.say("There is no such poll."))
    args: dict[str, Any] = {"poll": name}
    words = [(visit.say("Poll"), name)]
    title = visit.say("Close the poll %s")
    if act == "vote":
        title, choice = visit.say("Hand in a ballot in the poll %s"), _choice(visit, found)
        ballot = visit.desk("poll.ballot", poll=name, choice=choice)
        args["ballot"] = bytes.fromhex(ballot)
        words.append((visit.say("Choice, which stays secret until it is shown"), str(choice)))
    elif act == "show":
        if now_ms() < found["votes_until"]:
            raise FormError(visit.say("Votes are shown once no more are taken."))
        title, kept = visit.say("Show the vote in the poll %s"), visit.desk("poll.kept", poll=name)
        args |= {"choice": kept["choice"], "salt": bytes.fromhex(kept["salt"])}
        words.append((visit.say("Choice"), str(kept["choice"])))
    return propose(visit, title % name, words, [(CONTRACT, act, args)],
                   f"{_POLLS}/{name}")  # fmt: skip


def _choice(visit: Visit, found: Any) -> int:
    """Raises FormError."""
    choice = whole(visit.form.get("choice", ""))
    if choice is None or choice >= len(found["tally"]):
        raise FormError(visit.say("Choose one of the choices."))
    return choice

"""Polls by ballots that nobody reads before all are in: vote, show the vote, close."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING
from node.ballots import CONTRACT
from node.rpc.client import NodeError
from node.web.console.exchange import now_ms
from node.web.console.fields import FormError
from node.web.forms import whole
from node.web.signing import propose
from node.web.site import MissingError, Site, Visit, page

_POLLS = "/governance/polls"


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _POLLS, _which),
        page(site, _POLLS + "/{poll}", _show),
        page(site, _POLLS + "/{poll}/{act}", _act, methods=("POST",), duties=ACTING),
    ]


def _which(visit: Visit) -> Response:
    wanted = visit.option("poll").strip()
    if wanted and "/" not in wanted:
        return visit.see(f"{_POLLS}/{wanted}")
    is_there = visit.query("contracts", "get", {"name": CONTRACT}) is not None
    return visit.page("polls.html", is_there=is_there)


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

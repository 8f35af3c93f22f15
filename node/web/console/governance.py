"""Government: proposals, what each would change, who voted how; all decided by signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ADMIN, APPROVER
from contracts.system.governance import PAGE
from node.errors import MunimentError
from node.web.console.changes import changes_of, source_diff
from node.web.console.exchange import before_of, now_ms
from node.web.console.fields import FormError
from node.web.sentences import of_result
from node.web.signing import propose
from node.web.site import Area, Site, Visit, page

AREAS = (Area("/governance", "Governance"),)
DECIDE = (ADMIN, APPROVER)
_CHOICES = ("yes", "no")


def routes(site: Site) -> list[BaseRoute]:
    proposal = "/governance/proposals/{number:int}"
    return [
        page(site, "/governance", _list),
        page(site, proposal, _show),
        page(site, proposal + "/vote", _vote, methods=("POST",), duties=DECIDE),
        page(site, proposal + "/withdraw", _withdraw, methods=("POST",), duties=DECIDE),
    ]


class GovernanceError(MunimentError):
    """What cannot be decided any more."""

    code = "governance"


def _list(visit: Visit) -> Response:
    rows = visit.query("governance", "list", before_of(visit))
    is_open = [("governance", "get", {"proposal": r["id"]}) for r in rows if r["status"] == "open"]
    waiting = visit.site.link.query_all(is_open)
    return visit.page(
        "proposals.html", rows=rows, waiting={each["id"]: each for each in waiting},
        more=len(rows) == PAGE and rows[-1]["id"] > 1, rules=visit.query("governance", "rules"),
        voted={each["id"] for each in waiting if _voted(each, visit.site.member)},
        is_voter=visit.site.member in voters_of(visit.query("members", "list")),
        kind_of=kind_of, now=now_ms(), place_of=place_of,
    )  # fmt: skip


def voters_of(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Members that vote on proposals, as `contracts.system.members.voters` has them."""
    return [r["name"] for r in records if r["status"] == "active" and "validator" in r["roles"]]


def _voted(proposal: Mapping[str, Any], member: str) -> bool:
    return member in [name for name, *_ in proposal["votes"]]


def _find(visit: Visit) -> Any:
    """The proposal that the path names. Raises MissingError."""
    args = {"proposal": int(visit.param("number"))}
    return visit.find("governance", "get", args, visit.say("There is no such proposal."))


def _show(visit: Visit) -> Response:
    found = _find(visit)
    voters, member = voters_of(visit.query("members", "list")), visit.site.member
    is_undecided = found["status"] in ("open", "accepted")
    kind, args = found["kind"], found["args"]
    changes = changes_of(visit.query if is_undecided else _nothing, kind, args)
    may = found["status"] == "open" and not visit.duties.isdisjoint(DECIDE)
    result = found["result"]
    return visit.page(
        "proposal.html", proposal=found, changes=changes, is_undecided=is_undecided,
        diff=_diff(visit, found) if is_undecided else [], source=args.get("source", ""),
        missing=[name for name in voters if name not in [row[0] for row in found["votes"]]],
        may_vote=may and member in voters and not _voted(found, member),
        may_withdraw=may and found["proposer"] == member,
        result=of_result(visit.say, result[0], result[1]) if result else "",
        kind_of=kind_of, now=now_ms(), shown=shown,
    )  # fmt: skip


def _nothing(contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
    """What stood before a proposal that is decided is not known any more."""
    return {}


def _diff(visit: Visit, proposal: Mapping[str, Any]) -> list[str]:
    """What an upgrade changes in its contract's source."""
    args = proposal["args"]
    if proposal["kind"] != "upgrade":
        return []
    known = visit.query("contracts", "get", {"name": args["name"]}) or {}
    return source_diff(known.get("source", ""), args["source"])


def _vote(visit: Visit) -> Response:
    found, choice = _find(visit), visit.form.get("choice", "")
    if choice not in _CHOICES:
        raise FormError(visit.say("This form is not complete."))
    number, member = found["id"], visit.site.member

    def check(again: Visit) -> None:
        now = again.query("governance", "get", {"proposal": number})
        if now["status"] != "open" or _voted(now, member):
            raise GovernanceError(again.say("This was decided meanwhile, or somebody has voted."))

    title = visit.say("Vote for proposal %s")
    if choice == "no":
        title = visit.say("Vote against proposal %s")
    return propose(visit, title % number, _words(visit, found),
                   [("governance", "vote", {"proposal": number, "choice": choice})],
                   f"/governance/proposals/{number}", check=check)  # fmt: skip


def _withdraw(visit: Visit) -> Response:
    found = _find(visit)
    return propose(visit, visit.say("Withdraw proposal %s") % found["id"], _words(visit, found),
                   [("governance", "withdraw", {"proposal": found["id"]})],
                   f"/governance/proposals/{found['id']}")  # fmt: skip


def _words(visit: Visit, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    kind, changes = found["kind"], changes_of(visit.query, found["kind"], found["args"])
    return [
        (visit.say("Kind"), kind_of(visit, kind)),
        (visit.say("Proposed by"), found["proposer"]),
        *((change.place, f"{shown(change.before)} → {shown(change.after)}") for change in changes),
    ]


def kind_of(visit: Visit, kind: str) -> str:
    """What a kind of proposal does, and its name."""
    return f"{visit.say(KINDS.get(kind, OTHER_KIND))} ({kind})"


def place_of(kind: str) -> str:
    """The path of the page where a kind is put forward."""
    return f"/governance/{_PLACES.get(kind) or f'propose/{kind}'}"


KINDS = {
    "admit": "take a new member in",
    "suspend": "suspend a member",
    "reinstate": "reinstate a member",
    "expel": "expel a member for good",
    "change": "change a member's place or roles",
    "rotate": "replace a member's lost keys",
    "parameters": "change parameters of the network",
    "deploy": "deploy a contract",
    "upgrade": "replace a contract's code",
    "retire": "let a contract take no more calls",
    "version": "plan a protocol version",
    "pack": "put a pack of rules into force",
    "access": "replace the rules of access",
    "ladder": "replace the ladder of measures",
    "deliveries": "replace the limits of deliveries",
    "statute": "enact a statute",
    "rule": "change how many must agree",
}
"""What each kind of proposal does."""
FORMS = ("access", "ladder", "deliveries", "pack", "statute", "rule", "version", "rotate")
"""Kinds that are put forward at `/governance/propose/KIND`; _PLACES are those of the others."""
_PLACES = {"parameters": "parameters", "deploy": "contracts", "upgrade": "contracts",
           "retire": "contracts", "admit": "members", "suspend": "members", "expel": "members",
           "reinstate": "members", "change": "members"}  # fmt: skip
OTHER_KIND = "a kind of a newer release"


def shown(value: Any) -> str:
    """A value on one line, 200 characters at most."""
    if value is None:
        return "–"
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "–"
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:199] + "…"


def put_forward(
    visit: Visit, kind: str, args: dict[str, Any], words: Sequence[tuple[str, str]], back: str
) -> Response:
    """Let a person sign that a change is put to the vote."""
    told = [(visit.say("Kind"), kind_of(visit, kind)), *words]
    call = ("governance", "propose", {"kind": kind, "args": args})
    return propose(visit, visit.say("Put a change to the vote"), told, [call], back,
                   then="/governance")  # fmt: skip

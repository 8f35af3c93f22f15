"""What the pages of supervision share: who supervises, the index of the chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from starlette.responses import Response

from contracts.api import APPROVER, AUDITOR
from contracts.system.cases import SUPERVISOR
from node.errors import MunimentError
from node.trace.index import Entry, Index
from node.web.console.seconds import prepare
from node.web.signing import CallArguments, propose, seal
from node.web.site import Area, Visit

AREAS = (Area("/supervision", "Supervision", more=("/trace",)),)
ROOT = "/supervision"
LOOKING = (APPROVER, AUDITOR)
"""Duties that look into alerts and cases; approvers alone decide."""
SETTLED = {"alert": ("alerts", "raised"), "delivery": ("deliveries", "ended")}
"""The event whose transaction proves a thing that has a number."""
SOON = 100
"""Blocks that a page takes into the index itself."""
MAX_TEXT = 10_000
MAX_READ = 50
"""Letters of a text that is sealed, and texts that one page opens."""


def members_of(visit: Visit) -> dict[str, Any]:
    """All members that there are or were, by name."""
    return {row["name"]: row for row in visit.query("members", "list")}


def supervisors_of(members: Mapping[str, Any]) -> list[str]:
    """The active ones of them that supervise."""
    return [name for name, row in members.items()
            if row["status"] == "active" and SUPERVISOR in row["roles"]]  # fmt: skip


@contextmanager
def reading(visit: Visit) -> Iterator[Index]:
    """The index of the chain that the site keeps, with what became final just now.

    Where much is missing, after a first start, nobody waits for it: see `behind`.
    """
    site = visit.site
    with closing(Index(site.home.trace, site.genesis.chain_id.hex())) as index:
        if 0 < behind(visit, index) <= SOON:
            with site.link.client() as client:
                index.update(client)
        yield index


def behind(visit: Visit, index: Index) -> int:
    """How many blocks the index has yet to take in."""
    return max(0, int(visit.call("status")["height"]) - index.height)


def settled_by(index: Index, kind: str, number: int | None) -> str | None:
    """The transaction that raised an alert, or ended a delivery."""
    found: list[Entry] = index.trace(f"{kind}:{number}") if number else []
    return next((e.txid for e in found if (e.contract, e.name) == SETTLED[kind]), None)


def came_to(visit: Visit, disposition: str) -> str:
    """What an alert or case came to, in words; orders are confirmed in another sense."""
    return visit.say("found true") if disposition == "confirmed" else visit.say(disposition)


# Signing


def unchanged(contract: str, args: dict[str, Any], status: str) -> Callable[[Visit], None]:
    """A check, before something is signed, that nobody else was first."""

    def check(visit: Visit) -> None:
        found = visit.query(contract, "get", args)["status"]
        if found != status:
            raise MunimentError(
                visit.say("Somebody else was first: it is %s by now.") % visit.say(found)
            )

    return check


def propose_worded(
    visit: Visit, title: str, words: Sequence[tuple[str, str]], call: CallArguments,
    to: Collection[str | None], back: str, *, for_two: bool = False,
    check: Callable[[Visit], None] | None = None,
) -> Response:  # fmt: skip
    """Propose a call whose argument `envelope` is the form's text, sealed to members, or null.

    `for_two`: the call takes two persons.
    """
    contract, method, args = call
    text = visit.form.get("text", "").strip()
    if len(text) > MAX_TEXT:
        return visit.problem(visit.say("A text has at most %s letters.") % MAX_TEXT)
    anchors: list[CallArguments] = []
    sealed: list[str] = []
    envelope = None
    if text:
        names = sorted({name for name in to if name and name != visit.site.member})
        found, anchor = seal(visit, method, text, names)
        anchors, sealed, envelope = [anchor], [found], bytes.fromhex(found)
        words = [*words, (visit.say("Text, sealed"), text)]
    made = (contract, method, {**args, "envelope": envelope})
    if for_two:
        return prepare(visit, title, words, made, back, anchors, sealed, check)
    return propose(visit, title, words, [*anchors, made], back, sealed, check=check)


# Texts that travel sealed


def read_texts(visit: Visit, envelopes: Sequence[str | None]) -> dict[str, str]:
    """What stands in envelopes, or why it cannot be read; the latest MAX_READ of them.

    Empty unless the page was asked to read, by somebody who looks into such things.
    """
    if visit.option("read") != "1" or visit.duties.isdisjoint(LOOKING):
        return {}
    found: dict[str, str] = {}
    for envelope in [each for each in envelopes if each][-MAX_READ:]:
        try:
            found[envelope] = visit.desk("sealing.open", envelope=envelope).get("text") or "–"
        except MunimentError as error:
            found[envelope] = f"({visit.told(error)})"
    return found

"""Texts that travel sealed: made for many members, and read by those whose duty it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.cli.sealing import RECIPIENTS_EACH
from node.desk.params import MAX_TEXT
from node.envelopes.store import EnvelopeStore
from node.errors import MunimentError
from node.web.signing import CallArguments, seal
from node.web.site import Visit

READERS = frozenset(("auditor", "dispatcher"))
"""Duties that read what was sealed to the member about orders, plans and contacts."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A text, or why it cannot be shown; `is_coming` while it is still on its way to this node."""

    text: str = ""
    problem: str = ""
    is_coming: bool = False


class LetterError(MunimentError):
    """A text that cannot be sealed."""

    code = "letter"


def seal_to_all(
    visit: Visit, kind: str, text: str, to: Sequence[str]
) -> tuple[list[str], list[CallArguments]]:
    """Seal a text to members, in as many envelopes as they need; returns ids and anchors.

    Raises LetterError, NodeError, DeskError.
    """
    if not 0 < len(text) <= MAX_TEXT:
        raise LetterError(
            visit.say("The text needs 1 to %s characters.") % visit.language.number(MAX_TEXT)
        )
    starts = range(0, len(to), RECIPIENTS_EACH)
    made = [seal(visit, kind, text, to[at : at + RECIPIENTS_EACH]) for at in starts]
    return [envelope for envelope, _ in made], [anchor for _, anchor in made]


def read(visit: Visit, envelopes: Sequence[str]) -> Letter | None:
    """The text of the first of some envelopes that is sealed to this member.

    None where none is, or where the visitor's duties do not include it.
    """
    if READERS.isdisjoint(visit.duties):
        return None
    for envelope in envelopes:
        anchor = visit.query("envelopes", "get", {"id": bytes.fromhex(envelope)})
        if anchor is not None and visit.site.member in anchor["parties"]:
            store = EnvelopeStore(visit.site.home.envelopes)
            if store.state_of(bytes.fromhex(envelope)) == "missing":
                return Letter(problem=visit.say("It is still on its way here."), is_coming=True)
            try:
                fields = visit.desk("sealing.open", envelope=envelope)
            except MunimentError as error:
                return Letter(problem=visit.told(error))
            return Letter(str(fields.get("text", "")))
    return None

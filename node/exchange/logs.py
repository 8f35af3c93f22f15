"""Access logs asked over the network: what may be asked, by whom, and what of a log is shown.

A supervisor sees which version and rows every entry is about, and all of what concerns its
question. The dataset's owner, a registrar that asks for a subject, and a recipient see what
concerns them; of the rest they get digests, by which they follow the chain to its anchors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from consensus.codec import Value, encode, expect_bytes, expect_int, expect_list, expect_text
from consensus.crypto import HASH_BYTES
from contracts.api import APPROVER, AUDITOR
from contracts.system.operators import ACTIVE, duties_at
from node.data.access import MOST, Place
from node.data.chain import Chain, Query
from node.data.custody import Custody
from node.exchange.authorise import Batch, OpenEnvelope
from node.exchange.consent import refer
from node.exchange.delivered import Delivered
from node.exchange.watch import NotServedError
from node.home import Home

DUTIES = (AUDITOR, APPROVER)
"""Duties of which an operator needs one to ask."""
SUPERVISOR = "supervisor"
MAX_NAME_BYTES = 128
MAX_VERSIONS = 16
"""The latest versions are looked through for a subject."""
PAGE = 500


@dataclass(frozen=True, slots=True)
class Question:
    """Whose accesses are meant: of a dataset, of one version or row of it (0: of all).

    With a batch, of the record that has this reference in it. `after` entries are left out; the
    asker knows the head that was anchored there.
    """

    dataset: str
    version: int = 0
    row: int = 0
    batch: int = 0
    reference: bytes = b""
    after: int = 0

    def to_value(self) -> Value:
        return [getattr(self, name) for name in Question.__slots__]

    @classmethod
    def from_value(cls, value: Value) -> Question:
        """Raises DecodeError."""
        row = expect_list(value, "question", 6)
        version, number, batch, after = (
            expect_int(row[at], "number", 0, MOST) for at in (1, 2, 3, 5)
        )
        dataset = expect_text(row[0], "dataset", MAX_NAME_BYTES)
        reference = expect_bytes(row[4], "reference", HASH_BYTES if batch else 0)
        return cls(dataset, version, number, batch, reference, after)

    def signed(self, holder: str, nonce: bytes) -> bytes:
        """What the person who asks signs, for this holder's log and this one time."""
        return encode([holder, nonce, self.to_value()])


class Sight(Enum):
    """How much of a log an asker sees: every place, what concerns the question, its deliveries."""

    EVERY_PLACE = "every place"
    CONCERNED = "what concerns it"
    OWN = "its own deliveries"


def sight_of(query: Query, question: Question, asker: str) -> Sight:
    """Return what a member may see. Raises NotServedError."""
    record = query("members", "get", {"name": asker})
    if record is not None and record["status"] == "active":
        if SUPERVISOR in record["roles"]:
            return Sight.EVERY_PLACE
        if question.dataset.partition("/")[0] == asker:
            return Sight.CONCERNED
        if not question.batch and _has_asked(query, asker, question.dataset):
            return Sight.OWN
        batch = query("subjects", "batch", {"batch": question.batch}) if question.batch else None
        if batch and (batch["registrar"], batch["dataset"]) == (asker, question.dataset):
            return Sight.CONCERNED
    raise NotServedError("not-concerned", f"{asker} is neither a supervisor nor concerned")


def _has_asked(query: Query, member: str, dataset: str) -> bool:
    """Whether a member has ever asked for a dataset."""
    args: dict[str, Any] = {"member": member}
    while rows := query("access", "list", args):
        if any((row["recipient"], row["dataset"]) == (member, dataset) for row in rows):
            return True
        args["before"] = rows[-1]["id"]
    return False


def check_person(query: Query, asker: str, person: str, key: bytes, now_ms: int) -> None:
    """Raise NotServedError unless `key` is that of somebody who may ask in a member's name.

    `person` is an operator, or "" for the member key.
    """
    if not person:
        if query("members", "get", {"name": asker})["member_key"] != key.hex():
            raise NotServedError(
                "wrong-key", f"the question is not signed with {asker}'s member key"
            )
        return
    found = query("operators", "get", {"member": asker, "operator": person})
    if found is None or found["status"] != ACTIVE or found["key"] != key.hex():
        raise NotServedError(
            "wrong-key", f"the chain knows no operator {asker}/{person} with this key"
        )
    if not duties_at(found, now_ms).intersection(DUTIES):
        needed = " or ".join(DUTIES)
        raise NotServedError(
            "duty", f"{asker}/{person} needs the duty {needed}, not lapsed, to ask"
        )


# The holder of a log


@dataclass(frozen=True, slots=True)
class Row:
    """A record that is meant, row 0 if a version has none, and as which row a delivery had it.

    `delivery` is 0 for the record as such, `delivered_as` is 0 if it was left out.
    """

    version: int
    row: int
    delivery: int = 0
    delivered_as: int = 0

    def to_value(self) -> Value:
        return [getattr(self, name) for name in Row.__slots__]

    @classmethod
    def from_value(cls, value: Value) -> Row:
        """Raises DecodeError."""
        row = expect_list(value, "row", len(Row.__slots__))
        return cls(*(expect_int(each, "number", 0, MOST) for each in row))


Rows = Mapping[int, Sequence[int]]
"""The rows that are meant, by version; versions that are not in it could not be looked through."""


def concerns(place: Place, question: Question, rows: Rows) -> bool:
    """Whether reading a place may have shown what a question is about."""
    if place.dataset != question.dataset or question.version not in (0, place.version):
        return False
    meant = rows.get(place.version)
    return meant is None or any(place.first <= row <= place.last for row in meant)


class Desk:
    """Answers for the log of one home. All of it blocks."""

    def __init__(
        self, home: Home, chain: Chain, master: bytes, open_envelope: OpenEnvelope
    ) -> None:
        self.chain, self._open_envelope = chain, open_envelope
        self._custody = Custody(home, chain, master)
        self._delivered = Delivered(home.delivered, master)

    def anchor(self) -> None:
        """Anchor the log on the chain if it has grown. Raises MunimentError."""
        self._custody.anchor()

    def answer(self, question: Question, asker: str, person: str, sight: Sight) -> Iterator[Value]:
        """Yield pages of entries as `asker` may see them, then the rows that are meant.

        Raises MunimentError.
        """
        by = f"{asker}/{person}" if person else asker
        rows = {} if sight is Sight.OWN else self._find(question, f"trace for {by}")
        recipients: dict[int, str] = {}
        entries = self._custody.log.entries(question.after)
        while page := list(itertools.islice(entries, PAGE)):
            shown: list[Value] = []
            for entry, _ in page:
                number = entry.access.delivery
                if not concerns(entry.access.place, question, rows):
                    is_full = sight is Sight.EVERY_PLACE
                    shown.append(entry.only_place() if is_full else entry.digest)
                    continue
                if sight is Sight.OWN and number not in recipients:
                    recipients[number] = self._recipient(number)
                is_theirs = sight is not Sight.OWN or recipients[number] == asker
                shown.append(entry.whole() if is_theirs else entry.digest)
            yield ["page", shown]
        yield ["end", [row.to_value() for row in self._rows(question.dataset, rows)]]

    def _recipient(self, delivery: int) -> str:
        found = self.chain.query("deliveries", "get", {"delivery": delivery}) if delivery else None
        return "" if found is None else str(found["recipient"])

    def _find(self, question: Question, purpose: str) -> Rows:
        """Find which rows are meant in the versions kept here; looking for a subject is a read."""
        held = sorted(number for _, number in self._custody.held(question.dataset))
        if question.row:
            return {question.version: (question.row,)} if question.version in held else {}
        if not question.batch:
            return {}
        row = self.chain.query("subjects", "batch", {"batch": question.batch})
        if row is None or row["dataset"] != question.dataset:
            raise NotServedError("unknown-record", f"batch {question.batch} is of another dataset")
        batch = Batch.open(self.chain.chain_id, row, self._open_envelope)
        if not batch.has(question.reference):
            # Or else a registrar could try out whose records an owner has.
            raise NotServedError("unknown-record", "nobody in the batch has this reference")
        found: dict[int, Sequence[int]] = {}
        for number in held[-MAX_VERSIONS:]:
            opened = self._custody.open(question.dataset, number)
            extent = (1, opened.head.rows)
            self._custody.log.note("node", question.dataset, number, extent, purpose)
            found[number] = tuple(
                at
                for at, _, values in opened.records()
                if (identity := values[batch.scope.field]) is not None
                and refer(batch.key, identity) == question.reference
            )
        return found

    def _rows(self, dataset: str, rows: Rows) -> Iterator[Row]:
        """Yield the records that are meant, and how each delivery had them whose rows are kept."""
        for number in self._delivered.deliveries():
            known = self.chain.query("deliveries", "get", {"delivery": number})
            version = known["version"]
            if known["dataset"] == dataset and rows.get(version):
                opened = self._custody.open(dataset, version)
                row_of = {place: row for row, place in self._delivered.rows(number)}
                for row in rows[version]:
                    [place] = opened.places(row, 1)
                    yield Row(version, row, number, row_of.get(place, 0))
        for version, found in rows.items():
            for row in found or (0,):
                yield Row(version, row)

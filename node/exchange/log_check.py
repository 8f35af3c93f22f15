"""An access log that another member shows in part, followed and compared with its anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError, Value, expect_list, expect_text
from node.data.access import GENESIS, NAME, Access, Place, follow, read
from node.data.chain import Query
from node.exchange.logs import PAGE, Question, Row, concerns

MAX_ENTRIES = 1 << 20
MAX_SHOWN = 10_000
MAX_ROWS = 100_000
MAX_FAULTS = 20
VERIFIED, WRONG, REFUSED, SILENT = "verified", "wrong", "refused", "silent"
"""What became of asking a member."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """That a log of `count` entries had this head, says the block at `height`; `time` in ms."""

    count: int
    head: bytes
    height: int
    time: int


def anchors_of(query: Query, member: str) -> list[Anchor]:
    """Return all anchors of a member's access log, in order."""
    found: list[Anchor] = []
    args: dict[str, Any] = {"owner": member, "log": NAME}
    while rows := query("anchors", "list", args):
        found += [Anchor(row[0], bytes.fromhex(row[1]), *row[2:4]) for row in rows]
        args["after"] = found[-1].count
    return found


def start_of(anchors: Sequence[Anchor], since: int) -> Anchor:
    """Return the last anchor before `since` (ms UTC): no entry below it is younger."""
    before = [anchor for anchor in anchors if anchor.time < since]
    return before[-1] if before else Anchor(0, GENESIS, 0, 0)


class Reading:
    """Takes in what a member shows of its log. `start` is where the question began.

    `is_full`: the asker is a supervisor, before whom no place may be withheld.
    """

    def __init__(
        self,
        holder: str,
        question: Question,
        is_full: bool,
        anchors: Sequence[Anchor],
        start: Anchor,
    ) -> None:
        self.holder, self.question = holder, question
        self.state, self.faults = SILENT, list[str]()
        self.entries: list[tuple[int, Access]] = []
        self.rows: list[Row] = []
        self.count = start.count
        self.withheld = self.elsewhere = self.left_out = 0
        self.anchored: Anchor | None = start if start.count else None
        self.is_full, self.start, self._head = is_full, start, start.head
        self._anchors = [anchor for anchor in anchors if anchor.count > start.count]
        self._places: list[tuple[int, Place]] = []

    def fail(self, state: str, why: str) -> None:
        """It was not answered, or not to the end."""
        self.state = state
        self.faults.append(why)

    def take(self, message: Value) -> bool:
        """Take one message in; returns whether it was the last. Raises DecodeError."""
        row = expect_list(message, "answer", max_length=3)
        match row:
            case ["page", list(page)] if len(page) <= PAGE:
                for shown in page:
                    self._take(shown)
                return False
            case ["end", list(rows)] if len(rows) <= MAX_ROWS:
                self.rows = [Row.from_value(each) for each in rows]
                self._finish()
                return True
            case ["refused", str(code), str(sentence)]:
                self.fail(REFUSED, expect_text(f"{sentence} ({code})", "sentence", 600))
                return True
        raise DecodeError("answer: is no message of this service")

    def _take(self, shown: Value) -> None:
        if self.count - self.start.count >= MAX_ENTRIES:
            raise DecodeError("answer: is too long; ask for a later time")
        digest, what = read(shown)
        self.count += 1
        self._head = follow(self._head, digest)
        self._compare()
        match what:
            case Access() if not concerns(what.place, self.question, {}):
                raise DecodeError("answer: shows what was not asked for")
            case Access() if len(self.entries) < MAX_SHOWN:
                self.entries.append((self.count, what))
            case Access():
                self.left_out += 1
            case Place():
                self.elsewhere += 1
                if what.dataset == self.question.dataset and len(self._places) < MAX_ENTRIES:
                    self._places.append((self.count, what))
            case None:
                self.withheld += 1

    def _compare(self) -> None:
        if self._anchors and self._anchors[0].count == self.count:
            anchor = self._anchors.pop(0)
            if anchor.head == self._head:
                self.anchored = anchor
            else:
                self._blame(
                    f"the first {anchor.count} entries are not those that were anchored in block "
                    f"{anchor.height}"
                )
                self._anchors = []  # no later one can be right

    def _finish(self) -> None:
        if self._anchors:
            last = self._anchors[-1]
            self._blame(
                f"the log ends after {self.count} entries, and {last.count} were anchored in block "
                f"{last.height}"
            )
        if self.is_full and self.withheld:
            self._blame(f"{self.withheld} entries are withheld from a supervisor")
        meant: dict[int, list[int]] = {}
        for row in self.rows:
            if not row.delivery:
                meant.setdefault(row.version, []).append(row.row)
        for count, place in self._places:
            if concerns(place, self.question, meant):
                self._blame(f"entry {count} is about what was asked for, and is hidden")
        self.state = WRONG if self.faults else VERIFIED

    def miss(self, deliveries: Sequence[int]) -> None:
        """Blame the log for deliveries that the chain says it must have, and it has not."""
        known = {access.delivery for _, access in self.entries}
        for number in deliveries:
            if number not in known and not self.left_out and self.state in (VERIFIED, WRONG):
                self._blame(f"delivery {number} went out, and the log has no entry for it")
                self.state = WRONG

    def _blame(self, fault: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    @property
    def unanchored(self) -> int:
        """Entries after the last anchor: for these there is only the member's word."""
        return self.count - (self.anchored.count if self.anchored else 0)

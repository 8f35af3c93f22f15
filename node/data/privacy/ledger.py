"""An owner's answers: paid on the chain, computed once, kept sealed, bound on the chain.

In this order, so that a crash at any point loses at most the price: an answer that was paid for and
not kept is computed now, since nobody has seen it; one that was kept and not bound is bound; and
one that is bound and kept is given again.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from consensus.codec import Value, encode, expect_bytes, expect_int, expect_list
from node.data.chain import Chain
from node.data.commitment import Field
from node.data.privacy.aggregate import MAX_CATEGORIES, Answer, Question
from node.data.sealing import Sealer, derive
from node.data.worker import Worker, WorkerError
from node.errors import MunimentError
from node.home import Home
from node.network import bytes_as_text

NAME = "budgets"
SALT_BYTES = 16
BATCH_RECORDS = 4_096
MAX_NUMBER = (1 << 63) - 1


class AnswerError(MunimentError):
    """A question that the owner cannot, or does not, answer."""

    code = "answer"


@dataclass(frozen=True, slots=True)
class Given:
    """An answer with its salt, whose digest the chain has under the question's; paid for now?"""

    answer: Answer
    salted: Value
    question: bytes
    is_new: bool


def read_answer(salted: Value) -> Answer:
    """Raises DecodeError."""
    row = expect_list(salted, "answer", 3)
    expect_bytes(row[0], "salt", SALT_BYTES)
    numbers = expect_list(row[1], "numbers", max_length=MAX_CATEGORIES)
    return Answer(
        tuple(expect_int(each, "number", -MAX_NUMBER, MAX_NUMBER) for each in numbers),
        expect_int(row[2], "within"),
    )


def digest_of(salted: Value) -> bytes:
    """What the chain has of an answer."""
    return sha256(encode(salted)).digest()


class Answers:
    """The answers of one home. What is on the chain is salted: small numbers could be guessed."""

    def __init__(self, home: Home, chain: Chain, master: bytes) -> None:
        self._folder, self._chain = home.path / "answers", chain
        self._key = derive(master, "questions")
        self._sealer = Sealer(derive(master, "answers"))

    def ask(
        self,
        question: Question,
        dataset: str,
        version: int,
        recipient: str,
        columns: Sequence[str],
        records: Iterable[Sequence[Field]],
        grant: int | None = None,
    ) -> Given:
        """Return the one answer to a question, paid for before it is computed. Raises.

        Under a grant whatever is given counts, also what is given again.
        """
        question.check_columns(columns)
        budget = self._chain.query(NAME, "get", {"dataset": dataset})
        if budget is not None and budget["subject"] != question.subject:
            raise AnswerError(f"the subjects of {dataset} are told by {budget['subject']!r}")
        place: dict[str, Value] = {"dataset": dataset, "version": version}
        place["question"] = question.digest(self._key)
        with self._locked():
            return self._ask(question, place, recipient, columns, records, grant)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time: two at once would draw noise twice for one question."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ask(
        self,
        question: Question,
        place: dict[str, Value],
        recipient: str,
        columns: Sequence[str],
        records: Iterable[Sequence[Field]],
        grant: int | None,
    ) -> Given:
        under: dict[str, Value] = {"recipient": recipient}
        if grant is not None:
            under["grant"] = grant
        known = self._chain.query(NAME, "question", bytes_as_text(place))
        is_new = known is None
        if is_new:
            price = {**under, "micro_epsilon": question.micro_epsilon}
            self._chain.submit(NAME, "reserve", {**place, **price})
        is_bound = known is not None and known["answer"] is not None
        kept = self._read(place)
        if kept is None and is_bound:
            raise AnswerError(
                "this question has been answered and the answer is not in this home; ask another"
            )
        if kept is None:
            made = _compute(question, columns, records)
            numbers: Value = list(made.numbers)
            kept = [os.urandom(SALT_BYTES), numbers, made.within]
            self._write(place, kept)
        if not is_bound:
            self._chain.submit(NAME, "answer", {**place, "answer": digest_of(kept)})
        if not is_new and grant is not None:
            self._chain.submit(NAME, "give", {**place, **under})
        return Given(read_answer(kept), kept, question.digest(self._key), is_new)

    def _read(self, place: dict[str, Value]) -> Value:
        return self._sealer.read(self._folder / _name(place), f"answer {_name(place)}")

    def _write(self, place: dict[str, Value], value: Value) -> None:
        self._sealer.write(self._folder / _name(place), f"answer {_name(place)}", value)


def _name(place: dict[str, Value]) -> str:
    return sha256(encode(place)).hexdigest()


def _compute(
    question: Question, columns: Sequence[str], records: Iterable[Sequence[Field]]
) -> Answer:
    """Compute in a worker, which alone sees records and chance."""

    def batches() -> Iterable[list[list[Field]]]:
        rows = iter(records)
        while some := [list(each) for each in itertools.islice(rows, BATCH_RECORDS)]:
            yield some

    names: Value = list(columns)
    found: Answer | None = None
    with Worker("aggregate", {"question": question.to_value(), "columns": names}) as worker:
        worker.feed(batches())
        for frame in worker.frames():
            match frame:
                case ["answer", list(numbers), int(within)]:
                    found = Answer(tuple(numbers), within)
    if found is None:
        raise WorkerError("the worker for aggregate sent no answer")
    return found

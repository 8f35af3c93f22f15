"""Answers about records over streams: asked under a grant, paid for before they go out.

On a stream of the service `compute` the recipient sends

    ["aggregate", grant, version, question]          the question as `Question.to_value` has it
    ["intersect", run]                               see `intersecting`
    ["shares", run]                                  see `summing`

and the owner, once its budget has paid on the chain,

    ["answer", question's digest, salted answer, paid now]      or ["refused", code, sentence]

The chain has the digest of the salted answer under that of the question, so the owner cannot give
one recipient another answer than the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
import trio

from consensus.codec import DecodeError, expect_bytes, expect_int
from contracts.codes import NAMES, Code
from node.data import vault
from node.data.access import AccessLog
from node.data.chain import Chain
from node.data.keyring import Keyring
from node.data.privacy.aggregate import Answer, Question, QuestionError
from node.data.privacy.ledger import AnswerError, Answers, digest_of, read_answer
from node.errors import MunimentError
from node.exchange import intersecting
from node.exchange.copies import FetchError, WrongDataError
from node.exchange.intersecting import Sets
from node.exchange.server import PATIENCE_S, attend
from node.exchange.streams import DataSocket, Stream
from node.exchange.summing import Summer
from node.exchange.watch import NotServedError, Watch
from node.home import Home

SERVICE = "compute"
MAX_QUESTION_BYTES = 1 << 20
MAX_ANSWER_BYTES = 1 << 20
MAX_ID = 1 << 53
log = structlog.get_logger("exchange")
MAX_SERVED = 4
"""Questions that are worked on at a time; others wait."""
ANSWER_S = 3_600.0
"""How long an owner may compute."""
_TOLD = (QuestionError, AnswerError)
"""What the asker is told as it is; it quotes no data."""


class Answerer:
    """Answers questions about one member's data within its budgets."""

    def __init__(self, home: Home, chain: Chain, master: bytes, watch: Watch) -> None:
        self._home, self._chain, self._watch = home, chain, watch
        self._keyring = Keyring(home.vault, master)
        self._log = AccessLog(home.vault, master)
        self._answers = Answers(home, chain, master)
        self._sets = Sets(home, chain, master)
        self._summer = Summer(home, chain, master)
        self._limit = trio.CapacityLimiter(MAX_SERVED)

    async def serve(self, stream: Stream) -> None:
        """Serve one stream to its end; whatever the recipient does, nothing is raised."""
        async with self._limit:
            await attend(stream, self._answer)

    async def _answer(self, stream: Stream) -> None:
        message: Any = await stream.receive(MAX_QUESTION_BYTES, PATIENCE_S)
        match message:
            case ["aggregate", grant, version, question]:
                expect_int(grant, "grant", 1, MAX_ID)
                expect_int(version, "version", 1, 1 << 32)
                try:
                    asked = Question.of(question)
                    given = await trio.to_thread.run_sync(
                        self._aggregate, stream.member, grant, version, asked
                    )
                except _TOLD as error:
                    raise NotServedError(error.code, error.message) from error
                await stream.send(["answer", given.question, given.salted, given.is_new])
                await stream.end()
            case ["intersect", number]:
                expect_int(number, "run", 1, MAX_ID)
                run = await trio.to_thread.run_sync(self._run, stream.member, number)
                await intersecting.hold(stream, run, self._sets, self._chain)
            case ["shares", number]:
                expect_int(number, "run", 1, MAX_ID)
                shown = await trio.to_thread.run_sync(self._summer.show, stream.member, number)
                await stream.send(["shares", shown])
                await stream.end()
            case _:
                raise DecodeError("no message of this service")

    async def carry_on(self, socket: DataSocket) -> None:
        """Do what can be done in the sums that were joined here; errors are for the next time."""
        for number in await trio.to_thread.run_sync(self._summer.joined):
            try:
                await self._summer.advance(socket, SERVICE, number, self._watch.now_ms)
            except MunimentError as error:
                log.warning("a sum waits", sum=number, why=error.message)

    def _run(self, member: str, number: int) -> dict[str, Any]:
        """Return a run that the member asks for, under a grant that may still be used."""
        run = self._chain.query(intersecting.NAME, "get", {"run": number})
        if run is None or (run["asker"], run["holder"]) != (member, self._chain.member):
            raise NotServedError("denied", f"{member} has no run {number} here")
        self._usable(member, run["grant"])
        return run  # type: ignore[no-any-return]

    def _aggregate(self, member: str, number: int, version: int, question: Question) -> Any:
        grant = self._usable(member, number)
        dataset = grant["dataset"]
        folder = vault.folder_of(self._home.vault, dataset, version)
        if not folder.exists():
            raise NotServedError("not-found", f"{dataset} version {version} is not here")
        opened = vault.Version(folder, self._keyring)
        columns = opened.head.columns
        allowed = {columns[index] for index, mask in grant["fields"] if mask is None}
        if question.column and question.column not in allowed:
            raise NotServedError(
                "denied", f"grant {number} lets nobody ask about {question.column!r}"
            )
        purpose = f"answer to {member} under grant {number}: {grant['purpose']}"
        self._log.note("node", dataset, version, (1, opened.head.rows), purpose)
        try:
            return self._answers.ask(
                question, dataset, version, member, columns, opened.rows(), number
            )
        except MunimentError as error:
            if error.code == "failed":  # the chain's refusal, which everybody may read
                raise NotServedError("refused", error.message) from error
            raise

    def _usable(self, member: str, number: int) -> dict[str, Any]:
        """Return a grant that may be used now; the chain judges it again when it pays."""
        grant = self._chain.query("access", "grant", {"grant": number})
        if grant is None or (grant["owner"], grant["recipient"]) != (self._chain.member, member):
            raise NotServedError("denied", f"{member} has no grant {number} here")
        self._watch.require_fresh(self._chain.query("deliveries", "limits", {}))
        code = self._chain.query("access", "usable", {"grant": number, "time": self._watch.now_ms})
        if code:
            raise NotServedError(NAMES[Code(code)], f"grant {number} may not be used now")
        return grant  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Told:
    """What an owner answered: `question` is what the chain knows the question by."""

    answer: Answer
    salted: Any
    question: bytes
    is_new: bool

    def is_bound(self, chain: Chain, dataset: str, version: int) -> bool:
        """Whether the chain has this answer to the question; one that has another is refused.

        False where the own node does not know of it yet. Raises WrongDataError.
        """
        args = {"dataset": dataset, "version": version, "question": self.question}
        found = chain.query("budgets", "question", args)
        if found is None or found["answer"] is None:
            return False
        if found["answer"] != digest_of(self.salted).hex():
            raise WrongDataError("the owner has bound another answer to this question on the chain")
        return True


async def ask(socket: DataSocket, owner: str, grant: int, version: int, question: Question) -> Told:
    """Ask an owner. Raises FetchError where it refuses, WrongDataError, StreamError."""
    stream = await socket.open(owner, SERVICE)
    await stream.send(["aggregate", grant, version, question.to_value()])
    try:
        match await stream.receive(MAX_ANSWER_BYTES, ANSWER_S):
            case ["answer", digest, salted, bool(is_new)]:
                answer = read_answer(salted)
                if len(answer.numbers) != max(1, len(question.categories)):
                    raise DecodeError("other numbers than were asked for")
                return Told(answer, salted, expect_bytes(digest, "digest", 32), is_new)
            case ["refused", str(code), str(sentence)]:
                raise FetchError(f"{owner} refused: {sentence[:300]}", code[:64])
            case _:
                raise DecodeError("no answer")
    except DecodeError as error:
        raise WrongDataError(f"{owner} sent what is no answer: {error}") from error
    finally:
        with trio.CancelScope(shield=True):
            await stream.end()

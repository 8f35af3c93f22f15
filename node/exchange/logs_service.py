"""Access logs over streams of the service `access-logs`: one question, its answer in pages.

holder: nonce                                   16 bytes
asker:  [question, operator or "", key, signature]
holder: ["page", entries]... ["end", rows]      or ["refused", code, sentence] at any place
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

import structlog
import trio

from consensus.codec import DecodeError, Value, expect_bytes, expect_list, expect_text
from consensus.crypto import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Kind, Signer, verify
from node.exchange.log_check import SILENT, WRONG, Reading
from node.exchange.logs import Desk, Question, check_person, sight_of
from node.exchange.server import PATIENCE_S, attend
from node.exchange.streams import DataSocket, Stream, StreamError
from node.exchange.watch import NotServedError

SERVICE = "access-logs"
NONCE_BYTES = 16
MAX_QUESTION_BYTES = 1_024
MAX_PAGE_BYTES = 4 << 20
MAX_SERVED = 4
"""Questions that are answered at a time; others wait."""
MAX_ASKED = 16
"""Members that are asked at a time."""

log = structlog.get_logger("exchange")


class Teller:
    """Answers for the log behind a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._limit = trio.CapacityLimiter(MAX_SERVED)

    async def serve(self, stream: Stream) -> None:
        """Serve one stream to its end; whatever the asker does, nothing is raised."""
        async with self._limit:
            await attend(stream, self._answer)

    async def _answer(self, stream: Stream) -> None:
        nonce = os.urandom(NONCE_BYTES)
        await stream.send(nonce)
        row = expect_list(await stream.receive(MAX_QUESTION_BYTES, PATIENCE_S), "question", 4)
        question = Question.from_value(row[0])
        person = expect_text(row[1], "operator", 64, 0)
        key = expect_bytes(row[2], "key", PUBLIC_KEY_BYTES)
        signature = expect_bytes(row[3], "signature", SIGNATURE_BYTES)
        chain = self._desk.chain
        signed = question.signed(chain.member, nonce)
        if not verify(key, Kind.QUESTION, chain.chain_id, signed, signature):
            raise NotServedError("signature", "the question is not signed by who asks")

        def begin() -> Iterator[Value]:
            sight = sight_of(chain.query, question, stream.member)
            check_person(chain.query, stream.member, person, key, time.time_ns() // 1_000_000)
            log.info("log asked", member=stream.member, operator=person, dataset=question.dataset)
            return self._desk.answer(question, stream.member, person, sight)

        messages = await trio.to_thread.run_sync(begin)
        while (message := await trio.to_thread.run_sync(next, messages, None)) is not None:
            await stream.send(message)
        await stream.end()


async def ask(
    socket: DataSocket,
    readings: Sequence[Reading],
    sign: Callable[[bytes], bytes],
    who: tuple[str, bytes],
    patience_s: float,
) -> None:
    """Ask members at the same time, each for as long as `patience_s`; each reading tells how it
    went. `who` are operator ("" for the member) and key, `sign` signs with it.
    """
    limit = trio.CapacityLimiter(MAX_ASKED)

    async def one(reading: Reading) -> None:
        async with limit:
            with trio.move_on_after(patience_s) as scope:
                await _ask(socket, reading, sign, who, patience_s)
            if scope.cancelled_caught:
                reading.fail(SILENT, f"no answer within {patience_s:g} s")

    async with trio.open_nursery() as nursery:
        for reading in readings:
            nursery.start_soon(one, reading)


async def _ask(
    socket: DataSocket,
    reading: Reading,
    sign: Callable[[bytes], bytes],
    who: tuple[str, bytes],
    patience_s: float,
) -> None:
    try:
        stream = await socket.open(reading.holder, SERVICE)
        try:
            nonce = expect_bytes(await stream.receive(64, patience_s), "nonce", NONCE_BYTES)
            signed = reading.question.signed(reading.holder, nonce)
            await stream.send([reading.question.to_value(), *who, sign(signed)])
            while not reading.take(await stream.receive(MAX_PAGE_BYTES, patience_s)):
                pass
        finally:
            with trio.CancelScope(shield=True):
                await stream.end()
    except StreamError as error:
        reading.fail(SILENT, error.message)
    except DecodeError as error:
        reading.fail(WRONG, f"the answer is none of this service: {error}")


def signer(key: Signer, chain_id: bytes) -> Callable[[bytes], bytes]:
    """What signs questions with a key."""
    return lambda data: key.sign(Kind.QUESTION, chain_id, data)

"""Streams between processes of two members, carried as frames on Channel.DATA.

A frame is CBOR [stream id, step, body]. Whoever opens a stream chooses its id. Each side may send
`WINDOW_BYTES` of data, and as much more as the other side's credits allow, so a reader that stops
reading holds back one stream and nothing else. END ends both directions at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)

ID_BYTES = 16
PIECE_BYTES = 128 << 10
"""The most data in one frame."""
WINDOW_BYTES = 3 * PIECE_BYTES
"""Data on its way on one stream; that of all of a peer's streams fits its outgoing queue."""
MAX_TEXT_BYTES = 200
MAX_FRAME_BYTES = PIECE_BYTES + 64


class Step(IntEnum):
    """What a frame does to its stream, with the body that it carries."""

    OPEN = 0  # text: the service that is wanted
    DATA = 1  # bytes, 1 to PIECE_BYTES
    CREDIT = 2  # so many more bytes of data may come
    END = 3  # text: why, in a word; empty when all is well
    SERVE = 4  # text: the service that a local process offers; never between peers


Body = bytes | int | str


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """One frame of one stream."""

    stream: bytes
    step: Step
    body: Body

    def encode(self) -> bytes:
        return encode([self.stream, int(self.step), self.body])

    @classmethod
    def decode(cls, data: bytes, *, is_local: bool = False) -> StreamFrame:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=MAX_FRAME_BYTES), "stream frame", 3)
        step = Step(expect_int(row[1], "step", 0, Step.SERVE if is_local else Step.END))
        return cls(expect_bytes(row[0], "stream", ID_BYTES), step, _body(step, row[2]))


def _body(step: Step, body: Value) -> Body:
    match step:
        case Step.DATA:
            data = expect_bytes(body, "data", max_length=PIECE_BYTES)
            if not data:
                raise DecodeError("data must not be empty")
            return data
        case Step.CREDIT:
            return expect_int(body, "credit", 1, WINDOW_BYTES)
        case _:
            return expect_text(body, "text", MAX_TEXT_BYTES, 0)

"""Look-ups: single answers by key under a grant, each proved and signed for by both.

A session is a delivery whose rows are calls. On a stream of the service `delivery` the recipient
sends ["lookup", delivery, header, server's signature, false], then for each call ["ask", key] and,
after the answer ["answer", header, signature, body], ["ack", number, signature]. The body is
[key, chunk]: the chunk holds the records with that key and their paths, none if there are none.
["close"] asks for the last header, over an empty body. Key and answer are on the stream only: the
recipient keeps headers, as a copy whose chunks are empty, and the server the last of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

import numpy as np
import trio

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_int, expect_list
from consensus.codec import expect_text as text_of
from consensus.crypto import Kind, Signer
from contracts.system.deliveries.header import Header, is_signed
from node.data.commitment import Field
from node.data.vault import Version
from node.exchange.copies import Copy, FetchError, Piece, WrongDataError
from node.exchange.coverage import Coverage
from node.exchange.linked import MAX_BODY_BYTES, Opened, pack, unpack
from node.exchange.source import Masker, masks_of, shape_of
from node.exchange.streams import DataSocket, Stream
from node.exchange.tree import RecordTree, root_of_proof

SERVICE = "delivery"
MAX_KEY_BYTES = 1_024
MAX_RECORDS = 16
"""Records of one answer; a key that many records share is no key."""
IDLE_S = 600.0


class KeyIndex:
    """Rows of a version by the value of one field. 16 bytes of memory for each row."""

    def __init__(self, version: Version, field: int) -> None:
        self.version, self.tree = version, RecordTree(version.hashes())
        self._field = field
        found = [(_digest(values[field]), row) for row, _, values in version.records()]
        pairs = np.array(found, dtype=np.uint64).reshape(-1, 2)
        self._pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]

    def find(self, key: str) -> list[Opened]:
        """Return the records with that key, at most MAX_RECORDS, by their place in the tree."""
        digest = np.uint64(_digest(key))
        low, high = np.searchsorted(self._pairs[:, 0], [digest, digest + np.uint64(1)])
        rows = (int(row) for row in self._pairs[low : min(high, low + MAX_RECORDS), 1])
        found = [opened for row in rows if (opened := self._open(row)) is not None]
        return sorted((o for o in found if o.values[self._field] == key), key=lambda o: o.place)

    def _open(self, row: int) -> Opened | None:
        found = self.version.opened(row)
        if found is None:
            return None
        (place,) = self.version.places(row, 1)
        return Opened(place, *found)


def _digest(value: Field) -> int:
    """63 bits, so that one more is a number too."""
    data = b"" if value is None else b"=" + value.encode()
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big") >> 1


class Answerer:
    """The server's side of one session; `close` it in the end."""

    def __init__(
        self,
        index: KeyIndex,
        grant: dict[str, Any],
        reserved: int,
        key: bytes,
        coverage: Coverage | None = None,
    ) -> None:
        columns = index.version.head.columns
        masks = masks_of(grant)
        self._index, self._reserved, self._coverage = index, reserved, coverage
        self._shape = shape_of(grant, len(columns))
        self._masker = Masker(masks, columns, key) if masks else None

    def close(self) -> None:
        if self._masker is not None:
            self._masker.stop()

    def answer(self, last: Header, key: str) -> tuple[Header, bytes]:
        """Return header and body of the next call's answer; a miss is a call too.

        What no subject authorises is not told from what is not there.
        """
        records = self._index.find(key)
        if self._coverage is not None:
            self._coverage.refresh()
            records = [record for record in records if self._coverage.covers(record.values)]
        masked: list[list[Field]] = [[] for _ in self._shape.masked]
        if records and self._masker is not None:
            masked = self._masker.apply(records)
        proof = self._index.tree.proof([record.place for record in records]) if records else []
        body = encode([key, pack(self._shape, records, masked, proof)])
        return last.next(body, 1, last.position + (not records), is_last=False), body

    def is_spent(self, last: Header) -> bool:
        return last.rows >= self._reserved


async def serve(server: Any, stream: Stream, delivery: dict[str, Any], answerer: Answerer,
                last: Header) -> None:  # fmt: skip
    """Answer calls until the recipient ends the stream or the session. `server` signs and checks.

    Raises StreamError, NotServedError, DecodeError.
    """
    key = bytes.fromhex(delivery["key"])
    while not last.is_last:
        match await stream.receive(MAX_KEY_BYTES + 64, IDLE_S):
            case ["ask", str(asked)] if not answerer.is_spent(last):
                await server.check(delivery["id"], stream.member)
                header, body = await trio.to_thread.run_sync(
                    answerer.answer, last, text_of(asked, "key", MAX_KEY_BYTES)
                )
            case ["close"]:
                header, body = last.next(b"", 0, last.position, is_last=True), b""
            case ["ask", str(_)]:
                await stream.send(["refused", "quota", "all calls of this session are used up"])
                return
            case _:
                raise DecodeError("no message of a look-up")
        data = header.encode()
        mine = server.sign(data)
        await stream.send(["answer", data, mine, body])
        row = expect_list(await stream.receive(256), "ack", 3)
        theirs = expect_bytes(row[2], "signature", 64)
        is_theirs = is_signed(data, key, server.chain_id, theirs)
        if expect_int(row[1], "number") != header.number or not is_theirs:
            raise DecodeError("an answer is not signed for")
        await trio.to_thread.run_sync(server.keep, delivery["id"], data, mine, theirs)
        last = header


class Caller:
    """Asks on one stream; each answer is verified, and its header kept, before it is signed for."""

    def __init__(self, stream: Stream, copy: Copy, chain_id: bytes) -> None:
        self._stream, self._copy, self._chain_id = stream, copy, chain_id
        self._order, self._last = copy.order, copy.last
        self._signer = Signer(copy.order.seed)

    async def begin(self) -> None:
        piece = self._copy.last_piece
        header, signature = (b"", b"") if piece is None else (piece.header, piece.server)
        await self._stream.send(["lookup", self._order.delivery, header, signature, False])

    async def ask(self, key: str) -> list[list[Field]]:
        """Return the records found: values in the order of the delivered fields.

        Raises FetchError, WrongDataError, StreamError.
        """
        await self._stream.send(["ask", key])
        header, signature, body = await self._receive()
        try:
            rows = self._check(key, header, body)
        except WrongDataError as error:
            self._copy.refuse(header.encode(), signature, body, error.message)
            raise
        await self._sign(header, signature)
        return rows

    async def close(self) -> None:
        """Get the last header of the session and sign it."""
        await self._stream.send(["close"])
        header, signature, body = await self._receive()
        if body or header != self._last.next(b"", 0, self._last.position, is_last=True):
            raise WrongDataError("the server's last header does not follow the one before")
        await self._sign(header, signature)

    async def _receive(self) -> tuple[Header, bytes, bytes]:
        server = self._order.server
        match await self._stream.receive(MAX_BODY_BYTES):
            case ["answer", bytes(header), bytes(signature), bytes(body)]:
                if not is_signed(header, self._order.server_key, self._chain_id, signature):
                    raise WrongDataError(f"{server} sent a header that it did not sign")
                return Header.decode(header), signature, body
            case ["refused", str(code), str(sentence)]:
                raise FetchError(f"{server} refused: {sentence[:300]}", code[:64])
            case _:
                raise WrongDataError(f"{server} sent what is no answer")

    async def _sign(self, header: Header, signature: bytes) -> None:
        data = header.encode()
        mine = self._signer.sign(Kind.DELIVERY, self._chain_id, data)
        self._copy.append(Piece(data, signature, mine, b""))
        self._last = header
        await self._stream.send(["ack", header.number, mine])

    def _check(self, key: str, header: Header, body: bytes) -> list[list[Field]]:
        order, last = self._order, self._last
        try:
            echoed, chunk = expect_list(decode(body, max_bytes=MAX_BODY_BYTES), "answer", 2)
            found = unpack(order.shape, expect_bytes(chunk, "chunk", max_length=MAX_BODY_BYTES))
            if found.rows:
                root = root_of_proof(found.records, order.rows, found.proof or [])
                order.require_registered(self._chain_id, root)
        except DecodeError as error:
            raise WrongDataError(f"{order.server} sent an answer without proof: {error}") from error
        wanted = last.next(body, 1, last.position + (not found.rows), is_last=False)
        if echoed != key or header != wanted:
            raise WrongDataError(f"{order.server} signed something else than its answer")
        rows = [list(row) for row in zip(*found.columns, strict=True)]
        return rows if found.rows else []


@asynccontextmanager
async def calling(socket: DataSocket, copy: Copy, chain_id: bytes) -> AsyncIterator[Caller]:
    """Go on with the session that `copy` keeps, on a stream of its own."""
    stream = await socket.open(copy.order.server, SERVICE)
    try:
        caller = Caller(stream, copy, chain_id)
        await caller.begin()
        yield caller
    finally:
        with trio.CancelScope(shield=True):
            await stream.end()

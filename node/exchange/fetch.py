"""The recipient's side of a delivery: open, verify each record, keep, sign for it, close.

Killed at any moment, the next run goes on: the nonce finds the delivery on chain, the last chunk
kept says where, and a delivery that is closed already is not closed again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import trio

from consensus.codec import DecodeError, encode, expect_text
from consensus.crypto import HASH_BYTES, Kind, Signer, sha256
from contracts.system.deliveries.header import Header, is_signed
from node.data import commitment
from node.data.chain import Chain
from node.data.vault import column_names
from node.errors import MunimentError
from node.exchange import copies
from node.exchange.copies import Copy, FetchError, Order, Piece, WrongDataError
from node.exchange.linked import MAX_BODY_BYTES, Received, unpack
from node.exchange.server import SERVICE
from node.exchange.source import is_whole, shape_of
from node.exchange.streams import DataSocket, Stream, StreamError
from node.exchange.tree import root_of_proof
from node.home import Home

NONCE_BYTES = 16
PATIENCE_S = 60.0
ENDED = ("grant-ended", "grant-expired", "destroyed")
"""Codes after which no more will come under a grant."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a delivery ended, as both have signed: rows here, records that were left out, digest.

    `by_subject` says that subjects decide which records go out.
    """

    grant: int
    delivery: int
    rows: int
    left_out: int
    by_subject: bool
    digest: str
    txid: str


class Fetcher:
    """Fetches under one member's grants. `chain` signs for it, `master` opens its vault."""

    def __init__(self, home: Home, chain: Chain, master: bytes) -> None:
        self._home, self._chain, self._master = home, chain, master

    @contextmanager
    def locked(self, grant: int) -> Iterator[None]:
        """Keep others from fetching under the same grant meanwhile. Raises FetchError."""
        self._home.copies.mkdir(mode=0o700, exist_ok=True)
        with (self._home.copies / f"{grant}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FetchError(f"another run fetches under grant {grant}", "busy") from None
            yield

    # On the chain

    @property
    def chain_id(self) -> bytes:
        return self._chain.chain_id

    def begin(
        self, grant: int, rows: int | None = None, kind: str = "table", server: str | None = None
    ) -> Copy:
        """Return the copy that is not complete, opened on chain; or open a new delivery.

        `server` is a delegate of the owner, None for the owner itself. In look-up a copy is a
        session: it keeps headers, and no answers.
        """
        unfinished = [
            copy for copy in copies.load(self._home.copies, grant, self._master)
            if not copy.order.closed and server in (None, copy.order.server)
        ]  # fmt: skip
        copy = unfinished[0] if unfinished else self._create(grant, rows, kind, server)
        if not copy.order.delivery:
            self._open(copy)
        return copy

    def _create(
        self, grant: int, rows: int | None, kind: str = "table", server: str | None = None
    ) -> Copy:
        order = self._order(grant, rows, kind, server)
        return Copy.create(self._home.copies, self._master, order)

    def _order(self, grant: int, rows: int | None, kind: str, server: str | None) -> Order:
        """Return what may be asked for under a grant of this kind. Raises FetchError."""
        found = self._chain.query("access", "grant", {"grant": grant})
        if found is None:
            raise FetchError(f"there is no grant {grant}; see: muniment request list", "not-found")
        if found["recipient"] != self._chain.member:
            raise FetchError(f"grant {grant} is {found['recipient']}'s", "not-found")
        if (found["kind"], found["mode"]) != (kind, "linked"):
            raise FetchError(
                f"grant {grant} is for {found['kind']} in {found['mode']} mode; "
                f"what was asked for is a {kind} in linked mode",
                "unsupported",
            )
        args = {"dataset": found["dataset"]}
        if found["version"] is not None:
            args["version"] = found["version"]
        registered = self._chain.query("catalogue", "get", args)
        standard = self._standard(found["standard"])
        left = found["rows"] - found["used"] - found["reserved"]
        columns = column_names(standard)
        shape = shape_of(found, len(columns))
        return Order(
            grant, found["dataset"], registered["version"], server or found["owner"],
            registered["rows"], min(rows or registered["rows"], left) or 1,
            os.urandom(NONCE_BYTES), os.urandom(32),
            bytes.fromhex(registered["commitment"]), sha256(encode(standard)), columns,
            shape.exact, shape.masked, by_subject=found["subjects"] is not None,
        )  # fmt: skip

    def _standard(self, named: list[Any]) -> dict[str, Any]:
        args = {"id": named[0], "version": named[1]}
        standard: dict[str, Any] = self._chain.query("standards", "get", args)["standard"]
        return standard

    def _open(self, copy: Copy) -> None:
        """Open the delivery, unless a run that was killed did; whoever asks twice gets it once."""
        order = copy.order
        asked = {"grant": order.grant, "nonce": order.nonce}
        number = self._chain.query("deliveries", "by_nonce", asked)
        if number is None:
            key = Signer(order.seed).public_key
            args = {"server": order.server, "version": order.version, "rows": order.reserved}
            try:
                self._chain.submit("deliveries", "open", {**asked, **args, "key": key})
            except MunimentError as error:
                # A run that was killed may have sent the same before.
                if self._chain.query("deliveries", "by_nonce", asked) is None:
                    if error.code == "failed":
                        copy.erase()
                    raise
            number = self._chain.query("deliveries", "by_nonce", asked)
        found = self._chain.query("deliveries", "get", {"delivery": number})
        copy.note(delivery=number, server_key=bytes.fromhex(found["server_key"]))

    def close(self, copy: Copy) -> Receipt:
        """Post the last header, unless the chain has it already."""
        order, piece = copy.order, copy.last_piece
        assert piece is not None
        state = self._chain.query("deliveries", "get", {"delivery": order.delivery})
        txid = order.closed
        if not txid and state["status"] in ("open", "lapsing"):
            args = {"delivery": order.delivery, "header": piece.header, "server": piece.server,
                    "recipient": piece.recipient}  # fmt: skip
            try:
                txid = self._chain.submit("deliveries", "close", args)["txid"]
            except MunimentError:
                state = self._chain.query("deliveries", "get", {"delivery": order.delivery})
                if state["status"] == "open":
                    raise
        if not order.closed:
            copy.note(closed=txid or state["status"])
        last = copy.last
        left_out = last.position - last.rows
        return Receipt(
            order.grant, order.delivery, last.rows, left_out, order.by_subject,
            last.digest.hex(), txid,
        )  # fmt: skip

    def lapse(self, copy: Copy) -> None:
        """Say how far it came, where no more will come; the copy counts as ended."""
        piece = copy.last_piece
        args: dict[str, Any] = {"delivery": copy.order.delivery, "header": b""}
        if piece is not None:
            args |= {"header": piece.header, "signature": piece.server}
        self._chain.submit("deliveries", "lapse", args)
        copy.note(closed="lapsed")

    # On the stream

    async def run(self, socket: DataSocket, copy: Copy, progress: Progress) -> None:
        """Receive until the copy is complete. Raises FetchError, StreamError."""
        if copy.is_complete:
            return
        taker = await trio.to_thread.run_sync(_Taker, copy, self._chain.chain_id)
        stream = await socket.open(copy.order.server, SERVICE)
        try:
            last = copy.last_piece
            header, signature = (b"", b"") if last is None else (last.header, last.server)
            has_tree = taker.has_tree
            await stream.send(["fetch", copy.order.delivery, header, signature, has_tree])
            await self._receive(stream, taker, progress)
        finally:
            with trio.CancelScope(shield=True):
                await stream.end()

    async def _receive(self, stream: Stream, taker: _Taker, progress: Progress) -> None:
        while not taker.last.is_last:
            match await stream.receive(MAX_BODY_BYTES + 1_024, PATIENCE_S):
                case ["tree", bytes(piece)]:
                    await trio.to_thread.run_sync(taker.take_tree, piece)
                case ["chunk", bytes(header), bytes(signature), bytes(body)]:
                    taken = await trio.to_thread.run_sync(taker.take, header, signature, body)
                    with suppress(StreamError):  # why it ended is still to be received
                        await stream.send(["ack", taken[0], taken[1]])
                    progress(taker.last.rows, taker.last.position)
                case ["refused", str(code), str(sentence)]:
                    expect_text(code, "code", 64)
                    raise FetchError(f"{stream.member} refused: {sentence[:300]}", code[:64])
                case _:
                    raise WrongDataError(f"{stream.member} sent what is no message of a delivery")


class _Taker:
    """Verifies chunks and keeps them; for one thread at a time."""

    def __init__(self, copy: Copy, chain_id: bytes) -> None:
        self._copy, self._chain_id = copy, chain_id
        order = self._order = copy.order
        self._shape, self._signer = order.shape, Signer(order.seed)
        self._hashes = copy.tree() or b""
        self._is_whole = is_whole(order.reserved, order.rows, order.by_subject)
        self._seen = bytearray(-(-order.rows // 8))
        for piece in copy.pieces():
            self._mark(unpack(self._shape, piece.body))
        self.last = copy.last

    @property
    def has_tree(self) -> bool:
        return len(self._hashes) == HASH_BYTES * self._order.rows

    def take_tree(self, piece: bytes) -> None:
        """Collect the record hashes; when all are there they must be those registered."""
        order = self._order
        if not self._is_whole or len(self._hashes) + len(piece) > HASH_BYTES * order.rows:
            raise WrongDataError(f"{order.server} sent too many record hashes")
        self._hashes += piece
        if not self.has_tree:
            return
        hashes = self._hashes
        found = (hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
        order.require_registered(self._chain_id, commitment.root(found))
        self._copy.keep_tree(hashes)

    def take(self, header: bytes, signature: bytes, body: bytes) -> tuple[int, bytes]:
        """Verify a chunk, keep it, then sign; returns its number and the signature."""
        server = self._order.server
        if not is_signed(header, self._order.server_key, self._chain_id, signature):
            raise WrongDataError(f"{server} sent a header that it did not sign")
        try:
            found, received = Header.decode(header), unpack(self._shape, body)
        except DecodeError as error:
            raise WrongDataError(f"{server} sent a chunk that cannot be read: {error}") from error
        self._check_header(found, received.rows, body)
        self._check_records(received)
        self._mark(received)
        mine = self._signer.sign(Kind.DELIVERY, self._chain_id, header)
        self._copy.append(Piece(header, signature, mine, body))
        self.last = found
        return found.number, mine

    def _check_header(self, found: Header, rows: int, body: bytes) -> None:
        order, last = self._order, self.last
        wanted = last.next(body, rows, found.position, is_last=found.is_last)
        fits = last.position + rows <= found.position <= order.rows
        ends = found.position == order.rows or found.rows == order.reserved
        if found != wanted or not fits or found.rows > order.reserved:
            raise WrongDataError(f"{order.server} signed a header that does not follow the last")
        if (found.is_last and not ends) or not (rows or found.is_last):
            raise WrongDataError(f"{order.server} ends the delivery before all rows are out")

    def _check_records(self, received: Received) -> None:
        """Each record must stand at its place in the registered tree, and be new."""
        records, order = received.records, self._order
        for place, record in records.items():
            if place >= order.rows or self._seen[place >> 3] >> (place & 7) & 1:
                raise WrongDataError(f"{order.server} sent a record twice, or one that is none")
            at = HASH_BYTES * place
            if self._is_whole and self._hashes[at : at + HASH_BYTES] != record:
                raise WrongDataError(
                    f"{order.server} sent a record that is not the registered one (place {place})"
                )
        if self._is_whole and not self.has_tree:
            raise WrongDataError(f"{order.server} sent records before their hashes")
        if not self._is_whole and records:
            try:
                root = root_of_proof(records, order.rows, received.proof or [])
            except DecodeError as error:
                raise WrongDataError(f"{order.server} sent no proof: {error}") from error
            order.require_registered(self._chain_id, root)

    def _mark(self, received: Received) -> None:
        for place in received.records:
            self._seen[place >> 3] |= 1 << (place & 7)

"""The recipient's side of a delivery: open, verify each record, keep, sign for it, close.

Killed at any moment, the next run goes on: the nonce finds the delivery on chain, the last chunk
kept says where, and a delivery that is closed already is not closed again.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import trio

from consensus.codec import encode, expect_text
from consensus.crypto import Signer, sha256
from contracts.system.deliveries.audits import nonce_of
from contracts.system.deliveries.store import LAPSING, OPEN
from node.data.chain import Chain
from node.data.sealing import derive
from node.data.vault import column_names
from node.errors import MunimentError
from node.exchange import copies
from node.exchange.copies import Copy, FetchError, Order, WrongDataError
from node.exchange.linked import MAX_BODY_BYTES
from node.exchange.server import SERVICE
from node.exchange.source import Masks, masks_of, shape_of
from node.exchange.streams import DataSocket, Stream, StreamError
from node.exchange.take import Taker
from node.home import Home

NONCE_BYTES = 16
PATIENCE_S = 60.0
PATIENCE_BLOCKS = 20
"""How many blocks may pass until the own node has what the server's has."""
ENDED = ("grant-ended", "grant-expired", "destroyed")
"""Codes after which no more will come under a grant."""
BUSY = "busy"
RETRY_S = 0.02
Progress = Callable[[int, int], None]


def _secret(seed: bytes) -> bytes:
    """Return what a delivery's nonce commits to; `seed` is that of the recipient's key for it."""
    return derive(seed, "audit")


def _left_out(copy: Copy) -> int:
    """How many records of those gone through did not come."""
    last, order = copy.last, copy.order
    if order.mode == "audited" and order.total < order.reserved:
        return order.rows - last.rows
    return last.position - last.rows


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
    mode: str
    digest: str
    txid: str


class Fetcher:
    """Fetches under one member's grants. `chain` signs for it, `master` opens its vault."""

    def __init__(self, home: Home, chain: Chain, master: bytes) -> None:
        self._home, self._chain, self._master = home, chain, master

    @contextmanager
    def locked(self, grant: int, patience_s: float = 0.0) -> Iterator[None]:
        """Keep others from fetching under the same grant meanwhile. Raises FetchError."""
        self._home.copies.mkdir(mode=0o700, exist_ok=True)
        until = time.monotonic() + patience_s
        with (self._home.copies / f"{grant}.lock").open("w") as lock:
            while not _is_locked(lock):
                if time.monotonic() >= until:
                    raise FetchError(f"another run fetches under grant {grant}", BUSY)
                time.sleep(RETRY_S)
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
            if self._goes_on(copy) and server in (None, copy.order.server)
        ]  # fmt: skip
        copy = unfinished[0] if unfinished else self._create(grant, rows, kind, server)
        if not copy.order.delivery:
            self._open(copy)
        return copy

    def _goes_on(self, copy: Copy) -> bool:
        """Whether a delivery is to be gone on with; one that the chain has ended is not."""
        order = copy.order
        if order.closed or not order.delivery or copy.is_complete:
            return not order.closed
        found = self._chain.query("deliveries", "get", {"delivery": order.delivery})
        if found["status"] not in (OPEN, LAPSING):
            copy.note(closed=found["status"])
        return not copy.order.closed

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
        if found["kind"] != kind:
            raise FetchError(
                f"grant {grant} is for a {found['kind']}, not for a {kind}", "unsupported"
            )
        if (kind, found["mode"]) == ("lookup", "audited"):
            raise FetchError("look-ups are not served in audited mode", "unsupported")
        args = {"dataset": found["dataset"]}
        if found["version"] is not None:
            args["version"] = found["version"]
        registered = self._chain.query("catalogue", "get", args)
        standard = self._standard(found["standard"])
        left = found["rows"] - found["used"] - found["reserved"]
        columns = column_names(standard)
        shape, seed = shape_of(found, len(columns)), os.urandom(32)
        is_audited = found["mode"] == "audited"
        nonce = nonce_of(_secret(seed)) if is_audited else os.urandom(NONCE_BYTES)
        return Order(
            grant, found["dataset"], registered["version"], server or found["owner"],
            registered["rows"], min(rows or registered["rows"], left) or 1, nonce, seed,
            bytes.fromhex(registered["commitment"]), sha256(encode(standard)), columns,
            shape.exact, shape.masked, by_subject=found["subjects"] is not None,
            mode=found["mode"],
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
        return Receipt(
            order.grant, order.delivery, last.rows, _left_out(copy), order.by_subject, order.mode,
            last.digest.hex(), txid,
        )  # fmt: skip

    def commit(self, copy: Copy, height: int) -> None:
        """Take the root over all rows from the chain, where it stands since `height`.

        The secret that the sample is drawn with is shown only once the block that draws is final:
        whoever proposes that block must not know it.
        """
        order = copy.order
        if order.root:
            return
        self._chain.digest_of(height, PATIENCE_BLOCKS)
        audit = self._audit(order.delivery)
        if audit is None or self._chain.digest_of(audit["height"], PATIENCE_BLOCKS) is None:
            raise WrongDataError(f"{order.server} has not put on the chain what it will deliver")
        if audit["secret"] is None:
            args = {"delivery": order.delivery, "secret": _secret(order.seed)}
            try:
                self._chain.submit("deliveries", "reveal", args)
            except MunimentError:
                # A run that was killed may have sent the same before.
                if self._audit(order.delivery)["secret"] is None:
                    raise
        copy.note(root=bytes.fromhex(audit["root"]), total=audit["rows"])

    def _audit(self, delivery: int) -> Any:
        return self._chain.query("deliveries", "get", {"delivery": delivery})["audit"]

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
        masks = await trio.to_thread.run_sync(self._masks, copy.order.grant)
        taker = await trio.to_thread.run_sync(Taker, copy, self._chain.chain_id, masks)
        stream = await socket.open(copy.order.server, SERVICE)
        try:
            last = copy.last_piece
            header, signature = (b"", b"") if last is None else (last.header, last.server)
            has_tree = taker.has_tree
            await stream.send(["fetch", copy.order.delivery, header, signature, has_tree])
            await self._receive(stream, copy, taker, progress)
        finally:
            taker.close()
            with trio.CancelScope(shield=True):
                await stream.end()

    def _masks(self, grant: int) -> Masks:
        """Return the masks whose results can be told from plain values; a mark may alter them."""
        found = self._chain.query("access", "grant", {"grant": grant})
        return () if found["watermark"] else masks_of(found)

    async def _receive(self, stream: Stream, copy: Copy, taker: Taker, progress: Progress) -> None:
        while not taker.last.is_last:
            match await stream.receive(MAX_BODY_BYTES + 1_024, PATIENCE_S):
                case ["tree", bytes(piece)]:
                    await trio.to_thread.run_sync(taker.take_tree, piece)
                case ["wait"]:
                    pass  # what will be delivered is being prepared
                case ["root", int(height)]:
                    await trio.to_thread.run_sync(self.commit, copy, height)
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

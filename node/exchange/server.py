"""Serves deliveries: checks before each chunk, signs its header, waits for who signs for it.

On a stream of the service `delivery` the recipient sends

    ["fetch", delivery, header, server's signature, has the tree]    header: the last it has, or b""
    ["ack", number, signature]                                       for each chunk

and the server

    ["tree", record hashes, a piece of them]...  or, in audited mode, ["wait"]... ["root", height]
    ["chunk", header, signature, body]...
    ["refused", code, sentence]

The server keeps nothing but the last signed header of each delivery, to close it with. Where to go
on the recipient says, by a header that the server itself has signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
import trio

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import SIGNATURE_BYTES, Kind, Signer
from contracts.system.deliveries.header import MAX_BYTES, Header, first, is_signed
from node.data import vault
from node.data.access import AccessLog
from node.data.chain import Chain
from node.data.custody import Custody
from node.data.keyring import Keyring
from node.errors import MunimentError, alone
from node.exchange import lookup
from node.exchange.auditing import Auditee
from node.exchange.authorise import OpenEnvelope
from node.exchange.commit import Committer
from node.exchange.coverage import Coverage
from node.exchange.delivered import Delivered
from node.exchange.prepared import AuditedSource
from node.exchange.source import Chunk, Source, grant_key
from node.exchange.streams import DataSocket, Stream, StreamError
from node.exchange.watch import NotServedError, Watch
from node.home import Home, atomic_write

SERVICE = "delivery"
MAX_REQUEST_BYTES = 1_024
MAX_SERVED = 16
"""Streams that are served at a time; others wait."""
MAX_INDICES = 8
ANCHOR_MS = 60_000
IN_FLIGHT = 4
"""Chunks sent that the recipient has not signed for."""
PATIENCE_S = 60.0
HOLD_ON_S = 10.0
"""How often a recipient is told that its delivery is being prepared."""
TREE_PIECE_BYTES = 1 << 20
Serve = Callable[[Stream], Awaitable[None]]

log = structlog.get_logger("exchange")


class Server:
    """Serves one member's data, and what it keeps as delegate of others.

    `signer` is the node key that the chain knows.

    `open_envelope` opens what registrars seal to this member.
    """

    def __init__(
        self,
        home: Home,
        chain: Chain,
        master: bytes,
        signer: Signer,
        watch: Watch,
        open_envelope: OpenEnvelope,
    ) -> None:
        self._home, self._chain, self._master = home, chain, master
        self._signer, self._watch, self._open_envelope = signer, watch, open_envelope
        self._keyring = Keyring(home.vault, master)
        self._log = AccessLog(home.vault, master)
        self.delivered = Delivered(home.delivered, master)
        self._limit = trio.CapacityLimiter(MAX_SERVED)
        self._indexing, self._preparing = trio.Lock(), trio.Lock()
        self._committer = Committer(home, chain, master, open_envelope)
        self._auditee = Auditee(home, chain, master, open_envelope)
        self._anchored: dict[int, int] = {}
        self._indices: dict[tuple[str, int, int], lookup.KeyIndex] = {}

    async def serve(self, stream: Stream) -> None:
        """Serve one stream to its end; whatever the recipient does, nothing is raised."""
        async with self._limit:
            await attend(stream, self._deliver)

    async def _deliver(self, stream: Stream) -> None:
        row = expect_list(await stream.receive(MAX_REQUEST_BYTES, PATIENCE_S), "request", 5)
        if row[0] not in ("fetch", "lookup", "audit") or type(row[4]) is not bool:
            raise DecodeError("no request of this service")
        number = expect_int(row[1], "delivery", 1)
        if row[0] == "audit":
            await self._auditee.answer(stream, number)
            await stream.end()
            return
        state = await self._watch.serving(number, stream.member)
        delivery, grant = state["delivery"], state["grant"]
        if delivery["server"] != self._chain.member:
            raise NotServedError("denied", f"delivery {number} is not served by this member")
        kind = "table" if row[0] == "fetch" else "lookup"
        if delivery["kind"] != kind:
            raise NotServedError("unsupported", f"this is no grant for a {kind}")
        if (kind, grant["mode"]) == ("lookup", "audited"):
            raise NotServedError("unsupported", "look-ups are not served in audited mode")
        after = self._resume(number, delivery, row[2], row[3])
        if kind == "lookup":
            await self._answer(stream, delivery, grant, after)
            return
        if grant["mode"] == "audited":
            source: Source | AuditedSource = await self._commit(stream, delivery, grant)
        else:
            source = await trio.to_thread.run_sync(self._open, delivery, grant)
        try:
            if source.is_whole and not row[4]:
                await _send_tree(stream, source)
            if not after.is_last:
                await _Conversation(self, stream, delivery).run(source, after)
            await stream.end()
        finally:
            source.close()

    async def _answer(
        self, stream: Stream, delivery: dict[str, Any], grant: dict[str, Any], after: Header
    ) -> None:
        """Serve a session of look-ups; the index of its key is made once and kept in memory."""
        async with self._indexing:
            index = await trio.to_thread.run_sync(self._index, delivery, grant)
        key = grant_key(self._master, self._chain.chain_id, grant["id"])
        coverage = await trio.to_thread.run_sync(self._coverage, grant)
        answerer = lookup.Answerer(index, grant, delivery["reserved"], key, coverage)
        try:
            await lookup.serve(self, stream, delivery, answerer, after)
            await stream.end()
        finally:
            answerer.close()

    def _index(self, delivery: dict[str, Any], grant: dict[str, Any]) -> lookup.KeyIndex:
        place = (delivery["dataset"], delivery["version"], grant["key"])
        version = self._version(delivery, grant)
        known = self._indices.get(place)
        if known is None or known.version.key_name != version.key_name:
            known = self._indices[place] = lookup.KeyIndex(version, grant["key"])
            while len(self._indices) > MAX_INDICES:
                del self._indices[next(iter(self._indices))]
        return known

    def _resume(
        self, number: int, delivery: dict[str, Any], header: Value, signed: Value
    ) -> Header:
        """Return after which header to go on; the recipient shows one that is signed here."""
        data = expect_bytes(header, "header", max_length=MAX_BYTES)
        if not data:
            return first(number)
        found = Header.decode(data)
        signature = expect_bytes(signed, "signature", SIGNATURE_BYTES)
        key = bytes.fromhex(delivery["server_key"])
        if found.delivery != number or not is_signed(data, key, self._chain.chain_id, signature):
            raise NotServedError("denied", "the header to go on from was not signed here")
        return found

    def _open(self, delivery: dict[str, Any], grant: dict[str, Any]) -> Source:
        version = self._version(delivery, grant)
        key = grant_key(self._master, self._chain.chain_id, grant["id"])
        return Source(version, grant, delivery["reserved"], key, self._coverage(grant))

    async def _commit(
        self, stream: Stream, delivery: dict[str, Any], grant: dict[str, Any]
    ) -> AuditedSource:
        """Prepare and commit to what goes out, one delivery at a time; others are told to wait."""

        async def hold_on() -> None:
            with suppress(StreamError):  # it is prepared all the same
                while True:
                    await trio.sleep(HOLD_ON_S)
                    await stream.send(["wait"])

        def commit() -> tuple[AuditedSource, int]:
            version, coverage = self._version(delivery, grant), self._coverage(grant)
            found = self._chain.query("deliveries", "get", {"delivery": delivery["id"]})
            prepared, height = self._committer.commit(
                found, grant, version, coverage, self._watch.now_ms
            )
            return AuditedSource(prepared, version, len(grant["fields"]), coverage), height

        with alone(MunimentError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hold_on)
                async with self._preparing:
                    source, height = await trio.to_thread.run_sync(commit)
                nursery.cancel_scope.cancel()
        await stream.send(["root", height])
        return source

    def _coverage(self, grant: dict[str, Any]) -> Coverage | None:
        if grant["subjects"] is None:
            return None
        return Coverage(self._chain, self._open_envelope, grant, lambda: self._watch.now_ms)

    def _version(self, delivery: dict[str, Any], grant: dict[str, Any]) -> vault.Version:
        """Open what is to be delivered; the read is in the access log first."""
        dataset, number = delivery["dataset"], delivery["version"]
        if delivery["owner"] != self._chain.member:
            # What its owner has destroyed since it was handed over goes before it is delivered.
            Custody(self._home, self._chain, self._master).carry_out(dataset, number)
        version = vault.Version(vault.folder_of(self._home.vault, dataset, number), self._keyring)
        if bytes.fromhex(delivery["server_key"]) != self._signer.public_key:
            raise NotServedError("denied", "the node key has changed; open another delivery")
        purpose = f"delivery {delivery['id']} to {delivery['recipient']}: {grant['purpose']}"
        rows = (1, version.head.rows)
        self._log.note("node", dataset, number, rows, purpose, delivery["id"])
        return version

    def sign(self, header: bytes) -> bytes:
        return self._signer.sign(Kind.DELIVERY, self._chain.chain_id, header)

    async def check(self, delivery: int, member: str) -> None:
        await self._watch.serving(delivery, member)

    def keep(self, delivery: int, header: bytes, mine: bytes, theirs: bytes) -> None:
        """Keep the last header that a recipient has signed, to end the delivery with."""
        self._home.served.mkdir(mode=0o700, exist_ok=True)
        atomic_write(self._home.served / str(delivery), encode([header, mine, theirs]), 0o600)

    @property
    def chain_id(self) -> bytes:
        return self._chain.chain_id

    # Chores

    def finish(self, wait_ms: int) -> list[int]:
        """End deliveries on chain that their recipients do not; returns their numbers.

        Each has had `wait_ms` to do so after it signed. Errors are for the next time. What was
        prepared for others that are over goes.
        """
        ended = []
        dispute_ms = self._chain.query("deliveries", "limits", {})["dispute_ms"]
        self._committer.erase_audited(dispute_ms, self._watch.now_ms)
        for number in self._chain.query("deliveries", "running", {"member": self._chain.member}):
            delivery = self._chain.query("deliveries", "get", {"delivery": number})
            kept = self._home.served / str(number)
            if delivery["server"] != self._chain.member or not kept.exists():
                continue
            age_ms = self._watch.now_ms - kept.stat().st_mtime_ns // 1_000_000
            header, mine, theirs = kept_header(kept)
            if delivery["kind"] == "lookup" and delivery["status"] == "open":
                self._anchor(delivery, Header.decode(header))
            if Header.decode(header).is_last and age_ms >= wait_ms:
                args = {"delivery": number, "header": header, "server": mine, "recipient": theirs}
                self._chain.submit("deliveries", "close", args)
            elif delivery["status"] == "lapsing" and delivery["header"] != header.hex():
                args = {"delivery": number, "header": header, "signature": theirs}
                self._chain.submit("deliveries", "lapse", args)
            else:
                continue
            ended.append(number)
        return ended

    def _anchor(self, delivery: dict[str, Any], header: Header) -> None:
        """Anchor the log of calls, which the running digest is the head of, at most each minute."""
        number, now_ms = delivery["id"], self._watch.now_ms
        known = delivery["calls"]
        is_new = header.rows > (known[0] if known else 0)
        if not is_new or now_ms - self._anchored.get(number, 0) < ANCHOR_MS:
            return
        args = {"delivery": number, "count": header.rows, "misses": header.position,
                "root": header.digest}  # fmt: skip
        self._chain.submit("deliveries", "calls", args)
        self._anchored[number] = now_ms
        found = self._chain.query("deliveries", "get", {"delivery": number})
        if found["calls"][3]:
            about = {"delivery": number, "member": delivery["recipient"]}
            log.warning("look-ups look like enumeration", misses=header.position, **about)


def kept_header(path: Path) -> tuple[bytes, bytes, bytes]:
    """Return header, server's and recipient's signature of a served delivery."""
    row = expect_list(decode(path.read_bytes()), "kept header", 3)
    header, mine, theirs = (expect_bytes(part, "part", max_length=MAX_BYTES) for part in row)
    return header, mine, theirs


async def _send_tree(stream: Stream, source: Source | AuditedSource) -> None:
    for at in range(0, len(source.hashes), TREE_PIECE_BYTES):
        await stream.send(["tree", source.hashes[at : at + TREE_PIECE_BYTES]])


class _Conversation:
    """Chunks out, signatures in, at most IN_FLIGHT apart."""

    def __init__(self, server: Server, stream: Stream, delivery: dict[str, Any]) -> None:
        self._server, self._stream = server, stream
        self._number: int = delivery["id"]
        self._key = bytes.fromhex(delivery["key"])
        self._sent: dict[int, tuple[bytes, bytes]] = {}
        self._free = trio.Semaphore(IN_FLIGHT)
        self._last: int | None = None

    async def run(self, source: Source | AuditedSource, after: Header) -> None:
        """Raises MunimentError or DecodeError, the first of either side."""
        with alone(MunimentError, DecodeError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                chunks = source.chunks(after)
                while (chunk := await trio.to_thread.run_sync(next, chunks, None)) is not None:
                    await self._free.acquire()
                    await self._server.check(self._number, self._stream.member)
                    if await trio.to_thread.run_sync(source.refresh):
                        chunks = source.chunks(after)
                        self._free.release()
                        continue
                    if source.by_subject:
                        note = self._server.delivered.note
                        await trio.to_thread.run_sync(note, chunk.header, chunk.places)
                    await self._send(chunk)
                    after = chunk.header

    async def _send(self, chunk: Chunk) -> None:
        header = chunk.header.encode()
        signature = self._server.sign(header)
        self._sent[chunk.header.number] = header, signature
        if chunk.header.is_last:
            self._last = chunk.header.number
        await self._stream.send(["chunk", header, signature, chunk.body])

    async def _read(self) -> None:
        """Take signatures in order until that of the last chunk."""
        number = None
        while number is None or number != self._last:
            row = expect_list(await self._stream.receive(MAX_REQUEST_BYTES, PATIENCE_S), "ack", 3)
            number = expect_int(row[1], "number")
            theirs = expect_bytes(row[2], "signature", SIGNATURE_BYTES)
            if row[0] != "ack" or number != min(self._sent, default=None):
                raise DecodeError("a chunk is signed for out of turn")
            header, mine = self._sent.pop(number)
            if not is_signed(header, self._key, self._server.chain_id, theirs):
                raise NotServedError("signature", "the signature on the header is wrong")
            await trio.to_thread.run_sync(self._server.keep, self._number, header, mine, theirs)
            self._free.release()


async def attend(stream: Stream, work: Serve) -> None:
    """Do the work on one stream; whatever the other side does, nothing is raised."""
    try:
        await work(stream)
    except StreamError as error:
        log.info("stream ended", member=stream.member, why=error.code)
    except DecodeError:
        await _refuse(stream, "nonsense", "the message is none of this service")
    except MunimentError as error:
        log.warning("not served", member=stream.member, why=error.message)
        is_known = isinstance(error, NotServedError)
        sentence = error.message if is_known else "the server cannot read the version now"
        await _refuse(stream, error.code, sentence)


async def _refuse(stream: Stream, code: str, sentence: str) -> None:
    with suppress(StreamError):  # the other side may have gone
        await stream.send(["refused", code, sentence])
        await stream.end(code)


async def run(
    socket: DataSocket,
    server: Server,
    told: Callable[[], None],
    more: Mapping[str, Serve] = MappingProxyType({}),
) -> None:
    """Serve until cancelled, `more` services too; `told` is called once it has begun.

    Raises StreamError if another process serves already, and when the node goes.
    """
    services = {SERVICE: server.serve, **more}
    for service in services:
        await socket.serve(service)
    told()
    async with trio.open_nursery() as nursery:
        async for stream in socket.incoming:
            nursery.start_soon(services[stream.service], stream)
    raise StreamError("our own node", "gone")

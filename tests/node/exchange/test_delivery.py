"""Deliveries between two members: real transports and sockets, the real contracts, real vaults."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from consensus.codec import decode, encode
from consensus.crypto import Kind, Signer, sha256
from contracts.codes import Code
from contracts.engine import check_admission, query
from contracts.envelope import Call
from contracts.system.access.store import _PLAN_PARTS
from contracts.system.deliveries.header import Header
from contracts.system.deliveries.limits import DAY_MS, DEFAULT
from node.cli.common import Failed
from node.data import masks, vault
from node.data.chain import Chain as Asked
from node.data.keyring import Keyring
from node.envelopes.content import Content
from node.envelopes.sealed import EnvelopeError
from node.exchange import copies, lookup
from node.exchange import server as servers
from node.exchange.fetch import Fetcher, FetchError, WrongDataError
from node.exchange.server import Server
from node.exchange.source import Source, grant_key
from node.exchange.streams import StreamError, connect
from node.exchange.take import Taker
from node.exchange.watch import Watch
from node.home import Home
from node.network import bytes_from_text, to_json

from ...contracts.conftest import NOW, Chain

ROWS = 2_500
NAMES = ("number", "name", "phone", "city")


def value(row: int) -> list[str | None]:
    return [f"{row:06}", f"Name {row}", f"139{row:08}", None if row % 7 else "Wuhan"]


class World:
    """Land has a dataset of ROWS rows; tax a grant on three fields of it, one of them masked."""

    others: tuple[str, ...] = ()

    def __init__(
        self,
        folder: Path,
        rows: int = ROWS,
        quota: int = 3 * ROWS,
        *,
        masks: bool = False,
        **request: Any,
    ) -> None:
        self.chain = chain = Chain(self.others)
        self.envelopes: dict[bytes, Content] = {}
        self.quota = quota
        self.homes = {name: Home(folder / name) for name in ("land", "tax")}
        for home in self.homes.values():
            home.vault.mkdir(parents=True)
        self.master = os.urandom(32)
        field = {"type": "text", "unit": None, "codes": None, "level": 2, "class": "general",
                 "mask": None}  # fmt: skip
        fields = [{**field, "name": name} for name in NAMES]
        digest = chain.publish(fields=fields, schema={"type": "object"})
        standard = chain.ask("standards", "get", id="land/parcels")["standard"]
        self.head = vault.write(
            vault.folder_of(self.homes["land"].vault, "land/parcels-2025", 1), chain.chain_id,
            "land/parcels-2025", 1, standard, map(value, range(rows)),
            Keyring(self.homes["land"].vault, self.master),
        )  # fmt: skip
        args = {"rows": rows, "commitment": self.head.commitment, "class": "general"}
        assert (
            chain.run("land", "catalogue", "register", chain.registration(digest, **args)).code == 0
        )
        self.request(**request)
        if masks:
            self.mask_phones()

    def request(self, **changes: Any) -> None:
        request = {
            "dataset": "land/parcels-2025", "version": 1, "fields": [0, 2, 3], "filter": [],
            "envelope": None, "purpose": "public-service", "basis": "public-task", "kind": "table",
            "key": None, "mode": "linked", "from": NOW, "until": NOW + 20 * DAY_MS,
            "rows": self.quota, "retention_days": 1, "onward": False, "hours": None,
        } | changes  # fmt: skip
        receipt = self.chain.run("tax", "access", "request", request)
        assert receipt.code == 0, receipt

    def mask_phones(self) -> None:
        # A mask that a reviewer asks for stands in the grant like this one.
        key = b"access/grant/" + (1).to_bytes(8, "big")
        plan: Any = decode(self.chain.state.values[key])
        plan[_PLAN_PARTS.index("fields")][1][1] = ["keep-last", 1, {}]
        self.chain.state.values[key] = encode(plan)

    def asked(self, member: str) -> Asked:
        def ask(contract: str, method: str, args: dict[str, Any]) -> Any:
            return to_json(query(self.chain.state, 1, contract, method, bytes_from_text(args)))

        def submit(contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
            receipt = self.chain.run(member, contract, method, args)
            if receipt.code:
                raise Failed(f"{contract}.{method}: {receipt.code!r} {receipt.details}")
            return {"txid": receipt.txid.hex(), "height": self.chain.height}

        def digest_of(height: int, blocks: int) -> bytes | None:
            while height >= self.chain.height:
                self.chain.execute()
            return sha256(b"block %d" % height)

        return Asked(self.chain.chain_id, member, ask, submit, digest_of)

    def watch(self) -> Watch:
        found = Watch(self.asked("land").query, self.now)
        found.heard(self.now())
        return found

    def now(self) -> int:
        return NOW + self.chain.height + self.chain.late_ms

    def server(self, kind: type[Server] = Server) -> Server:
        node = self.chain.keys["land"]["node"]
        self.watching = self.watch()
        return kind(
            self.homes["land"], self.asked("land"), self.master, node, self.watching, self.unseal
        )

    def unseal(self, envelope: bytes) -> Content:
        if envelope not in self.envelopes:
            raise EnvelopeError("is not here (yet)")
        return self.envelopes[envelope]

    def fetcher(self) -> Fetcher:
        return Fetcher(self.homes["tax"], self.asked("tax"), bytes(32))

    @property
    def usage(self) -> tuple[int, int]:
        grant = self.chain.ask("access", "grant", grant=1)
        return grant["used"], grant["reserved"]


@asynccontextmanager
async def served(posts: Any, world: World, server: Server) -> AsyncIterator[Any]:
    """Land serves; yields tax's connection."""
    tax, land = await posts.start("tax", "land")
    async with (
        connect(land.socket) as offering,
        connect(tax.socket) as socket,
        trio.open_nursery() as nursery,
    ):
        begun = trio.Event()
        nursery.start_soon(servers.run, offering, server, begun.set)
        await begun.wait()
        yield socket
        nursery.cancel_scope.cancel()


def silent(rows: int, position: int) -> None:
    """Nobody watches."""


class CutError(Exception):
    """Stands for the end of the recipient's process."""


async def test_rows_arrive_verified_masked_and_once(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, masks=True)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)
        assert world.usage == (0, ROWS)
        await fetcher.run(socket, copy, silent)
    receipt = fetcher.close(copy)
    assert (receipt.rows, receipt.left_out) == (ROWS, 0)
    assert world.usage == (ROWS, 0)
    rows = list(copies.load(world.homes["tax"].copies, 1, bytes(32))[0].rows())
    want = [value(row) for row in range(ROWS)]
    assert [(r[0], r[2]) for r in rows] == [(w[0], w[3]) for w in want]
    assert all(
        r[1].startswith("*") and r[1][-4:] == w[2][-4:] for r, w in zip(rows, want, strict=True)
    )
    stored = b"".join(p.read_bytes() for p in world.homes["tax"].copies.rglob("*") if p.is_file())
    assert b"Wuhan" not in stored  # sealed
    assert world.chain.ask("deliveries", "get", delivery=1)["status"] == "closed"
    fetcher.close(copy)  # once
    assert world.usage == (ROWS, 0)


async def test_a_fetch_that_is_cut_goes_on_where_it_was(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    async with served(posts, world, world.server()) as socket:
        for wanted in (1_024, 2_048):

            def cut(rows: int, position: int, wanted: int = wanted) -> None:
                if rows >= wanted:
                    raise CutError

            fetcher = world.fetcher()
            copy = fetcher.begin(1)
            with pytest.raises(CutError):
                await fetcher.run(socket, copy, cut)
            assert copies.load(world.homes["tax"].copies, 1, bytes(32))[0].last.rows == wanted
        fetcher = world.fetcher()
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    assert fetcher.close(copy).rows == ROWS
    assert [r[0] for r in copy.rows()] == [f"{n:06}" for n in range(ROWS)]
    assert world.usage == (ROWS, 0)


async def test_a_chunk_kept_and_not_signed_for_in_time_is_not_asked_for_again(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)
        stream = await socket.open("land", "delivery")
        await stream.send(["fetch", 1, b"", b"", False])
        taker = Taker(copy, world.chain.chain_id)
        match await stream.receive():
            case ["tree", piece]:
                taker.take_tree(piece)
        _, header, signature, body = await stream.receive()
        taker.take(header, signature, body)  # and the process ends
        await stream.end()
        await fetcher.run(socket, fetcher.begin(1), silent)
    copy = fetcher.begin(1)
    assert fetcher.close(copy).rows == ROWS
    assert [r[0] for r in copy.rows()] == [f"{n:06}" for n in range(ROWS)]


async def test_few_rows_come_with_paths_of_their_own(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1, 10)
        await fetcher.run(socket, copy, silent)
    receipt = fetcher.close(copy)
    assert (receipt.rows, copy.tree()) == (10, None)
    assert world.usage == (10, 0)


async def test_parallel_deliveries_share_the_quota_exactly(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=300, quota=700)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        found = [fetcher._create(1, None) for _ in range(3)]
        for copy in found[:2]:
            fetcher._open(copy)
        with pytest.raises(Failed, match="165"):
            fetcher._open(found[2])
        async with trio.open_nursery() as nursery:
            for copy in found[:2]:
                nursery.start_soon(fetcher.run, socket, copy, silent)
    assert [fetcher.close(copy).rows for copy in found[:2]] == [300, 300]
    assert world.usage == (600, 0)


async def test_erased_records_are_left_out_and_counted(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=1_500)
    keyring = Keyring(world.homes["land"].vault, world.master)
    folder = vault.folder_of(world.homes["land"].vault, "land/parcels-2025", 1)
    vault.Version(folder, keyring).erase([1, 1_024, *range(1_100, 1_501)], keyring)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    receipt = fetcher.close(copy)
    assert (receipt.rows, receipt.left_out) == (1_500 - 403, 403)
    assert world.usage == (1_500 - 403, 0)


async def test_revoked_half_way_nothing_more_leaves(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=6 * 1_024)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)

        def revoke(rows: int, position: int) -> None:
            if rows == 1_024:
                args = {"grant": 1, "reason": "misuse"}
                assert world.chain.run("land", "access", "revoke", args).code == 0

        with pytest.raises(FetchError) as error:
            await fetcher.run(socket, copy, revoke)
        assert error.value.code == "grant-ended"
        assert copy.last.rows < 6 * 1_024
        fetcher.lapse(copy)
        with pytest.raises(FetchError):
            await fetcher.run(socket, copy, silent)
    world.chain.late_ms += DEFAULT["lapse_ms"]
    world.chain.execute()
    assert world.usage == (copy.last.rows, 0)


async def test_a_server_that_is_cut_off_from_the_chain_stops(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path)
    server = world.server()
    fetcher = world.fetcher()
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1)
        world.chain.late_ms += DEFAULT["max_state_age_ms"] + 10
        with pytest.raises(FetchError) as error:
            await fetcher.run(socket, copy, silent)
        assert error.value.code == "stale"
        world.watching.heard(world.now())
        await fetcher.run(socket, copy, silent)


def test_neither_a_slow_clock_nor_a_fresh_start_makes_an_old_block_young() -> None:
    clocks = {"wall": NOW, "monotonic": 0}

    def ask(contract: str, method: str, args: dict[str, Any]) -> Any:
        raise AssertionError

    watch = Watch(ask, lambda: clocks["wall"], lambda: clocks["monotonic"])
    watch.heard(NOW - 60_000)
    assert watch.age_ms == 60_000  # just started, and the last block is old
    clocks["wall"] = NOW - 120_000  # the clock is set back
    clocks["monotonic"] = 45_000
    assert watch.age_ms == 45_000
    watch.heard(NOW - 60_000)  # the same block again is no news
    assert watch.age_ms == 45_000


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (["fetch", 1, b"", b"", False], None),
        (["fetch", 2, b"", b"", False], "denied"),
        (["fetch", 1, b"\x80", bytes(64), False], "nonsense"),
        (
            ["fetch", 1, Header(1, 9, 900, 900, bytes(32), False).encode(), bytes(64), True],
            "denied",
        ),
        (["steal", 1, b"", b"", False], "nonsense"),
        ("fetch", "nonsense"),
    ],
)
async def test_hostile_requests_are_refused(
    posts: Any, tmp_path: Path, request_: Any, code: str | None
) -> None:
    world = World(tmp_path, rows=20)
    world.fetcher().begin(1)
    async with served(posts, world, world.server()) as socket:
        stream = await socket.open("land", "delivery")
        await stream.send(request_)
        answer = await stream.receive()
        assert answer[0] == ("tree" if code is None else "refused")
        if code is not None:
            assert answer[1] == code


async def test_a_node_key_that_was_replaced_serves_and_signs_no_more(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, rows=20)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)
        old = world.chain.keys["land"]["node"]
        key = b"members/member/land"
        record: Any = decode(world.chain.state.values[key])
        fresh = Signer(b"n" * 32)
        world.chain.state.values[key] = encode({**record, "node_key": fresh.public_key})
        again = fetcher._create(1, None)
        fetcher._open(again)
        with pytest.raises(FetchError, match="node key has changed"):
            await fetcher.run(socket, again, silent)
    call = Call("deliveries", "lapse", {"delivery": copy.order.delivery, "header": b""})
    for signer, code in ((old, Code.WRONG_KEY), (fresh, None)):
        signed = world.chain.sign("land/node", call, signer=signer)
        found = check_admission(
            world.chain.state, signed, world.chain.height, world.chain.parameters
        )
        assert (None if found is None else found.code) == code


async def test_who_does_not_sign_gets_no_more(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=12 * 1_024, quota=12 * 1_024)
    fetcher = world.fetcher()
    copy = fetcher.begin(1)
    async with served(posts, world, world.server()) as socket:
        stream = await socket.open("land", "delivery")
        await stream.send(["fetch", 1, b"", b"", False])
        kinds = [(await stream.receive())[0] for _ in range(1 + servers.IN_FLIGHT)]
        assert kinds == ["tree"] + ["chunk"] * servers.IN_FLIGHT
        other = Signer(bytes(32)).sign(Kind.DELIVERY, world.chain.chain_id, b"")
        await stream.send(["ack", 1, other])
        assert (await stream.receive())[:2] == ["refused", "signature"]
        with pytest.raises(StreamError):
            await stream.receive()
    assert copy.order.reserved == 12 * 1_024


class Liar(Server):
    """Opens sources that were altered."""

    alter: Any = None

    def _open(self, delivery: dict[str, Any], grant: dict[str, Any]) -> Source:
        source = super()._open(delivery, grant)
        type(self).alter(source)
        return source


def other_value(source: Source) -> None:
    """Another exact value in one record."""
    plain = source._runs

    def runs(position: int, room: int) -> Any:
        for records, after in plain(position, room):
            first = records[0]
            records[0] = replace(first, values=["999999", *first.values[1:]])
            yield records, after

    source._runs = runs  # type: ignore[method-assign]


def twice(source: Source) -> None:
    """One record in place of all."""
    plain = source._runs

    def runs(position: int, room: int) -> Any:
        records, end = next(plain(position, room))
        for after in range(1, end + 1):
            yield [records[0]], after

    source._runs = runs  # type: ignore[method-assign]


def too_few(source: Source) -> None:
    """The last chunk before all rows are out."""
    plain = source._runs
    source._runs = (
        lambda p, r: (  # type: ignore[method-assign]
            (records[:5], 5) for records, _ in plain(p, r)
        )
    )


def other_tree(source: Source) -> None:
    """Record hashes that are not those registered."""
    source.hashes = bytes(len(source.hashes))


@pytest.mark.parametrize(
    ("alter", "sentence"),
    [
        (other_value, "not the registered one"),
        (twice, "twice"),
        (too_few, "before all rows are out"),
        (other_tree, "not those registered"),
    ],
)
async def test_an_owner_that_sends_something_else_is_caught(
    posts: Any, tmp_path: Path, alter: Any, sentence: str
) -> None:
    world = World(tmp_path, rows=20)
    Liar.alter = staticmethod(alter)
    fetcher = world.fetcher()
    async with served(posts, world, world.server(Liar)) as socket:
        copy = fetcher.begin(1)
        with pytest.raises(WrongDataError, match=sentence):
            await fetcher.run(socket, copy, silent)
    assert not copy.is_complete


async def test_a_server_closes_what_its_recipient_does_not(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=20)
    fetcher, server = world.fetcher(), world.server()
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
        with trio.fail_after(5):
            while not list(world.homes["land"].served.glob("1")):
                await trio.sleep(0.01)
    assert server.finish(1 << 60) == []
    assert server.finish(-(1 << 60)) == [1]
    assert world.usage == (20, 0)
    assert fetcher.close(copy).rows == 20
    assert world.usage == (20, 0)
    assert server.finish(-(1 << 60)) == []


def test_the_key_of_masks_is_the_one_of_the_kernels() -> None:
    assert grant_key(b"m" * 32, b"c" * 32, 7) == masks.grant_key(b"m" * 32, b"c" * 32, 7)


async def test_single_answers_by_key_are_proved_counted_and_anchored(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, masks=True, kind="lookup", key=0, quota=50)
    fetcher, server = world.fetcher(), world.server()
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1, 30, "lookup")
        assert world.usage == (0, 30)
        async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
            [found] = await caller.ask("000007")
            assert (found[0], found[2]) == ("000007", "Wuhan")
            assert found[1] != value(7)[2]
            assert await caller.ask("nobody") == []
        copy = fetcher.begin(1, 30, "lookup")  # another process goes on with the session
        async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
            assert (await caller.ask(f"{ROWS - 1:06}"))[0][0] == f"{ROWS - 1:06}"
            await caller.close()
    fetcher.close(copy)
    assert world.usage == (3, 0)
    assert (copy.last.rows, copy.last.position) == (3, 1)
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"nobody" not in kept  # keys are nowhere but on the stream


async def test_enumeration_is_anchored_and_told_and_calls_end_with_the_session(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, rows=20, kind="lookup", key=0, quota=50)
    fetcher, server = world.fetcher(), world.server()
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1, 25, "lookup")
        async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
            for number in range(25):
                await caller.ask(f"guess {number}")
            with pytest.raises(FetchError) as error:
                await caller.ask("one more")
            assert error.value.code == "quota"
    server.finish(0)
    found = world.chain.ask("deliveries", "get", delivery=1)
    assert found["calls"][:2] == [25, 25]
    assert found["calls"][3] is True


async def test_a_false_answer_is_caught(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=20, kind="lookup", key=0, quota=50)
    fetcher, server = world.fetcher(), world.server()

    def other(index: lookup.KeyIndex) -> None:
        plain = index.find
        index.find = lambda key: [  # type: ignore[method-assign]
            replace(found, values=["000003", "x", "y", "z"]) for found in plain(key)
        ]

    plain = server._index
    server._index = lambda d, g: (other(found := plain(d, g)), found)[1]  # type: ignore
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1, 5, "lookup")
        async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
            with pytest.raises(WrongDataError, match="not those registered"):
                await caller.ask("000003")

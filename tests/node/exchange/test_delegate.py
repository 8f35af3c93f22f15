"""A delegate delivers in the owner's name: verified like the owner's, out of the same quota."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from contracts.system.deliveries.limits import DAY_MS
from node.cli.common import Failed
from node.data import vault
from node.data.keyring import Keyring
from node.exchange import lookup
from node.exchange import server as servers
from node.exchange.fetch import FetchError, WrongDataError
from node.exchange.server import Server
from node.exchange.streams import connect
from node.exchange.watch import Watch
from node.home import Home

from ...contracts.conftest import NOW
from ...contracts.system.test_subjects import change
from .test_delivery import CutError, World, silent, value

DATASET = "land/parcels-2025"
ROWS = 2_500


class Keeping(World):
    """Court keeps land's dataset as delegate, and has its version's key."""

    others = ("court", "civil")

    def __init__(self, folder: Path, **request: Any) -> None:
        super().__init__(folder, **request)
        self.homes["court"] = Home(folder / "court")
        self.court_master = os.urandom(32)
        for name in ("land", "court"):
            change(self.chain, name, jurisdiction="cn-31", storage="cn-31")
        change(self.chain, "civil", roles=["supervisor", "validator"])
        self.run("land", "custody", "offer", dataset=DATASET, custodian="court", mode="delegate",
                 until=NOW + 30 * DAY_MS)  # fmt: skip
        self.run("court", "custody", "accept", agreement=1)
        envelope = b"e" * 32
        self.run("land", "envelopes", "anchor", id=envelope, commitment=envelope,
                 parties=["civil", "court", "land"])  # fmt: skip
        self.run("land", "custody", "place", agreement=1, version=1, chunks=9, root=b"r" * 32,
                 envelope=envelope)  # fmt: skip

    def run(self, sender: str, contract: str, method: str, **args: Any) -> None:
        receipt = self.chain.run(sender, contract, method, args)
        assert receipt.code == 0, receipt

    def hand_over(self) -> None:
        """What `custody take` does once everything is verified."""
        source = vault.folder_of(self.homes["land"].vault, DATASET, 1)
        shutil.copytree(source, vault.folder_of(self.homes["court"].vault, DATASET, 1))
        keys = Keyring(self.homes["land"].vault, self.master).all()
        Keyring(self.homes["court"].vault, self.court_master).put(keys)
        self.run("court", "custody", "hold", agreement=1, version=1, root=b"r" * 32)

    def delegate(self) -> Server:
        node = self.chain.keys["court"]["node"]
        watch = Watch(self.asked("court").query, self.now)
        watch.heard(self.now())
        return Server(
            self.homes["court"], self.asked("court"), self.court_master, node, watch, self.unseal
        )


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    world = Keeping(tmp_path)
    world.hand_over()
    return world


@asynccontextmanager
async def served(posts: Any, *pairs: tuple[str, Server]) -> AsyncIterator[Any]:
    """Each of these serves; yields tax's connection."""
    tax, *others = await posts.start("tax", *(name for name, _ in pairs))
    async with connect(tax.socket) as socket, trio.open_nursery() as nursery:
        for post, (_, server) in zip(others, pairs, strict=True):
            await nursery.start(_serve, post, server)
        yield socket
        nursery.cancel_scope.cancel()


async def _serve(post: Any, server: Server, task_status: Any) -> None:
    async with connect(post.socket) as offering:
        await servers.run(offering, server, task_status.started)


async def test_owner_and_delegate_serve_at_once_and_the_quota_is_exact(
    posts: Any, keeping: Keeping
) -> None:
    fetcher = keeping.fetcher()
    pairs = (("land", keeping.server()), ("court", keeping.delegate()))
    async with served(posts, *pairs) as socket:
        found = [fetcher._create(1, None, server=name) for name in ("land", "court", "court")]
        for copy in found:
            fetcher._open(copy)
        assert keeping.usage == (0, 3 * ROWS)
        with pytest.raises(Failed, match="165"):
            fetcher._open(fetcher._create(1, None, server="court"))
        async with trio.open_nursery() as nursery:
            for copy in found:
                nursery.start_soon(fetcher.run, socket, copy, silent)
    assert [fetcher.close(copy).rows for copy in found] == [ROWS] * 3
    assert keeping.usage == (3 * ROWS, 0)
    assert [row[0] for row in found[1].rows()] == [value(row)[0] for row in range(ROWS)]
    first, second, _ = (keeping.chain.ask("deliveries", "get", delivery=n) for n in (1, 2, 3))
    assert (first["server"], second["server"], second["owner"]) == ("land", "court", "land")
    meter = keeping.chain.ask("deliveries", "meter", server="court", since=0)
    assert [row[1:] for row in meter] == [[1, "tax", 2, 2, 2 * ROWS]]


async def test_a_delegate_that_is_dismissed_half_way_stops(posts: Any, keeping: Keeping) -> None:
    fetcher = keeping.fetcher()
    async with served(posts, ("court", keeping.delegate())) as socket:
        copy = fetcher.begin(1, server="court")

        def cut(rows: int, position: int) -> None:
            raise CutError

        with pytest.raises(CutError):
            await fetcher.run(socket, copy, cut)
        keeping.run("land", "custody", "end", agreement=1)
        with pytest.raises(FetchError) as error:
            await fetcher.run(socket, fetcher.begin(1, server="court"), silent)
        assert error.value.code == "not-server"
    assert 0 < copy.last.rows < ROWS
    with pytest.raises(Failed, match="210"):
        fetcher._open(fetcher._create(1, None, server="court"))


async def test_a_delegate_answers_look_ups(posts: Any, tmp_path: Path) -> None:
    world = Keeping(tmp_path, kind="lookup", key=0)
    world.hand_over()
    fetcher = world.fetcher()
    async with served(posts, ("court", world.delegate())) as socket:
        copy = fetcher.begin(1, 10, "lookup", "court")
        async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
            assert (await caller.ask("000007"))[0][0] == "000007"
            await caller.close()
    fetcher.close(copy)
    assert world.usage == (1, 0)


async def test_a_delegate_that_alters_a_record_is_named(posts: Any, keeping: Keeping) -> None:
    fetcher, server = keeping.fetcher(), keeping.delegate()
    plain = server._open

    def altered(delivery: dict[str, Any], grant: dict[str, Any]) -> Any:
        source = plain(delivery, grant)
        source.hashes = bytes(len(source.hashes))
        return source

    server._open = altered  # type: ignore[method-assign]
    async with served(posts, ("court", server)) as socket:
        with pytest.raises(WrongDataError, match="court sent records that are not those"):
            await fetcher.run(socket, fetcher.begin(1, server="court"), silent)


async def test_what_was_destroyed_since_does_not_leave_a_delegate(
    posts: Any, keeping: Keeping
) -> None:
    keeping.run("land", "catalogue", "destroy", dataset=DATASET, version=1, rows=[1, 2, 2_000])
    fetcher = keeping.fetcher()
    async with served(posts, ("court", keeping.delegate())) as socket:
        copy = fetcher.begin(1, server="court")
        await fetcher.run(socket, copy, silent)
    assert fetcher.close(copy).rows == ROWS - 3
    held = vault.Version(
        vault.folder_of(keeping.homes["court"].vault, DATASET, 1),
        Keyring(keeping.homes["court"].vault, keeping.court_master),
    )
    assert held.erased() == [1, 2, 2_000]


def test_only_who_holds_the_version_as_delegate_opens(tmp_path: Path) -> None:
    world = Keeping(tmp_path)
    fetcher = world.fetcher()
    for name in ("court", "civil", "tax", "nobody"):  # placed, and not taken yet
        with pytest.raises(Failed, match="210"):
            fetcher._open(fetcher._create(1, None, server=name))
    assert world.usage == (0, 0)


def test_audited_deliveries_are_the_owners(tmp_path: Path) -> None:
    world = Keeping(tmp_path, mode="audited")
    world.hand_over()
    args = {"grant": 1, "server": "court", "version": 1, "rows": 1, "nonce": bytes(16),
            "key": bytes(32)}  # fmt: skip
    assert world.chain.run("tax", "deliveries", "open", args).code == 210

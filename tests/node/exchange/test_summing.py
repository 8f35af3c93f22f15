"""Sums over streams between three members: exact, or whoever is silent or departs is named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from consensus.codec import DecodeError
from consensus.crypto import sha256
from node.data import vault
from node.data.keyring import Keyring
from node.data.privacy.secure_sum import Share
from node.exchange import answering
from node.exchange import server as servers
from node.exchange.answering import Answerer
from node.exchange.server import Server
from node.exchange.streams import connect
from node.exchange.summing import SumError, Summer, read_shares
from node.exchange.watch import Watch
from node.home import Home

from ...contracts.conftest import NOW
from .test_delivery import World

NAMES = ("city", "land", "tax")
WINDOW_MS = 60_000
AMOUNTS = {"city": ["1.50", "2", None], "land": ["-10.25"], "tax": ["1000000000000", "0.75"]}
SUM = 100_000_000_000_000 - 600


class Office(World):
    """Each member has amounts of its own, and serves; what they add up to is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, rows=3)
        self.homes["city"] = Home(folder / "city")
        self.masters = {name: os.urandom(32) for name in NAMES} | {"land": self.master}
        found = self.chain.ask("standards", "get", id="land/parcels")
        for name, amounts in AMOUNTS.items():
            home, dataset = self.homes[name], f"{name}/pay"
            rows = [[str(n), amount, None, None] for n, amount in enumerate(amounts)]
            head = vault.write(
                vault.folder_of(home.vault, dataset, 1), self.chain.chain_id, dataset, 1,
                found["standard"], iter(rows), Keyring(home.vault, self.masters[name]),
            )  # fmt: skip
            given = {"dataset": dataset, "rows": len(rows), "commitment": head.commitment,
                     "class": "general"}  # fmt: skip
            made = self.chain.registration(found["digest"], **given)
            assert self.chain.run(name, "catalogue", "register", made).code == 0
        args = {"label": "pay", "members": list(NAMES), "decimals": 2, "window_ms": WINDOW_MS}
        assert self.chain.run("land", "sums", "propose", args).code == 0

    def summer(self, name: str) -> Summer:
        return Summer(self.homes[name], self.asked(name), self.masters[name])

    def join(self, *names: str, number: int = 1) -> None:
        for name in names or NAMES:
            self.summer(name).join(number, f"{name}/pay", 1, 1, "li")

    def serve(self, name: str) -> tuple[Server, Answerer]:
        node = self.chain.keys[name]["node"]
        watch = Watch(self.asked(name).query, self.now)
        place = (self.homes[name], self.asked(name), self.masters[name])
        return Server(*place, node, watch, self.unseal), Answerer(*place, watch)

    async def advance(self, sockets: Any, *names: str, number: int = 1) -> list[str]:
        return [
            await self.summer(name).advance(
                sockets[name], answering.SERVICE, number, NOW + self.chain.late_ms
            )
            for name in names or NAMES
        ]

    @property
    def state(self) -> tuple[str, list[str]]:
        found = self.chain.ask("sums", "get", run=1)
        return found["status"], found["named"]


@asynccontextmanager
async def served(posts: Any, world: Office, *names: str) -> AsyncIterator[dict[str, Any]]:
    """Yields everybody's connection; these serve, all if none is named."""
    found = await posts.start(*NAMES)
    async with trio.open_nursery() as nursery:
        sockets: dict[str, Any] = {}

        async def attach(post: Any, task_status: Any) -> None:
            async with connect(post.socket) as socket:
                sockets[post.name] = socket
                task_status.started()
                await trio.sleep_forever()

        async def offer(post: Any, task_status: Any) -> None:
            server, answerer = world.serve(post.name)
            async with connect(post.socket) as socket:
                more = {answering.SERVICE: answerer.serve}
                await servers.run(socket, server, task_status.started, more)

        for post in found:
            await nursery.start(attach, post)
            if not names or post.name in names:
                await nursery.start(offer, post)
        yield sockets
        nursery.cancel_scope.cancel()


async def test_everybody_gets_the_sum_and_nobody_else(posts: Any, tmp_path: Path) -> None:
    world = Office(tmp_path)
    world.join()
    async with served(posts, world) as sockets:
        stream = await sockets["tax"].open("land", answering.SERVICE)
        await stream.send(["shares", 1])
        assert (await stream.receive())[:2] == ["refused", "wrong-status"]
        assert await world.advance(sockets) == ["sharing", "sharing", "reporting"]
        assert await world.advance(sockets, "land", "tax") == ["reporting", "done"]
        # Who comes late has it too, though there is nothing to report any more.
        assert await world.advance(sockets, "city") == ["done"]
    assert [world.summer(name).result(1) for name in NAMES] == [SUM] * 3
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("answers/*"))
    assert b"1025" not in kept  # sealed


async def test_who_shows_its_share_to_some_only_has_shown_it_to_all(
    posts: Any, tmp_path: Path
) -> None:
    world = Office(tmp_path)
    world.join()
    async with served(posts, world, "land", "tax") as sockets:
        await world.advance(sockets)
        summer = world.summer("land")  # city's share reaches land, and nobody else
        summer._write(1, "shares", [["city", world.summer("city").shares(1)["city"]]])
        assert await world.advance(sockets, "tax") == ["reporting"]
    assert world.summer("tax").result(1) == SUM


async def test_who_is_silent_is_named_and_the_others_go_on(posts: Any, tmp_path: Path) -> None:
    world = Office(tmp_path)
    world.join()
    async with served(posts, world, "land", "tax") as sockets:
        await world.advance(sockets)
        # City has bound its share and shows it to nobody.
        assert await world.advance(sockets, "land", "tax") == ["reporting"] * 2
        world.chain.late_ms += WINDOW_MS // 2 + 1_000
        assert await world.advance(sockets, "land", "tax") == ["reporting", "failed"]
    assert world.state == ("failed", ["city"])
    assert world.summer("tax").result(1) is None
    assert world.summer("tax").joined() == []  # what was committed to is destroyed


async def test_who_departs_from_its_commitment_is_named(
    posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Office(tmp_path)
    world.join()
    plain = Summer._share

    def lie(self: Summer, run: Any) -> bytes:
        data = plain(self, run)
        if self._chain.member != "tax":
            return data
        mine = Share.decode(data)
        return Share(mine.number + 1, mine.blinding, mine.masks).encode()

    monkeypatch.setattr(Summer, "_share", lie)
    async with served(posts, world) as sockets:
        await world.advance(sockets)
        await world.advance(sockets, "city", "land")
    assert world.state == ("failed", ["tax"])
    assert [world.summer(name).result(1) for name in NAMES] == [None] * 3


def test_a_killed_join_commits_to_the_same_and_false_amounts_are_refused(tmp_path: Path) -> None:
    world = Office(tmp_path)
    summer = world.summer("city")
    plain = summer._chain.submit
    object.__setattr__(summer._chain, "submit", None)
    with pytest.raises(TypeError):
        summer.join(1, "city/pay", 1, 1, "li")
    kept = summer._secret(1)
    assert kept is not None
    object.__setattr__(summer._chain, "submit", plain)
    summer.join(1, "city/pay", 1, 1, "li")
    row = world.chain.ask("sums", "get", run=1)["joined"]["city"]
    assert (kept[0].number, row[0]) == (350, kept[0].commitment)
    with pytest.raises(SumError, match="no number with at most 2 decimals"):
        world.summer("land")._amount({"id": 1, "label": "x", "decimals": 2}, "land/parcels-2025",
                                     1, 1, "li")  # fmt: skip
    with pytest.raises(SumError, match="no sum 7"):
        summer.join(7, "city/pay", 1, 1, "li")
    assert world.summer("land")._amount(
        {"id": 1, "label": "x", "decimals": 2}, "land/pay", 1, None, "li"
    ) == 1  # fmt: skip


_WORDS = st.sampled_from(("shares", "m"))
_VALUES = st.recursive(
    st.one_of(st.none(), st.integers(0, 9), st.binary(max_size=9), _WORDS),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES)
def test_whatever_comes_is_no_share_unless_it_was_bound(message: Any) -> None:
    run = {"shares": {"m": sha256(b"share").hex()}}
    with suppress(DecodeError):
        assert read_shares(message, run) == {}
    assert read_shares(["shares", [["m", b"share"], ["x", b"share"]]], run) == {"m": b"share"}

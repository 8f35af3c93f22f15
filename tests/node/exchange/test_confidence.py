"""What passes between two members stays between them; clocks and races change nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from node.cli.common import Failed
from node.exchange import lookup
from node.exchange import server as servers
from node.exchange.fetch import FetchError
from node.exchange.streams import connect
from node.exchange.watch import Watch
from p2p.transport import Frame
from tests.node.data.test_markers import contents, forms

from . import test_delivery
from .conftest import Post, Posts
from .test_delivery import World, served, silent

HOUR_MS = 3_600_000
KEY, HOLDER, PHONE = "Zq7key001", "Zq7holder", "Zq7phone1"


def listened(post: Post) -> list[bytes]:
    """What a member's daemon gets from now on, decrypted."""
    seen: list[bytes] = []
    plain = post._take

    def take(event: Any) -> None:
        if isinstance(event, Frame):
            seen.append(event.payload)
        plain(event)

    post._take = take  # type: ignore[method-assign]
    return seen


def holds(data: bytes, *markers: str) -> bool:
    return any(form in data for marker in markers for form in forms(marker))


@pytest.mark.parametrize("kind", ["table", "lookup"])
async def test_others_see_nothing_and_no_disk_holds_it_in_plain(
    posts: Posts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(test_delivery, "value", lambda row: [KEY, HOLDER, PHONE, f"{row}"])
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    world = World(
        tmp_path / "homes", rows=10, masks=True, kind=kind, key=0 if kind == "lookup" else None
    )
    fetcher = world.fetcher()
    tax, land, civil = await posts.start("tax", "land", "civil")
    at_tax, at_civil = listened(tax), listened(civil)
    async with (
        connect(land.socket) as offering,
        connect(tax.socket) as socket,
        trio.open_nursery() as nursery,
    ):
        begun = trio.Event()
        nursery.start_soon(servers.run, offering, world.server(), begun.set)
        await begun.wait()
        copy = fetcher.begin(1, 10, kind)
        if kind == "table":
            await fetcher.run(socket, copy, silent)
        else:
            async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
                assert len(await caller.ask(KEY)) == 10
                await caller.close()
        nursery.cancel_scope.cancel()
    assert holds(b"".join(at_tax), KEY)  # so the search finds what is there
    # What is masked or was not granted reaches not even the recipient's daemon.
    assert not holds(b"".join(at_tax), HOLDER, PHONE)
    assert not holds(b"".join(at_civil), KEY, HOLDER, PHONE)
    for place, data in contents(tmp_path):
        assert not holds(data, KEY, HOLDER, PHONE), place


async def test_ten_fetches_at_once_get_what_the_quota_has_and_no_row_more(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, rows=30, quota=7 * 30 + 29)
    fetcher = world.fetcher()
    made = [fetcher._create(1, 30) for _ in range(10)]
    opened, refused = [], 0
    for copy in made:
        try:
            fetcher._open(copy)
            opened.append(copy)
        except Failed:
            refused += 1
    assert (len(opened), refused, world.usage) == (7, 3, (0, 210))
    async with (
        served(posts, world, world.server()) as socket,
        trio.open_nursery() as nursery,
    ):
        for copy in opened:
            nursery.start_soon(fetcher.run, socket, copy, silent)
    assert [fetcher.close(copy).rows for copy in opened] == [30] * 7
    assert world.usage == (210, 0)


@pytest.mark.parametrize(("wrong_ms", "code"), [(HOUR_MS, "stale"), (-HOUR_MS, None)])
async def test_a_server_whose_clock_is_wrong_serves_by_block_time_or_not_at_all(
    posts: Any, tmp_path: Path, wrong_ms: int, code: str | None
) -> None:
    """One that is fast takes the chain for old; one that is slow has the last block's time."""
    world = World(tmp_path, rows=20)
    server = world.server()
    server._watch = Watch(world.asked("land").query, lambda: world.now() + wrong_ms)
    server._watch.heard(world.now())
    fetcher = world.fetcher()
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1)
        if code is None:
            await fetcher.run(socket, copy, silent)
            assert copy.is_complete
            return
        with pytest.raises(FetchError) as error:
            await fetcher.run(socket, copy, silent)
        assert error.value.code == code


async def test_a_slow_clock_does_not_lengthen_a_grant(posts: Any, tmp_path: Path) -> None:
    world = World(tmp_path, rows=20)
    server = world.server()
    server._watch = watch = Watch(world.asked("land").query, lambda: world.now() - HOUR_MS)
    fetcher = world.fetcher()
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1)
        world.chain.late_ms += world.chain.ask("access", "grant", grant=1)["until"] - world.now()
        world.chain.late_ms += 1_000
        watch.heard(world.now())
        with pytest.raises(FetchError) as error:
            await fetcher.run(socket, copy, silent)
        assert error.value.code == "grant-expired"

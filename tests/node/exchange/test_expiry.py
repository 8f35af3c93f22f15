"""After a grant nothing stays: copies and what was cut off go, and what the owner kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.system.deliveries.header import Header
from contracts.system.deliveries.limits import DAY_MS, DEFAULT
from node.exchange import copies, expiry
from node.exchange.delivered import Delivered

from .test_delivery import CutError, World, served, silent


def end_grant(world: World) -> None:
    args = {"grant": 1, "reason": "misuse"}
    assert world.chain.run("land", "access", "revoke", args).code == 0


async def test_what_was_cut_off_and_never_gone_on_with_goes_with_the_grant(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path)
    fetcher = world.fetcher()
    home = world.homes["tax"]

    def cut(rows: int, position: int) -> None:
        raise CutError

    async with served(posts, world, world.server()) as socket:
        with pytest.raises(CutError):
            await fetcher.run(socket, fetcher.begin(1), cut)
    assert expiry.erase_ended(home, world.asked("tax"), bytes(32), world.now()) == []
    home.exported.mkdir()
    mine, other = (copies.exported_as(home.exported, grant, 1, "csv") for grant in (1, 11))
    mine.write_text("x")
    other.write_text("x")
    end_grant(world)
    assert expiry.erase_ended(home, world.asked("tax"), bytes(32), world.now()) == [1]
    assert not list(home.copies.glob("1/*"))
    assert (mine.exists(), other.exists()) == (False, True)
    assert world.chain.ask("deliveries", "copies", grant=1)[1] is not None
    world.chain.late_ms += DEFAULT["lapse_ms"]
    world.chain.execute()
    assert world.usage == (1_024, 0)  # the recipient's own word, since nobody else spoke


async def test_a_delivery_that_the_chain_has_ended_is_begun_anew(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, rows=20)
    fetcher = world.fetcher()
    fetcher.begin(1)
    world.chain.late_ms += DEFAULT["delivery_ms"]
    world.chain.execute()
    assert world.usage == (20, 0)  # nobody spoke
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)
        assert copy.order.delivery == 2
        await fetcher.run(socket, copy, silent)
    assert fetcher.close(copy).rows == 20
    states = [c.order.closed for c in copies.load(world.homes["tax"].copies, 1, bytes(32))]
    assert states[0] == "lapsed"


@pytest.mark.parametrize("why", ["attested", "destroyed"])
def test_owners_forget_which_row_was_which_once_nothing_can_concern_it(
    tmp_path: Path, why: str
) -> None:
    world = World(tmp_path, rows=20)
    chain, delivered = world.asked("land"), Delivered(world.homes["land"].delivered, world.master)
    world.fetcher().begin(1)
    delivered.note(Header(1, 1, 3, 3, bytes(32), True), (4, 9, 2))

    def forgotten() -> list[int]:
        return expiry.forget_delivered(chain, delivered, world.now())

    assert forgotten() == []
    if why == "destroyed":
        args = {"dataset": "land/parcels-2025", "version": 1, "rows": []}
        assert world.chain.run("land", "catalogue", "destroy", args).code == 0
    else:
        world.chain.late_ms += 30 * DAY_MS
        world.chain.execute()
        assert forgotten() == []  # the recipient has not said that its copies are gone
        assert world.chain.run("tax", "deliveries", "attest", {"grant": 1}).code == 0
    assert forgotten() == [1]
    assert delivered.deliveries() == []
    assert forgotten() == []


def test_what_was_attested_before_does_not_hold_for_what_comes_after(tmp_path: Path) -> None:
    world = World(tmp_path, rows=20)
    fetcher = world.fetcher()
    fetcher._open(fetcher._create(1, None))
    assert world.chain.run("tax", "deliveries", "attest", {"grant": 1}).code == 0
    assert world.chain.ask("deliveries", "copies", grant=1)[1] is not None
    fetcher._open(fetcher._create(1, None))
    assert world.chain.ask("deliveries", "copies", grant=1)[1] is None
    world.chain.late_ms += 30 * DAY_MS
    events = [e.name for r in world.chain.execute().receipts for e in r.events]
    assert "overdue" in events

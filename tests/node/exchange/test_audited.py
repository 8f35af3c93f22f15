"""Audited mode between two members and a supervisor: real transports, contracts, workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from consensus.codec import decode, encode
from contracts.system.access.store import _PLAN_PARTS
from contracts.system.deliveries.limits import DAY_MS
from node.cli.common import Failed
from node.data.watermark.candidate import mark_id
from node.data.watermark.kept import Marks
from node.envelopes.content import Content
from node.exchange import copies, prepare
from node.exchange import server as servers
from node.exchange.audit import SAMPLE, Finding
from node.exchange.auditing import Auditor
from node.exchange.copies import Copy, FetchError, WrongDataError
from node.exchange.prepare import Preparation
from node.exchange.streams import connect
from node.exchange.watch import NotServedError

from ...contracts.system.test_subjects import change
from .test_delivery import NAMES, CutError, World, silent, value

ROWS = 900


def number_of(row: list[str | None]) -> int:
    return int(row[0] or "")


class Court(World):
    """The grant is audited; court is a supervisor."""

    others = ("court",)

    def __init__(self, folder: Path, rows: int = ROWS, **request: Any) -> None:
        super().__init__(folder, rows, **({"mode": "audited"} | request))
        change(self.chain, "court", roles=["supervisor", "validator"])

    def plan(self, **parts: Any) -> None:
        """Give the grant what reviewers or policies might have."""
        key = b"access/grant/" + (1).to_bytes(8, "big")
        plan: Any = decode(self.chain.state.values[key])
        for name, part in parts.items():
            plan[_PLAN_PARTS.index(name)] = part
        self.chain.state.values[key] = encode(plan)

    @property
    def auditor(self) -> Auditor:
        return Auditor(self.asked("court"))

    def delivery(self, number: int = 1) -> Any:
        return self.chain.ask("deliveries", "get", delivery=number)


class Hall:
    """Streams of tax, which fetches, and court, which audits, to land, which serves."""

    def __init__(self, world: Court, tax: Any, court: Any) -> None:
        self.world, self.tax, self.court = world, tax, court

    async def fetch(self, rows: int | None = None) -> Copy:
        fetcher = self.world.fetcher()
        copy = fetcher.begin(1, rows)
        await fetcher.run(self.tax, copy, silent)
        fetcher.close(copy)
        return copy

    async def audit(self, number: int = 1) -> Finding:
        return await self.world.auditor.audit(self.court, number)


async def in_hall(posts: Any, world: Court, run: Callable[[Hall], Any]) -> Any:
    tax, court, land = await posts.start("tax", "court", "land")
    async with (
        connect(land.socket) as offering,
        connect(tax.socket) as socket,
        connect(court.socket) as third,
        trio.open_nursery() as nursery,
    ):
        begun = trio.Event()
        nursery.start_soon(servers.run, offering, world.server(), begun.set)
        await begun.wait()
        found = await run(Hall(world, socket, third))
        nursery.cancel_scope.cancel()
        return found


async def test_rows_come_in_another_order_verified_and_an_honest_owner_passes(
    posts: Any, tmp_path: Path
) -> None:
    world = Court(tmp_path, masks=True)

    async def run(hall: Hall) -> None:
        copy = await hall.fetch()
        rows = list(copy.rows())
        order = [number_of(row) for row in rows]
        assert sorted(order) == list(range(ROWS))
        assert order != sorted(order)
        assert all(row[2] == value(number_of(row))[3] for row in rows)
        assert all(str(row[1]).startswith("*") for row in rows)
        assert copy.tree() is None
        assert world.usage == (ROWS, 0)
        assert world.auditor.waiting() == [1]
        finding = await hall.audit()
        assert finding == Finding(SAMPLE, (), {})
        assert world.auditor.report(1, finding) == "passed"
        assert world.delivery()["audit"]["outcome"] == "passed"
        assert world.auditor.waiting() == []

    await in_hall(posts, world, run)
    # Once it is over and audited nothing stays of what was prepared.
    server = world.server()
    assert (world.homes["land"].prepared / "1" / "plan").exists()
    server.finish(0)
    assert not (world.homes["land"].prepared / "1").exists()


async def test_a_cut_delivery_goes_on_with_what_was_committed_to(
    posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "MAX_RECORDS", 100)
    monkeypatch.setattr(prepare, "BUCKET_RECORDS", 250)
    world = Court(tmp_path, masks=True)

    def cut(rows: int, position: int) -> None:
        raise CutError

    async def run(hall: Hall) -> None:
        fetcher = world.fetcher()
        for wanted in (100, 200):
            copy = fetcher.begin(1)
            with pytest.raises(CutError):
                await fetcher.run(hall.tax, copy, cut)
            assert copies.load(world.homes["tax"].copies, 1, bytes(32))[0].last.rows == wanted
        copy = await hall.fetch()
        assert sorted(number_of(row) for row in copy.rows()) == list(range(ROWS))
        assert len(list(world.homes["land"].prepared.iterdir())) == 1
        assert (await hall.audit()).faults == ()

    await in_hall(posts, world, run)


def filtered(tmp_path: Path, *values: str, operator: str = "ge") -> Court:
    """The request asks for numbers from a value on; what it is compared with travels sealed."""
    world = Court.__new__(Court)
    content = Content.create(
        "request", {"text": None, "filter": str([list(values)]).replace("'", '"')}
    )
    world.envelopes = {}
    Court.__init__(world, tmp_path, rows=ROWS)
    world.envelopes[content.commitment] = content
    args = {"id": content.commitment, "commitment": content.commitment,
            "parties": ["court", "land", "tax"]}  # fmt: skip
    assert world.chain.run("tax", "envelopes", "anchor", args).code == 0
    world.request(filter=[[0, operator]], envelope=content.commitment)
    return world


async def test_only_what_the_filter_chooses_comes_and_what_is_left_out_is_audited(
    posts: Any, tmp_path: Path
) -> None:
    world = filtered(tmp_path, "000100")

    async def run(hall: Hall) -> None:
        fetcher = world.fetcher()
        copy = fetcher.begin(2)
        await fetcher.run(hall.tax, copy, silent)
        receipt = fetcher.close(copy)
        assert sorted(number_of(row) for row in copy.rows()) == list(range(100, ROWS))
        assert (receipt.rows, receipt.left_out) == (ROWS - 100, 100)
        finding = await hall.audit()
        assert finding == Finding(SAMPLE + 100, (), {"filtered": 100})

    await in_hall(posts, world, run)


async def test_no_row_may_fit(posts: Any, tmp_path: Path) -> None:
    world = filtered(tmp_path, "nothing", operator="eq")

    async def run(hall: Hall) -> None:
        fetcher = world.fetcher()
        copy = fetcher.begin(2)
        await fetcher.run(hall.tax, copy, silent)
        assert fetcher.close(copy).rows == 0
        assert await hall.audit() == Finding(SAMPLE, (), {"filtered": ROWS})

    await in_hall(posts, world, run)


async def test_classes_that_are_too_small_are_left_out(posts: Any, tmp_path: Path) -> None:
    """Every seventh is of Wuhan; of the others, which have no city, all are alike."""
    world = Court(tmp_path, rows=30, fields=[3])
    world.plan(k=5, fields=[[3, ["keep-first", 1, {"count": 1, "length": 4}]]])

    async def run(hall: Hall) -> None:
        copy = await hall.fetch()
        assert len(list(copy.rows())) == 30  # 5 of Wuhan, 25 without a city
        assert await hall.audit() == Finding(30, (), {})

    await in_hall(posts, world, run)
    world.plan(k=6)

    async def again(hall: Hall) -> None:
        copy = await hall.fetch()
        assert [row[0] for row in copy.rows()] == [None] * 25
        assert await hall.audit(2) == Finding(25, (), {"suppressed": 5})
        # Fewer rows than stay would break the classes.
        fetcher = world.fetcher()
        copy = fetcher.begin(1, 10)
        with pytest.raises(FetchError, match="whole result"):
            await fetcher.run(hall.tax, copy, silent)

    await in_hall(posts, world, again)


async def test_a_quota_cuts_a_delivery_by_lot(posts: Any, tmp_path: Path) -> None:
    world = Court(tmp_path)

    async def run(hall: Hall) -> None:
        rows = sorted(number_of(row) for row in (await hall.fetch(50)).rows())
        assert len(rows) == 50
        assert rows != list(range(50))
        assert await hall.audit() == Finding(50, (), {"over": ROWS - 50})

    await in_hall(posts, world, run)


class Falsifier(Preparation):
    """Alters every hundredth row before it is frozen."""

    def _shuffled(self) -> Any:
        for at, row in enumerate(super()._shuffled()):
            if at % 100 == 0:
                row[4] = ["999999", *row[4][1:]]
            yield row


async def test_an_owner_that_falsifies_is_found_and_the_chain_says_so(
    posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.exchange.commit.Preparation", Falsifier)
    world = Court(tmp_path, rows=300)

    async def run(hall: Hall) -> None:
        await hall.fetch()  # the recipient cannot tell
        finding = await hall.audit()
        assert len(finding.faults) == 3
        assert all("is not its record in field 0" in fault for fault in finding.faults)
        assert world.auditor.report(1, finding) == "failed"
        audit = world.delivery()["audit"]
        assert (audit["outcome"], audit["checked"], audit["faults"]) == ("failed", 300, 3)

    await in_hall(posts, world, run)


async def test_who_is_no_supervisor_or_comes_too_early_is_refused(
    posts: Any, tmp_path: Path
) -> None:
    world = Court(tmp_path, rows=20)

    async def run(hall: Hall) -> None:
        stream = await hall.tax.open("land", "delivery")
        await stream.send(["audit", 1, b"", b"", False])
        assert (await stream.receive())[:2] == ["refused", "denied"]
        copy = world.fetcher().begin(1)
        with pytest.raises(NotServedError, match="not here"):
            await hall.audit(copy.order.delivery)
        await hall.fetch()
        world.homes["land"].prepared.rename(tmp_path / "elsewhere")
        with pytest.raises(NotServedError, match="not here"):
            await hall.audit()
        assert not world.auditor.report_silence(1, world.now())
        world.chain.late_ms += 2 * DAY_MS
        world.chain.execute()
        assert world.auditor.report_silence(1, world.now())
        assert world.delivery()["audit"]["outcome"] == "silent"

    await in_hall(posts, world, run)


async def test_the_secret_is_shown_only_once_the_root_stands(posts: Any, tmp_path: Path) -> None:
    world = Court(tmp_path, rows=20)
    fetcher = world.fetcher()
    copy = fetcher.begin(1)
    with pytest.raises(WrongDataError, match="has not put on the chain"):
        fetcher.commit(copy, world.chain.height)
    with pytest.raises(Failed):
        world.asked("tax").submit("deliveries", "reveal", {"delivery": 1, "secret": bytes(32)})
    assert world.delivery()["audit"] is None


async def test_a_delivery_is_marked_and_its_mark_stands_in_the_book_and_on_the_chain(
    posts: Any, tmp_path: Path
) -> None:
    """A mark moves values within what the mask leaves open, and the audit accepts that alone."""
    world = Court(tmp_path, masks=True)
    steps = ["round", 1, {"step": 1_000}]
    world.plan(watermark=True, fields=[[0, steps], [2, ["keep-last", 1, {}]]])

    async def run(hall: Hall) -> list[str]:
        copy = await hall.fetch()
        assert (await hall.audit()).faults == ()
        return [str(row[0]) for row in copy.rows()]

    found = await in_hall(posts, world, run)
    assert {int(text) // 1_000 for text in found} == {0}
    assert len(set(found)) > 20
    [entry] = Marks(world.homes["land"], world.master)
    assert (entry.candidate.delivery, entry.grant, entry.recipient) == (1, 1, "tax")
    assert [column for column, _ in entry.candidate.plan] == [NAMES[0], NAMES[2]]
    assert world.delivery()["audit"]["mark"] == mark_id(entry.candidate.key)

"""Access logs asked over real streams, checked with their anchors; holders that lie."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import NO_CHAIN, Kind, Signer
from contracts.system import operators
from node.cli.common import Failed
from node.data.access import Access, AccessLog, Entry
from node.data.custody import Custody
from node.exchange import logs_service, source
from node.exchange import server as servers
from node.exchange.consent import refer
from node.exchange.log_check import (
    REFUSED,
    SILENT,
    VERIFIED,
    WRONG,
    Anchor,
    Reading,
    anchors_of,
    start_of,
)
from node.exchange.logs import Desk, Question, Row, Sight
from node.exchange.streams import connect

from ...contracts.conftest import NOW
from .test_coverage import NAMES, WILLING, Town, authorised
from .test_delivery import silent

DATASET = "land/parcels-2025"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setattr(source, "CHUNK_BYTES", 400)
    return authorised(Town(tmp_path))


def log_of(town: Town) -> AccessLog:
    return AccessLog(town.homes["land"].vault, town.master)


def desk_of(town: Town) -> Desk:
    return Desk(town.homes["land"], town.asked("land"), town.master, town.unseal)


async def deliver(town: Town, tax: Any, land: Any) -> None:
    """Tax fetches under grant 1, and land's log is anchored between two reads by its own people."""
    log = log_of(town)
    log.note("li", "land/other", 1, (1, 5), "inventory")
    fetcher = town.fetcher()
    async with (
        connect(land.socket) as offering,
        connect(tax.socket) as socket,
        trio.open_nursery() as nursery,
    ):
        begun = trio.Event()
        nursery.start_soon(servers.run, offering, town.server(), begun.set)
        await begun.wait()
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
        nursery.cancel_scope.cancel()
    fetcher.close(copy)
    log.note("wang", DATASET, 1, (1, 2), "sample")
    desk_of(town).anchor()


class Inquiry:
    """A member's questions to land."""

    def __init__(self, town: Town, post: Any) -> None:
        self.town, self.post = town, post

    def reading(self, question: Question, *, since: int = 0) -> Reading:
        query = self.town.asked(self.post.name).query
        anchors = anchors_of(query, "land")
        record = query("members", "get", {"name": self.post.name})
        is_full = "supervisor" in record["roles"]
        return Reading("land", question, is_full, anchors, start_of(anchors, since))

    async def ask(
        self, question: Question, *, person: str = "", key: Signer | None = None,
        patience_s: float = 10.0,
    ) -> Reading:  # fmt: skip
        reading = self.reading(question)
        signer = key or self.town.chain.keys[self.post.name]["member"]
        sign = logs_service.signer(signer, self.town.chain.chain_id)
        async with connect(self.post.socket) as socket:
            who = person, signer.public_key
            await logs_service.ask(socket, [reading], sign, who, patience_s)
        return reading


@asynccontextmanager
async def open_desk(
    posts: Any, town: Town, *names: str, delivers: bool = True
) -> AsyncIterator[list[Inquiry]]:
    """Land answers after a delivery to tax; yields tax and the others, who ask."""
    land, *others = await posts.start("land", "tax", *names)
    if delivers:
        await deliver(town, others[0], land)
    async with connect(land.socket) as socket, trio.open_nursery() as nursery:
        more = {logs_service.SERVICE: logs_service.Teller(desk_of(town)).serve}
        begun = trio.Event()
        nursery.start_soon(servers.run, socket, town.server(), begun.set, more)
        await begun.wait()
        yield [Inquiry(town, post) for post in others]
        nursery.cancel_scope.cancel()


def told(reading: Reading) -> list[tuple[str, int]]:
    return [(access.operator, access.delivery) for _, access in reading.entries]


async def test_each_sees_what_concerns_it_and_nobody_else_anything(
    posts: Any, tmp_path: Path, town: Town
) -> None:
    name = WILLING[3]
    reference = refer(town.form.key, name)
    subject = Question(DATASET, batch=1, reference=reference)
    async with open_desk(posts, town, "court", "civil", "city") as (tax, court, civil, city):
        found = await court.ask(Question(DATASET))
        assert (found.state, found.faults, found.unanchored) == (VERIFIED, [], 0)
        assert told(found) == [("node", 1), ("wang", 0)]
        assert (found.withheld, found.elsewhere) == (0, 1)

        found = await tax.ask(Question(DATASET))
        assert (found.state, told(found)) == (VERIFIED, [("node", 1)])
        assert (found.withheld, found.elsewhere) == (2, 0)

        # The registrar learns which delivery had the record; looking for it is a read by itself.
        found = await civil.ask(subject)
        assert found.state == VERIFIED
        row = NAMES.index(name) + 1
        assert found.rows == [Row(1, row, 1, WILLING.index(name) + 1), Row(1, row)]
        assert [a.purpose for _, a in found.entries][-1] == "trace for civil"
        assert told(found)[:1] == [("node", 1)]  # not the two rows that wang looked at
        assert found.unanchored == 1
        left_out = next(each for each in NAMES if each not in WILLING)
        other = Question(DATASET, batch=1, reference=refer(town.form.key, left_out))
        found = await civil.ask(other)
        assert (found.state, found.rows) == (REFUSED, [])
        assert "nobody in the batch" in found.faults[0]

        for asker, question in (
            (city, Question(DATASET)),
            (tax, subject),
            (civil, Question("x/y")),
        ):
            found = await asker.ask(question)
            assert found.state == REFUSED
            assert "neither a supervisor nor concerned" in found.faults[0]
            assert found.entries == []


async def test_only_persons_with_the_duty_ask(posts: Any, town: Town) -> None:
    keys = {name: Signer(os.urandom(32)) for name in ("chen", "zhou")}
    duties = {"chen": ["auditor"], "zhou": ["dispatcher"]}
    for name, key in keys.items():
        signed = operators.signed_possession("court", name, key.public_key)
        proof = key.sign(Kind.POSSESSION, NO_CHAIN, signed)
        args = {"operator": name, "key": key.public_key, "duties": duties[name], "proof": proof}
        assert town.chain.run("court", "operators", "grant", args).code == 0
    async with open_desk(posts, town, "court", delivers=False) as (_, court):
        good = await court.ask(Question(DATASET), person="chen", key=keys["chen"])
        assert good.state == VERIFIED
        for person, key, why in (
            ("zhou", keys["zhou"], "needs the duty auditor or approver"),
            ("chen", keys["zhou"], "knows no operator court/chen"),
            ("", keys["chen"], "not signed with court's member key"),
            ("nobody", keys["chen"], "knows no operator"),
        ):
            found = await court.ask(Question(DATASET), person=person, key=key)
            assert (found.state, why in found.faults[0]) == (REFUSED, True), found.faults


async def test_logs_that_were_changed_or_cut_are_named(posts: Any, town: Town) -> None:
    path = town.homes["land"].vault / "access.log"
    async with open_desk(posts, town, "court") as (_, court):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        found = await court.ask(Question(DATASET))
        assert (found.state, found.faults) == (
            WRONG, ["the log ends after 2 entries, and 3 were anchored in block "
                    f"{anchors_of(town.asked('court').query, 'land')[0].height}"],
        )  # fmt: skip
        found.miss([1, 2])
        assert found.faults[-1] == "delivery 2 went out, and the log has no entry for it"
        path.unlink()
        for _ in range(4):
            log_of(town).note("li", "land/other", 1, (1, 5), "nothing happened")
        found = await court.ask(Question(DATASET))
        assert found.state == WRONG
        assert "the first 3 entries are not those that were anchored" in found.faults[0]
        path.write_bytes(whole)
        assert (await court.ask(Question(DATASET))).state == VERIFIED


async def test_a_question_from_a_time_on_leaves_out_what_was_anchored_before(
    posts: Any, town: Town
) -> None:
    async with open_desk(posts, town, "court") as (_, court):
        log_of(town).note("zhao", DATASET, 1, (3, 4), "later")
        reading = court.reading(Question(DATASET, after=3), since=NOW + 10**9)
        key = town.chain.keys["court"]["member"]
        sign = logs_service.signer(key, town.chain.chain_id)
        async with connect(court.post.socket) as socket:
            await logs_service.ask(socket, [reading], sign, ("", key.public_key), 10)
    assert (reading.state, told(reading), reading.unanchored) == (VERIFIED, [("zhao", 0)], 1)


async def test_who_does_not_answer_is_named(posts: Any, town: Town) -> None:
    land, court = await posts.start("land", "court")
    found = await Inquiry(town, court).ask(Question(DATASET))
    assert (found.state, "does not serve" in found.faults[0]) == (SILENT, True)
    async with connect(land.socket) as socket:
        await socket.serve(logs_service.SERVICE)
        found = await Inquiry(town, court).ask(Question(DATASET), patience_s=0.2)
    assert (found.state, "within 0.2 s" in found.faults[0]) == (SILENT, True)


def entry(number: int, dataset: str = DATASET, rows: tuple[int, int] = (1, 9)) -> Entry:
    return Entry(Access(number, "li", dataset, 1, *rows, "why", 0), bytes([number]) * 16)


def take(question: Question, messages: Sequence[Value], anchors: Sequence[Anchor] = ()) -> Reading:
    reading = Reading("land", question, True, anchors, start_of([], 0))
    for message in messages:
        reading.take(message)
    return reading


def test_what_a_holder_hides_from_a_supervisor_is_seen() -> None:
    question = Question(DATASET)
    hidden: list[Value] = [entry(1).only_place()]
    found = take(question, [["page", hidden], ["end", []]])
    assert found.faults == ["entry 1 is about what was asked for, and is hidden"]
    found = take(question, [["page", [entry(1).digest]], ["end", []]])
    assert found.faults == ["1 entries are withheld from a supervisor"]
    # Rows that the record is not in need not be shown; those that it is in need be.
    row = Question(DATASET, 1, 12)
    end: Value = ["end", [[1, 12, 0, 0]]]
    assert take(row, [["page", hidden], end]).state == VERIFIED
    wide: list[Value] = [entry(1, rows=(1, 12)).only_place()]
    assert take(row, [["page", wide], end]).state == WRONG


@pytest.mark.parametrize(
    "messages",
    [
        [7], ["page"], [["page", 7]], [["page", [7]]], [["page", [bytes(32)] * 501]],
        [["end", [1]]],
        [["end", [[1, 2, 3]]]], [["end", [[1, 2, 3, -4]]]], [["more"]], [["refused", "a"]],
        [["page", [entry(1, "land/other").whole()]]], [["page", [[b"", 1]]]],
    ],
)  # fmt: skip
def test_answers_that_are_none_are_refused(messages: list[Value]) -> None:
    with pytest.raises(DecodeError):
        take(Question(DATASET), messages)


async def test_questions_that_are_none_are_refused(posts: Any, town: Town) -> None:
    good: Any = [Question(DATASET).to_value(), "", bytes(32), bytes(64)]
    async with (
        open_desk(posts, town, "court", delivers=False) as (_, court),
        connect(court.post.socket) as socket,
    ):
        for question in (
            7, good[:3], [7, *good[1:]], [["x"] * 6, *good[1:]], [*good[:2], b"", bytes(64)],
            [[DATASET, 0, 0, 1, b"short", 0], *good[1:]], [[DATASET, 0, 0, 0, b"x", 0], *good[1:]],
            good,
        ):  # fmt: skip
            stream = await socket.open("land", logs_service.SERVICE)
            assert len(await stream.receive(64)) == 16  # type: ignore[arg-type]
            await stream.send(question)
            answer: Any = await stream.receive()
            assert answer[:2] == ["refused", "signature" if question is good else "nonsense"]
    assert encode(good[0]) == encode(Question.from_value(good[0]).to_value())


def test_sight_is_named() -> None:
    assert {sight.value for sight in Sight} == {
        "every place", "what concerns it", "its own deliveries",
    }  # fmt: skip


def test_a_log_that_another_process_anchors_meanwhile_is_anchored(town: Town) -> None:
    log_of(town).note("li", DATASET, 1, (1, 2), "sample")
    chain = town.asked("land")

    def late(contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
        chain.submit(contract, method, args)
        return chain.submit(contract, method, args)  # fails: nothing is later than that

    custody = Custody(town.homes["land"], replace(chain, submit=late), town.master)
    assert custody.anchor() == 1
    assert custody.anchor() == 1
    log_of(town).note("li", DATASET, 1, (1, 2), "sample")

    def refused(contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
        raise Failed("nothing is taken now")

    with pytest.raises(Failed):
        Custody(town.homes["land"], replace(chain, submit=refused), town.master).anchor()

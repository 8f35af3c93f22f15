"""Answers over streams: paid on the chain before they go out, bound there, and the same again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from node.data.privacy.aggregate import Question
from node.exchange import answering
from node.exchange import server as servers
from node.exchange.answering import Answerer, Told
from node.exchange.copies import FetchError, WrongDataError
from node.exchange.streams import connect

from .test_delivery import World

DATASET, ROWS = "land/parcels-2025", 700
EPSILON = 500_000


class Asked(World):
    """Tax may ask about number and city, four answers; the budget pays for two."""

    rows, budget = ROWS, 2 * EPSILON

    def __init__(self, folder: Path, **request: Any) -> None:
        super().__init__(folder, self.rows, 4, **{"kind": "aggregate", "fields": [0, 3], **request})
        self.run("open", micro_epsilon=self.budget, subject="name")
        self.run("share", micro_epsilon=2 * EPSILON, recipient="tax")

    def run(self, method: str, **args: Any) -> None:
        receipt = self.chain.run("land", "budgets", method, {"dataset": DATASET, **args})
        assert receipt.code == 0, receipt

    @property
    def spent(self) -> int:
        return int(self.chain.ask("budgets", "get", dataset=DATASET)["spent"])


@asynccontextmanager
async def served(posts: Any, world: Asked) -> AsyncIterator[Any]:
    """Land answers; yields tax's connection."""
    tax, land = await posts.start("tax", "land")
    server = world.server()
    answerer = Answerer(world.homes["land"], world.asked("land"), world.master, world.watching)
    async with (
        connect(land.socket) as offering,
        connect(tax.socket) as socket,
        trio.open_nursery() as nursery,
    ):
        begun = trio.Event()
        more = {answering.SERVICE: answerer.serve}
        nursery.start_soon(servers.run, offering, server, begun.set, more)
        await begun.wait()
        yield socket
        nursery.cancel_scope.cancel()


COUNT = Question("count", "name", 1, EPSILON)


async def ask(socket: Any, question: Question = COUNT, version: int = 1) -> Told:
    return await answering.ask(socket, "land", 1, version, question)


async def refusal(socket: Any, question: Question, version: int = 1) -> FetchError:
    with pytest.raises(FetchError) as error:
        await ask(socket, question, version)
    return error.value


async def test_answers_are_paid_bound_and_the_same_again(posts: Any, tmp_path: Path) -> None:
    world = Asked(tmp_path)
    async with served(posts, world) as socket:
        first = await ask(socket)
        assert (world.spent, first.is_new) == (EPSILON, True)
        assert abs(first.answer.numbers[0] - ROWS) < 200
        assert first.is_bound(world.asked("tax"), DATASET, 1)
        again = await ask(socket)
        assert (again.answer, again.is_new, world.spent) == (first.answer, False, EPSILON)
        cities = Question("histogram", "name", 1, EPSILON, "city", categories=("Wuhan", "Rome"))
        second = await ask(socket, cities)
        assert [abs(n - m) < 200 for n, m in zip(second.answer.numbers, (100, 0), strict=True)]
        assert "241 0" in (await refusal(socket, replace(COUNT, rows=2))).message
        assert (await ask(socket, cities)).answer == second.answer  # the fourth of four
        assert "165 0" in (await refusal(socket, COUNT)).message
    assert world.usage == (4, 0)
    lie = replace(first, salted=[bytes(16), [1], 1])
    with pytest.raises(WrongDataError, match="another answer"):
        lie.is_bound(world.asked("tax"), DATASET, 1)
    unknown = replace(first, question=bytes(32))
    assert not unknown.is_bound(world.asked("tax"), DATASET, 1)


async def test_two_at_once_get_one_answer(posts: Any, tmp_path: Path) -> None:
    world = Asked(tmp_path)
    found: list[Told] = []
    async with served(posts, world) as socket, trio.open_nursery() as nursery:
        for _ in range(3):

            async def once() -> None:
                found.append(await ask(socket))

            nursery.start_soon(once)
    assert len({told.answer for told in found}) == 1
    assert world.spent == EPSILON


async def test_what_is_not_answered(posts: Any, tmp_path: Path) -> None:
    world = Asked(tmp_path)
    async with served(posts, world) as socket:
        phones = Question("histogram", "name", 1, 1, "phone", categories=("1",))
        assert "nobody ask about 'phone'" in (await refusal(socket, phones)).message
        # Each record its own subject would be told record by record.
        assert "told by 'name'" in (await refusal(socket, replace(COUNT, subject="number"))).message
        assert (await refusal(socket, COUNT, 2)).code == "not-found"
        assert world.spent == 0
        world.chain.late_ms += 60_000
        assert (await refusal(socket, COUNT)).code == "stale"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("aggregate", "nonsense"),
        (["aggregate", 1, 1], "nonsense"),
        (["aggregate", 1, 1, ["count"]], "nonsense"),
        (["aggregate", 1, 1, ["count", "name", 0, 1, "", 0, 0, []]], "question"),
        (["aggregate", 1, 1, ["sum", "name", 1, 1, "number", 0, 10**12, []]], "question"),
        (["aggregate", 1, 1, ["steal", "name", 1, 1, "", 0, 0, []]], "question"),
        (["aggregate", 2, 1, COUNT.to_value()], "denied"),
        (["aggregate", 1, -1, COUNT.to_value()], "nonsense"),
        (["aggregate", True, 1, COUNT.to_value()], "nonsense"),
        (["intersect", 1 << 62], "nonsense"),
    ],
)
async def test_hostile_questions_are_refused(
    posts: Any, tmp_path: Path, message: Any, code: str
) -> None:
    world = Asked(tmp_path)
    async with served(posts, world) as socket:
        stream = await socket.open("land", answering.SERVICE)
        await stream.send(message)
        assert (await stream.receive())[:2] == ["refused", code]
    assert world.spent == 0


async def test_a_masked_field_is_not_asked_about(posts: Any, tmp_path: Path) -> None:
    world = Asked(tmp_path, fields=[0, 2, 3])
    world.mask_phones()
    async with served(posts, world) as socket:
        phones = Question("histogram", "name", 1, 1, "phone", categories=("1",))
        assert "nobody ask about 'phone'" in (await refusal(socket, phones)).message

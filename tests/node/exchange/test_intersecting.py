"""Intersections over streams: both sides bound to what they committed, cut off or not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.codec import DecodeError, encode
from consensus.crypto import sha256
from node.data import vault
from node.data.keyring import Keyring
from node.data.privacy.intersect import MIN_ELEMENTS, Side
from node.exchange import answering, intersecting
from node.exchange.copies import FetchError, WrongDataError
from node.exchange.intersecting import PIECE_BYTES, Asker, Gathering, Look, Sets
from node.exchange.streams import StreamError

from .test_answering import Asked, served
from .test_delivery import value

DATASET, OWN, EPSILON = "land/parcels-2025", "tax/firms", 2_000_000
SETS = {"own": OWN, "own_version": 1, "own_field": 0, "version": 1, "field": 0}
FIRST, COUNT = 100, 1_050
"""Numbers that tax has begin here, and there are so many; land's are 0 to 1,149."""


class Two(Asked):
    """Tax has numbers of its own; land's budget pays for two runs."""

    rows, budget = 1_150, 2 * EPSILON

    def __init__(self, folder: Path, count: int = COUNT, **request: Any) -> None:
        super().__init__(folder, **request)
        self.run("share", micro_epsilon=2 * EPSILON, recipient="tax")
        digest = self.chain.ask("standards", "get", id="land/parcels")
        head = vault.write(
            vault.folder_of(self.homes["tax"].vault, OWN, 1), self.chain.chain_id, OWN, 1,
            digest["standard"], map(value, range(FIRST, FIRST + count)),
            Keyring(self.homes["tax"].vault, bytes(32)),
        )  # fmt: skip
        given = {"dataset": OWN, "rows": count, "commitment": head.commitment, "class": "general"}
        made = self.chain.registration(digest["digest"], **given)
        assert self.chain.run("tax", "catalogue", "register", made).code == 0

    def asker(self) -> Asker:
        return Asker(self.homes["tax"], self.asked("tax"), bytes(32), "li", seen)

    def begin(self) -> int:
        grant = self.asked("tax").query("access", "grant", {"grant": 1})
        return self.asker().begin(grant, SETS, EPSILON)

    def paid(self, number: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = self.asked("tax").query("intersections", "get", {"run": number})
        return found


def seen(look: Look) -> None:
    assert look()


async def count(world: Two, socket: Any, number: int = 1) -> int:
    return await world.asker().count(socket, answering.SERVICE, number)


async def test_the_size_is_told_once_paid_and_bound(posts: Any, tmp_path: Path) -> None:
    world = Two(tmp_path)
    async with served(posts, world) as socket:
        number = world.begin()
        assert world.begin() == number  # a process that was killed goes on
        found = await count(world, socket)
        assert abs(found - COUNT) < 20
        world.asker().finish(number)
        world.asker().finish(number)
        assert await count(world, socket) == found  # it is kept
    assert (world.paid()["status"], world.spent, world.usage) == ("done", EPSILON, (1, 0))
    stored = b"".join(p.read_bytes() for p in tmp_path.rglob("answers/*") if p.is_file())
    assert encode(found) not in stored or len(encode(found)) < 3  # sealed


async def test_breaking_off_and_asking_again_tells_the_same(posts: Any, tmp_path: Path) -> None:
    world = Two(tmp_path)
    async with served(posts, world) as socket:
        number = world.begin()
        found = []
        for _ in range(2):
            found.append(await count(world, socket))
            (world.homes["tax"].path / "answers" / f"intersection-{number}").unlink()
        stream = await socket.open("land", answering.SERVICE)
        await stream.send(["intersect", number])
        assert await stream.receive() == ["ready"]
        await stream.send(["asked", bytes(32), True])  # other points than were committed to
        assert (await stream.receive())[:2] == ["refused", "nonsense"]
        assert await count(world, socket) == found[0] == found[1]
    assert world.spent == EPSILON


async def test_small_sets_and_revoked_grants_are_refused(posts: Any, tmp_path: Path) -> None:
    world = Two(tmp_path, count=MIN_ELEMENTS - 1)
    async with served(posts, world) as socket:
        with pytest.raises(intersecting.GroupError, match="not 999"):
            world.begin()
        # A set of one element behind dummies that the contract has not seen.
        points = Side(bytes(32), bytes(32), EPSILON)._blind(map(str, range(1_000)), 0, 0)
        grant = world.asked("tax").query("access", "grant", {"grant": 1})
        args = {**SETS, "grant": grant["id"], "micro_epsilon": EPSILON, "nonce": bytes(16),
                "asked": sha256(b"".join(points))}  # fmt: skip
        assert world.chain.run("tax", "intersections", "ask", args).code == 0
        stream = await socket.open("land", answering.SERVICE)
        await stream.send(["intersect", 1])
        assert await stream.receive() == ["ready"]
        await stream.send(["asked", b"".join(points), True])
        code, sentence = (await stream.receive())[1:]
        assert (code, "points, not at least" in sentence) == ("group", True)
        world.chain.run("land", "access", "revoke", {"grant": 1, "reason": "misuse"})
        stream = await socket.open("land", answering.SERVICE)
        await stream.send(["intersect", 1])
        assert (await stream.receive())[:2] == ["refused", "grant-ended"]


@pytest.mark.parametrize("number", [2, -1, True])
async def test_runs_of_others_are_refused(posts: Any, tmp_path: Path, number: Any) -> None:
    world = Two(tmp_path)
    async with served(posts, world) as socket:
        stream = await socket.open("land", answering.SERVICE)
        await stream.send(["intersect", number])
        assert (await stream.receive())[0] == "refused"


async def test_a_holder_that_departs_from_what_it_paid_for_is_caught(
    posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Two(tmp_path)
    number = world.begin()
    plain = intersecting._send

    async def altered(stream: Any, what: str, points: bytes) -> None:
        await plain(stream, what, points[32:] if what == "held" else points)

    async with served(posts, world) as socket:
        monkeypatch.setattr(intersecting, "_send", altered)
        with pytest.raises(WrongDataError, match="not those on the chain"):
            await count(world, socket, number)
        monkeypatch.setattr(intersecting, "_send", plain)
        monkeypatch.setattr(Sets, "holding", lambda self, run: bytes(32))
        with pytest.raises(FetchError) as error:
            await count(world, socket, number)
        assert error.value.code == "changed"


_PIECE = st.tuples(st.sampled_from(("asked", "held")), st.binary(max_size=70), st.booleans())
_MESSAGE = st.one_of(
    st.none(), st.integers(), st.binary(max_size=40), st.text(max_size=5), _PIECE.map(list),
    st.lists(st.one_of(st.none(), st.integers(), st.binary(max_size=9), st.booleans()), max_size=4),
)  # fmt: skip


@given(st.lists(_MESSAGE, max_size=12))
def test_whatever_comes_is_taken_in_order_or_refused(messages: list[Any]) -> None:
    found, taken = Gathering("asked", None, EPSILON), b""
    for message in messages:
        before = found.points
        with suppress(DecodeError):
            found.take(message)
            taken += message[1]
        assert found.points in (before, taken)
        assert found.points == taken


def test_too_long_and_wrong_points_are_refused() -> None:
    found = Gathering("asked", sha256(b"x"), EPSILON)
    with pytest.raises(DecodeError, match="at most"):
        found.take(["asked", bytes(PIECE_BYTES + 1), False])
    with pytest.raises(DecodeError, match="not those on the chain"):
        found.take(["asked", b"y", True])
    endless = Gathering("asked", None, EPSILON)
    for _ in range(30):
        endless.take(["asked", bytes(PIECE_BYTES), False])
    with pytest.raises(DecodeError, match="too many"):
        endless.take(["asked", bytes(PIECE_BYTES), False])


async def test_a_nonce_that_the_asker_uses_twice_draws_other_noise(
    posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Two(tmp_path)
    monkeypatch.setattr(intersecting.os, "urandom", lambda size: bytes(size))
    number = world.begin()
    world.chain.run("tax", "intersections", "withdraw", {"run": number})
    second = world.begin()
    first, again = world.paid(number), world.paid(second)
    assert (first["nonce"], first["asked"]) == (again["nonce"], again["asked"])
    sets = Sets(world.homes["land"], world.asked("land"), world.master)
    assert sets.holding(first) != sets.holding(again)
    grant = world.asked("tax").query("access", "grant", {"grant": 1})
    assert world.asker().begin(grant, SETS, EPSILON // 2) == second + 1  # for another price
    assert world.paid(second)["status"] == "withdrawn"


async def test_an_asker_that_leaves_harms_nobody(posts: Any, tmp_path: Path) -> None:
    world = Two(tmp_path)
    number = world.begin()
    async with served(posts, world) as socket:
        stream = await socket.open("land", answering.SERVICE)
        await stream.send(["intersect", number])
        await stream.end()
        with pytest.raises(StreamError):
            await stream.receive()
        assert abs(await count(world, socket, number) - COUNT) < 20
    assert world.spent == EPSILON

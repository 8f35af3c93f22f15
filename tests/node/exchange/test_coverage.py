"""Only what subjects authorise is delivered, to the chunk; real contracts, vaults and streams."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from consensus.codec import decode, encode
from consensus.crypto import Signer, sha256
from contracts.system.access.store import _PLAN_PARTS
from contracts.system.deliveries.limits import DAY_MS
from node.data.custody import Custody
from node.exchange import copies, lookup, prepare, source
from node.exchange.authorise import Authorisations
from node.exchange.consent import Scope
from node.exchange.copies import Copy
from node.exchange.declaration import AUTHORISE, WITHDRAW, declare
from node.exchange.delivered import Delivered
from node.exchange.erasure import Row, delivered_rows, erase_rows, rows_to_erase
from node.exchange.prepared import Prepared
from node.exchange.registrar import Person, Register

from ...contracts.conftest import NOW
from ...contracts.system.test_subjects import change
from .test_delivery import CutError, World, served, silent, value

ROWS = 60
NAMES = [str(value(row)[1]) for row in range(ROWS)]
WILLING = [name for row, name in enumerate(NAMES) if row % 5]


class Town(World):
    """The grant counts only what subjects authorise; civil is their registrar."""

    others = ("civil", "court")

    def __init__(self, folder: Path, **request: Any) -> None:
        super().__init__(folder, rows=ROWS, **request)
        for name, role in (("civil", "registrar"), ("court", "supervisor")):
            change(self.chain, name, roles=[role, "validator"])
        # A grant at level 4 on the basis of consent has this.
        key = b"access/grant/" + (1).to_bytes(8, "big")
        plan: Any = decode(self.chain.state.values[key])
        plan[_PLAN_PARTS.index("subjects")] = {"scope": "land/parcels-2025"}
        self.chain.state.values[key] = encode(plan)
        self.register = Register(folder / "register", bytes(32))
        for name in NAMES:
            self.register.put(Person(name, Signer(sha256(name.encode())).public_key))

    def open_batch(self) -> None:
        args = {"dataset": "land/parcels-2025", "recipient": "tax", "purpose": "public-service",
                "field": 1, "until": NOW + 30 * DAY_MS}  # fmt: skip
        assert self.chain.run("civil", "subjects", "open", args).code == 0
        row = self.asked("civil").query("subjects", "batch", {"batch": 1})
        self.form = self.register.open_batch(Scope.of(self.chain.chain_id, row)).form

    def declare(self, kind: str, names: Iterable[str]) -> None:
        for name in names:
            made = declare(kind, self.form, sha256(name.encode()), name, name)
            self.register.take(made, self.now())

    def publish(self, revision: int) -> None:
        """Post the batch, if none is known of it, or revise it."""
        made = self.register.prepare(1, revision)
        contents = [made.states] if revision else [*made.parts, made.states]
        for each in contents:
            self.envelopes[each.commitment] = each
            args = {"id": each.commitment, "commitment": each.commitment,
                    "parties": ["civil", "court", "land"]}  # fmt: skip
            assert self.chain.run("civil", "envelopes", "anchor", args).code == 0
        args = {"batch": 1, "states": made.states_root, "envelope": made.states.commitment}
        if revision:
            more = {"revision": revision + 1}
        else:
            more = {"count": made.count, "root": made.root,
                    "parts": [part.commitment for part in made.parts]}  # fmt: skip
        method = "revise" if revision else "post"
        assert self.chain.run("civil", "subjects", method, args | more).code == 0
        self.register.save(made.draft)

    @property
    def scope(self) -> tuple[str, str, str]:
        return "land/parcels-2025", "tax", "public-service"

    def delivered(self) -> Any:
        home, asked = self.homes["land"], self.asked("land")
        custody = Custody(home, asked, self.master)
        gone = Delivered(home.delivered, self.master)
        return delivered_rows(asked, custody, gone, self.scope, "li")

    def rows_to_erase(self) -> list[Row]:
        args = (self.chain.chain_id, self.asked("land").query, self.unseal, self.scope, self.now())
        return rows_to_erase(Authorisations.load(*args), self.delivered())


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Twelve of sixty do not sign; chunks hold a few rows."""
    monkeypatch.setattr(source, "CHUNK_BYTES", 150)
    return authorised(Town(tmp_path))


def authorised(town: Town) -> Town:
    town.open_batch()
    town.declare(AUTHORISE, WILLING)
    town.publish(0)
    return town


def numbers(names: Iterable[str]) -> list[str]:
    return [f"{NAMES.index(name):06}" for name in names]


def arrived(copy: Copy) -> list[str | None]:
    return [row[0] for row in copy.rows()]


async def test_who_does_not_authorise_is_left_out_and_counted(posts: Any, town: Town) -> None:
    fetcher = town.fetcher()
    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    receipt = fetcher.close(copy)
    assert arrived(copy) == numbers(WILLING)
    assert (receipt.rows, receipt.left_out, receipt.by_subject) == (48, 12, True)
    assert town.usage == (48, 0)
    assert copy.tree() is None  # hashes of records that are left out do not go out


async def test_a_withdrawal_half_way_stops_the_record(posts: Any, town: Town) -> None:
    fetcher = town.fetcher()

    def withdraw(rows: int, position: int) -> None:
        if town.chain.ask("subjects", "batch", batch=1)["revision"] == 1:
            town.declare(WITHDRAW, [NAMES[-1]])
            town.publish(1)

    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, withdraw)
    receipt = fetcher.close(copy)
    assert arrived(copy) == numbers(WILLING[:-1])
    assert (receipt.rows, receipt.left_out) == (47, 13)


async def test_a_batch_that_ends_half_way_stops_the_rest(posts: Any, town: Town) -> None:
    fetcher = town.fetcher()

    def end(rows: int, position: int) -> None:
        if town.chain.ask("subjects", "batch", batch=1)["status"] == "posted":
            assert town.chain.run("civil", "subjects", "end", {"batch": 1}).code == 0

    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, end)
        again = fetcher.begin(1)
        assert again.order.nonce == copy.order.nonce
        receipt = fetcher.close(copy)
        assert 0 < receipt.rows < 30
        assert arrived(copy) == numbers(WILLING[: receipt.rows])
        assert receipt.left_out == ROWS - receipt.rows
        nothing = fetcher.begin(1)
        await fetcher.run(socket, nothing, silent)
    receipt = fetcher.close(nothing)
    assert (receipt.rows, receipt.left_out) == (0, ROWS)


async def test_what_has_not_reached_the_owner_authorises_nothing(posts: Any, town: Town) -> None:
    kept = dict(town.envelopes)
    town.envelopes.clear()
    fetcher = town.fetcher()
    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
        assert fetcher.close(copy).rows == 0
        town.envelopes |= kept
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    assert fetcher.close(copy).rows == 48


async def test_rows_of_who_withdraws_are_found_and_erased(posts: Any, town: Town) -> None:
    fetcher = town.fetcher()
    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    fetcher.close(copy)
    assert town.rows_to_erase() == []
    gone = [WILLING[0], WILLING[20], WILLING[47]]
    town.declare(WITHDRAW, gone)
    town.publish(1)
    rows = town.rows_to_erase()
    assert rows == [(1, 1), (1, 21), (1, 48)]
    home, before = town.homes["tax"], copy.folder.with_name("before")
    shutil.copytree(copy.folder, before)
    for _ in range(2):  # whatever has been done, it may be done again
        erase_rows(home, town.asked("tax"), bytes(32), [*rows, (1, 999), (7, 1)])
        [left] = copies.load(home.copies, 1, bytes(32))
        assert not before.exists()  # as if a crash had kept it from being destroyed
        assert arrived(left) == numbers(name for name in WILLING if name not in gone)
        held = b"".join(piece.body for piece in left.pieces())
        phones = [str(value(NAMES.index(name))[2]).encode() for name in WILLING]
        assert [phone in held for phone in phones] == [name not in gone for name in WILLING]
    assert not copy.folder.exists()


async def test_a_delivery_that_goes_on_keeps_to_its_rows(posts: Any, town: Town) -> None:
    """Chunks that were sent and not kept are sent anew, as other rows than before."""

    def cut(rows: int, position: int) -> None:
        raise CutError

    fetcher = town.fetcher()
    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        with pytest.raises(CutError):
            await fetcher.run(socket, copy, cut)
        had = copy.last.rows
        assert 0 < had < 20
        town.declare(WITHDRAW, [WILLING[0], *WILLING[had : had + 9]])
        town.publish(1)
        assert town.rows_to_erase()[0] == (1, 1)
        erase_rows(town.homes["tax"], town.asked("tax"), bytes(32), [(1, 1)])
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    assert fetcher.close(copy).rows == 48 - 9
    assert arrived(copy) == numbers(WILLING[1:had] + WILLING[had + 9 :])
    went = sorted((row, values[0]) for _, row, values in town.delivered())
    assert [number for _, number in went[1:]] == arrived(copy)
    assert [row for row, _ in went] == list(range(1, 40))


async def test_a_look_up_finds_whom_it_may(posts: Any, tmp_path: Path) -> None:
    town = authorised(Town(tmp_path, kind="lookup", key=0, quota=50))
    fetcher = town.fetcher()
    copy = fetcher.begin(1, 10, "lookup")
    async with (
        served(posts, town, town.server()) as socket,
        lookup.calling(socket, copy, town.chain.chain_id) as caller,
    ):
        [there] = numbers(WILLING[:1])
        [[found, *_]] = await caller.ask(there)
        assert found == there
        assert await caller.ask(numbers(NAMES[:1])[0]) == []
        town.declare(WITHDRAW, WILLING[:1])
        town.publish(1)
        assert await caller.ask(there) == []


# In audited mode


@pytest.fixture
def audited_town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setattr(prepare, "MAX_RECORDS", 4)
    return authorised(Town(tmp_path, mode="audited"))


async def test_in_audited_mode_too_only_what_is_authorised_comes(
    posts: Any, audited_town: Town
) -> None:
    town, fetcher = audited_town, audited_town.fetcher()
    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    receipt = fetcher.close(copy)
    assert sorted(str(number) for number in arrived(copy)) == numbers(WILLING)
    assert (receipt.rows, receipt.left_out, receipt.by_subject) == (48, 12, True)
    kept = b"".join(p.read_bytes() for p in town.homes["land"].prepared.rglob("*") if p.is_file())
    assert not any(name.encode() in kept for name in NAMES)


async def test_who_withdraws_half_way_is_withheld_from_what_was_committed_to(
    posts: Any, audited_town: Town
) -> None:
    """The rows keep their places under the root; of the withdrawn one only the hash comes."""
    town, fetcher = audited_town, audited_town.fetcher()
    gone: list[str] = []

    def withdraw(rows: int, position: int) -> None:
        # Of the eight last rows one is withdrawn, while the first chunks are on their way.
        if position == 4:
            prepared = Prepared(town.homes["land"].prepared / "1", town.master)
            gone.append(NAMES[next(prepared.rows_at([44])).number - 1])
            town.declare(WITHDRAW, gone)
            town.publish(1)

    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, withdraw)
    receipt = fetcher.close(copy)
    left = [name for name in WILLING if name not in gone]
    assert sorted(str(number) for number in arrived(copy)) == numbers(left)
    assert (receipt.rows, receipt.left_out) == (47, 13)
    # A copy knows which of its rows are to be erased, and goes on without them.
    found = {row: place for _, row, place in _delivered(town)}
    assert len(found) == 47
    copy.strike([1, 3], bytes(32))
    [kept] = copies.load(town.homes["tax"].copies, 1, bytes(32))
    assert len(list(kept.rows())) == 45


def _delivered(town: Town) -> list[tuple[int, int, int]]:
    kept = Delivered(town.homes["land"].delivered, town.master)
    return [(1, row, place) for row, place in kept.rows(1)]


async def test_what_the_owner_erases_half_way_is_withheld(posts: Any, audited_town: Town) -> None:
    town, fetcher = audited_town, audited_town.fetcher()

    def cut(rows: int, position: int) -> None:
        raise CutError

    async with served(posts, town, town.server()) as socket:
        copy = fetcher.begin(1)
        with pytest.raises(CutError):
            await fetcher.run(socket, copy, cut)
        prepared = Prepared(town.homes["land"].prepared / "1", town.master)
        row = next(prepared.rows_at([40])).number
        custody = Custody(town.homes["land"], town.asked("land"), town.master)
        custody.destroy("land/parcels-2025", 1, [row])
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    assert fetcher.close(copy).rows == 47
    assert f"{row - 1:06}" not in arrived(copy)

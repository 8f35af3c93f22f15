"""Disputes: what a lying server has signed convicts it, and nothing convicts an honest one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.codec import decode, encode
from consensus.crypto import sha256
from contracts.system.deliveries.header import Header
from node.exchange import lookup
from node.exchange.dispute import Terms, examine, gather
from node.exchange.fetch import WrongDataError
from node.exchange.linked import pack
from node.exchange.piece import DisputeError, Earlier, Piece, Signed, from_parts, to_parts
from node.exchange.server import Server
from node.exchange.source import Source

from .test_delivery import Liar, World, other_value, served, silent, too_few, twice


def other_columns(source: Source) -> None:
    """Every field exact, also what the grant masks."""
    shape = source.shape
    plain = replace(shape, exact=tuple(sorted(shape.exact + shape.masked)), masked=())
    source._pack = lambda records: pack(plain, records, [], None)  # type: ignore[method-assign]


def other_version(source: Source) -> None:
    """Records of the right form that are not those registered, with a tree of their own."""
    plain = source._runs

    def runs(position: int, room: int) -> Any:
        for records, after in plain(position, room):
            yield [replace(each, seed=bytes(32)) for each in records], after

    source._runs = runs  # type: ignore[method-assign]


def unmasked(source: Source) -> None:
    """Values are asserted to be masked and are not."""
    _unmask(source, range(1 << 10))


def one_unmasked(source: Source) -> None:
    """One value slips through."""
    _unmask(source, range(6, 7))


def _unmask(source: Source, rows: range) -> None:
    assert source._masker is not None
    plain = source._masker.apply
    source._masker.apply = lambda records: [  # type: ignore[method-assign]
        [
            record.values[2] if at in rows else masked
            for at, (record, masked) in enumerate(zip(records, column, strict=True))
        ]
        for column in plain(records)
    ]


def too_many(source: Source) -> None:
    """A header that counts rows that are not there."""
    plain = source.chunks

    def chunks(after: Header) -> Any:
        for chunk in plain(after):
            yield replace(chunk, header=replace(chunk.header, rows=chunk.header.rows + 1))

    source.chunks = chunks  # type: ignore[method-assign]


async def refused(
    posts: Any, world: World, alter: Any, rows: int | None = None
) -> tuple[Piece, Terms]:
    """Fetch from a liar; returns what the recipient shows, as it arrives, and the terms."""
    Liar.alter = staticmethod(alter)
    fetcher = world.fetcher()
    async with served(posts, world, world.server(Liar)) as socket:
        copy = fetcher.begin(1, rows)
        with pytest.raises(WrongDataError) as error:
            await fetcher.run(socket, copy, silent)
    [copy] = [fetcher.begin(1)]  # from the disk
    piece = gather(copy)
    assert piece.why == error.value.message
    data = piece.encode()
    parts = to_parts(1, data)
    assert from_parts(parts, sha256(data)) == piece
    with pytest.raises(DisputeError):
        from_parts(parts, bytes(32))
    return piece, Terms.load(world.chain.chain_id, world.asked("tax").query, 1)


@pytest.mark.parametrize(
    ("alter", "rows", "code"),
    [
        (other_value, None, "other-record"),
        (other_value, 3, "other-record"),
        (other_version, None, "other-record"),
        (other_version, 3, "other-record"),
        (twice, None, "twice"),
        (too_few, None, "too-few"),
        (too_many, None, "miscounted"),
        (other_columns, None, "unreadable"),
        (unmasked, None, "unmasked"),
    ],
)
async def test_what_a_liar_signed_stands_against_it(
    posts: Any, tmp_path: Path, alter: Any, rows: int | None, code: str
) -> None:
    world = World(tmp_path, rows=20, masks=True)
    piece, terms = await refused(posts, world, alter, rows)
    found = {finding.code for finding in examine(piece, terms) if finding.is_fault}
    assert code in found

    # Nothing that a recipient alters of it stands against the server.
    body: Any = decode(piece.body)
    body[3][0][0] = "altered"
    for altered in (
        replace(piece, body=encode(body)),
        replace(piece, signed=replace(piece.signed, signature=bytes(64))),
        replace(piece, before=Signed(piece.signed.header, bytes(64))),
    ):
        assert {f.code for f in examine(altered, terms) if f.is_fault} <= {"too-few", "too-many"}
    said = examine(piece, replace(terms, is_replaced=True))
    assert (said[-1].code, said[-1].is_fault) == ("replaced-key", False)
    elsewhere = replace(terms, delivery=2)
    assert not [f for f in examine(piece, elsewhere) if f.is_fault]


async def test_a_value_that_was_not_looked_at_is_pointed_out_by_its_row(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, rows=100, masks=True)
    Liar.alter = staticmethod(one_unmasked)
    fetcher = world.fetcher()
    async with served(posts, world, world.server(Liar)) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    with pytest.raises(DisputeError, match="--row"):
        gather(copy)
    with pytest.raises(DisputeError, match="row 101"):
        gather(copy, 101)
    terms = Terms.load(world.chain.chain_id, world.asked("tax").query, 1)
    [finding] = examine(gather(copy, 7, "a number in plain"), terms)
    assert (finding.code, finding.is_fault) == ("unmasked", True)
    assert "phone is shown in 1 of 100 rows" in finding.says


async def test_an_honest_server_is_not_convicted_by_what_it_signed(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, masks=True)
    fetcher = world.fetcher()
    async with served(posts, world, world.server()) as socket:
        copy = fetcher.begin(1)
        await fetcher.run(socket, copy, silent)
    terms = Terms.load(world.chain.chain_id, world.asked("tax").query, 1)
    pieces = [gather(copy, row) for row in (1, 1_025, 2_049)]
    for piece in pieces:
        assert [f.code for f in examine(piece, terms)] == ["nothing"]
    first, second, third = pieces
    # Chunks in another order, chunks as if sent twice, another's record as the registered one.
    for forged in (
        replace(second, before=Signed()),
        replace(second, before=third.signed),
        replace(third, before=first.signed),
        replace(second, earlier=Earlier(bytes(32), second.signed, second.body, ())),
        replace(first, earlier=Earlier(bytes(32), first.signed, first.body, ())),
    ):
        assert not [f for f in examine(forged, terms) if f.is_fault]


async def test_a_false_answer_of_a_look_up_stands_against_the_server(
    posts: Any, tmp_path: Path
) -> None:
    world = World(tmp_path, rows=20, kind="lookup", key=0, quota=50)
    fetcher, server = world.fetcher(), world.server(_Teller)
    async with served(posts, world, server) as socket:
        copy = fetcher.begin(1, 5, "lookup")
        async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
            with pytest.raises(WrongDataError):
                await caller.ask("000003")
    terms = Terms.load(world.chain.chain_id, world.asked("tax").query, 1)
    [finding] = examine(gather(copy), terms)
    assert (finding.code, finding.is_fault) == ("other-record", True)


class _Teller(Server):
    """Answers look-ups with values that were never registered."""

    def _index(self, delivery: dict[str, Any], grant: dict[str, Any]) -> lookup.KeyIndex:
        index = super()._index(delivery, grant)
        plain = index.find
        index.find = lambda key: [  # type: ignore[method-assign]
            replace(found, values=["000003", "x", "y", "z"]) for found in plain(key)
        ]
        return index

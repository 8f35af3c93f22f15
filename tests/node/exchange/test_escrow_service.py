"""What is in custody travels between members over real streams, and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from consensus.crypto import sha256
from node.data import vault
from node.exchange import escrow, escrow_service
from node.exchange.escrow import EscrowError
from node.exchange.escrow_service import ANSWER, SERVICE, VERSION
from node.exchange.streams import DataSocket, StreamError, connect
from node.home import Home

DATASET = "land/shops"
AGREEMENT = {"id": 1, "owner": "land", "custodian": "tax", "dataset": DATASET, "status": "active"}
CHALLENGE = {"id": 7, "by": "land", "custodian": "tax"}


def query(contract: str, method: str, args: dict[str, Any]) -> Any:
    """What the chain says; agreement 2 has ended."""
    match method, args:
        case "agreement", {"agreement": 1}:
            return AGREEMENT
        case "agreement", {"agreement": 2}:
            return {**AGREEMENT, "status": "ended"}
        case "challenge", {"challenge": 7 | 8 as number}:
            return {**CHALLENGE, "id": number}
    return None


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a version of 3 MB, and an answer."""
    made = Home(tmp_path / "home")
    folder = vault.folder_of(made.vault, DATASET, 1)
    folder.mkdir(parents=True)
    for name in escrow.NAMES:
        (folder / name).write_bytes(name.encode())
    (folder / "segments.2").write_bytes(sha256(b"x") * 100_000)
    answers = escrow_service.answers_of(made)
    answers.mkdir(parents=True)
    (answers / "7.answer").write_bytes(b"these are the chunks")
    return made


def placement(home: Home) -> dict[str, Any]:
    count, root = escrow.commit(vault.folder_of(home.vault, DATASET, 1))
    return {"agreement": 1, "version": 1, "chunks": count, "root": root.hex()}


@asynccontextmanager
async def desk(posts: Any, home: Home, server: str, *others: str) -> AsyncIterator[list[Any]]:
    """Let `server` serve the home; yields the sockets of the others."""
    serving, *asking = await posts.start(server, *others)
    async with trio.open_nursery() as nursery, connect(serving.socket) as socket:
        begun = trio.Event()
        nursery.start_soon(escrow_service.serve, socket, home, server, query, begun.set)
        await begun.wait()
        yield asking
        nursery.cancel_scope.cancel()


async def refused(socket: DataSocket, member: str, question: Any) -> str:
    """Ask what is refused; returns the word that ended the stream."""
    stream = await socket.open(member, SERVICE)
    await stream.send(question)
    with pytest.raises(StreamError) as error:
        await stream.receive()
    return error.value.code


async def test_a_custodian_fetches_what_was_placed(posts: Any, home: Home, tmp_path: Path) -> None:
    target, row = tmp_path / "in" / "1-1", placement(home)
    async with desk(posts, home, "land", "tax", "city") as (tax, city):
        async with connect(tax.socket) as socket:
            await escrow_service.fetch_version(socket, "land", row, target)
            for question, code in (
                ([VERSION, 2, 1, 0], "refused"),
                ([VERSION, 3, 1, 0], "refused"),
                ([VERSION, 1, 1], "nonsense"),
                ([9, 1], "nonsense"),
                ("?", "nonsense"),
                ([VERSION, -1, 1, 0], "nonsense"),
                (bytes(1_000), "too-long"),
            ):
                assert await refused(socket, "land", question) == code
            assert "no version" in await refused(socket, "land", [VERSION, 1, 2, 0])
        async with connect(city.socket) as socket:
            assert await refused(socket, "land", [VERSION, 1, 1, 0]) == "refused"
    assert escrow.commit(target) == (row["chunks"], bytes.fromhex(row["root"]))


async def test_a_fetch_goes_on_where_it_was_cut_off(posts: Any, home: Home, tmp_path: Path) -> None:
    target, row = tmp_path / "1-1", placement(home)
    joined = b"".join(
        path.read_bytes() for path in escrow.files_of(vault.folder_of(home.vault, DATASET, 1))
    )
    (tmp_path / ".1-1.part").write_bytes(joined[:2_000_000])
    async with desk(posts, home, "land", "tax") as [tax], connect(tax.socket) as socket:
        await escrow_service.fetch_version(socket, "land", row, target)
        assert escrow.commit(target)[1].hex() == row["root"]
        (tmp_path / ".1-1.part").write_bytes(joined + b"of an earlier placement")
        with pytest.raises(EscrowError, match="something else"):
            await escrow_service.fetch_version(socket, "land", row, target)
        await escrow_service.fetch_version(socket, "land", row, target)
    assert not (tmp_path / ".1-1.part").exists()


async def test_an_answer_goes_to_who_asked(posts: Any, home: Home) -> None:
    async with desk(posts, home, "tax", "land", "city") as (land, city):
        async with connect(land.socket) as socket:
            found = await escrow_service.fetch_answer(socket, "tax", 7)
            assert await refused(socket, "tax", [ANSWER, 8]) == "missing"
            assert await refused(socket, "tax", [ANSWER, 9]) == "refused"
        async with connect(city.socket) as socket:
            assert await refused(socket, "tax", [ANSWER, 7]) == "refused"
    assert found == b"these are the chunks"


async def fetch_from(posts: Any, tmp_path: Path, *messages: Any) -> None:
    """Fetch from an owner that sends these messages."""
    land, tax = await posts.start("land", "tax")
    async with connect(land.socket) as server, connect(tax.socket) as socket:
        await server.serve(SERVICE)

        async def lie() -> None:
            stream = await server.incoming.receive()
            await stream.receive()
            for message in messages:
                await stream.send(message)
            await stream.end()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lie)
            row = {"agreement": 1, "version": 1, "chunks": 10}
            failed: Exception | None = None
            try:
                await escrow_service.fetch_version(socket, "land", row, tmp_path / "got")
            except (EscrowError, StreamError) as error:
                failed = error
            nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([[["../../head", 4]], b"evil"], "not that of a version"),
        ([[["/etc/passwd", 4]], b"evil"], "not that of a version"),
        ([[["segments.1/../../x", 4]], b"evil"], "not that of a version"),
        ([[["head", 4], ["head", 4]], b"evil"], "not that of a version"),
        ([[["head", 1 << 40]]], "damaged"),
        ([[["head", 30_000], ["tree", 30_000]]], "not that of a version"),
        ([[["head", -1]]], "damaged"),
        ([[["head"]]], "damaged"),
        (["x"], "damaged"),
        ([[["head", 4]], b""], "no piece"),
        ([[["head", 4]], b"more than was said"], "no piece"),
        ([[["head", 4]], 7], "no piece"),
        ([[["head", 4]], b"hea"], "closed"),
    ],
)
async def test_a_lying_owner_writes_nothing_elsewhere(
    posts: Any, tmp_path: Path, messages: Any, why: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises((EscrowError, StreamError), match=why):
        await fetch_from(posts, tmp_path, *messages)
    written = {p.name for p in tmp_path.rglob("*") if p.is_file() and p not in before}
    assert written <= {".got.part"}

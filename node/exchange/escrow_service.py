"""Custody over streams: owners give out what they placed, custodians give out their answers.

One question on a stream of the service `custody`, and the answer to it. Whoever serves needs no
key: versions are ciphertext, and answers were made before.

    [0, agreement, version, offset] -> [[name, size]...], then the files' bytes, joined, from offset
    [1, challenge]                  -> the answer
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from consensus.codec import DecodeError, Value, expect_bytes, expect_int, expect_list, expect_text
from node.data import vault
from node.data.chain import Query
from node.exchange import escrow
from node.exchange.escrow import CHUNK_BYTES, EscrowError
from node.exchange.streams import DataSocket, Stream, StreamError
from node.home import Home

SERVICE = "custody"
VERSION, ANSWER = 0, 1
PIECE_BYTES = 256 << 10
MAX_QUESTION_BYTES = 256
MAX_ANSWER_BYTES = 4 << 20
MAX_FILES = 16
MAX_SERVED = 8
"""Streams that are served at a time; others wait."""


def answers_of(home: Home) -> Path:
    """Where a custodian keeps its answers."""
    return home.escrow / "answers"


async def serve(
    socket: DataSocket, home: Home, member: str, query: Query, told: Callable[[], None]
) -> None:
    """Serve until cancelled; `told` is called once it has begun.

    Raises StreamError if another process serves already, and when the node goes.
    """
    await socket.serve(SERVICE)
    told()
    limit = trio.CapacityLimiter(MAX_SERVED)

    async def answer(stream: Stream) -> None:
        async with limit:
            try:
                await _answer(stream, home, member, query)
                await stream.end()
            except EscrowError as error:
                await _end(stream, error.message)
            except DecodeError:
                await _end(stream, "nonsense")
            except StreamError:
                pass  # the other side has gone

    async with trio.open_nursery() as nursery:
        async for stream in socket.incoming:
            nursery.start_soon(answer, stream)
    raise StreamError("our own node", "gone")


async def _end(stream: Stream, code: str) -> None:
    with suppress(StreamError):  # the other side may have gone
        await stream.end(code)


async def _answer(stream: Stream, home: Home, member: str, query: Query) -> None:
    row = expect_list(await stream.receive(MAX_QUESTION_BYTES), "question", max_length=4)
    numbers = [expect_int(each, "number") for each in row]
    match numbers:
        case [0, agreement, version, offset]:
            args = {"agreement": agreement}
            found = await trio.to_thread.run_sync(query, "custody", "agreement", args)
            is_theirs = found is not None and found["custodian"] == stream.member
            if not is_theirs or found["owner"] != member or found["status"] != "active":
                raise EscrowError("refused")
            folder = vault.folder_of(home.vault, found["dataset"], version)
            await _send_version(stream, folder, offset)
        case [1, challenge]:
            args = {"challenge": challenge}
            found = await trio.to_thread.run_sync(query, "custody", "challenge", args)
            if found is None or (found["by"], found["custodian"]) != (stream.member, member):
                raise EscrowError("refused")
            path = answers_of(home) / f"{challenge}.answer"
            if not path.exists():
                raise EscrowError("missing")
            await stream.send(path.read_bytes())
        case _:
            raise DecodeError("no question of this service")


async def _send_version(stream: Stream, folder: Path, offset: int) -> None:
    paths = escrow.files_of(folder)
    await stream.send([[path.name, path.stat().st_size] for path in paths])
    for piece in _pieces(paths, offset):
        await stream.send(piece)


def _pieces(paths: list[Path], offset: int) -> Iterator[bytes]:
    """Yield the files' bytes, joined, from `offset` on."""
    for path in paths:
        size = path.stat().st_size
        if offset >= size:
            offset -= size
            continue
        with path.open("rb") as file:
            file.seek(offset)
            offset = 0
            while piece := file.read(PIECE_BYTES):
                yield piece


async def fetch_version(
    socket: DataSocket, owner: str, placement: dict[str, Any], folder: Path
) -> None:
    """Fetch what was placed into `folder`; goes on where an earlier attempt was cut off.

    The caller compares it with the chain. Raises StreamError, EscrowError.
    """
    part = folder.with_name(f".{folder.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stream = await socket.open(owner, SERVICE)
    with part.open("ab") as file:
        offset = file.tell()
        await stream.send([VERSION, placement["agreement"], placement["version"], offset])
        files = _read_files(await stream.receive(), placement["chunks"] * CHUNK_BYTES)
        total = sum(size for _, size in files)
        while offset < total:
            piece = await stream.receive()
            if type(piece) is not bytes or not 0 < len(piece) <= total - offset:
                raise EscrowError(f"{owner} sends what is no piece of the version")
            offset += file.write(piece)
    await stream.end()
    try:
        if offset != total:
            raise EscrowError(f"{owner} has placed something else meanwhile; try again")
        _split(part, files, folder)
    finally:
        part.unlink()


def _read_files(value: Value, most: int) -> list[tuple[str, int]]:
    """Return names and sizes of a version's files. Raises EscrowError."""
    found: list[tuple[str, int]] = []
    try:
        for row in expect_list(value, "files", max_length=MAX_FILES):
            name, size = expect_list(row, "file", 2)
            found.append((expect_text(name, "name", 64), expect_int(size, "size", 0, most)))
    except DecodeError as error:
        raise EscrowError(f"the owner's list of files is damaged: {error}") from error
    names = [name for name, _ in found]
    is_known = all(name in escrow.NAMES or escrow.is_segments(name) for name in names)
    if not is_known or len(set(names)) != len(names) or sum(s for _, s in found) > most:
        raise EscrowError("the owner's list of files is not that of a version")
    return found


def _split(part: Path, files: list[tuple[str, int]], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    with part.open("rb") as file:
        for name, size in files:
            with (folder / name).open("wb") as target:
                left = size
                while left:
                    left -= target.write(file.read(min(left, PIECE_BYTES)))


async def fetch_answer(socket: DataSocket, custodian: str, challenge: int) -> bytes:
    """Fetch a custodian's answer to a challenge. Raises StreamError."""
    stream = await socket.open(custodian, SERVICE)
    await stream.send([ANSWER, challenge])
    try:
        return expect_bytes(await stream.receive(MAX_ANSWER_BYTES + 16), "answer")
    except DecodeError as error:
        raise EscrowError(f"{custodian} sent no answer") from error
    finally:
        await stream.end()

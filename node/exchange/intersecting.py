"""The size of an intersection between two members, over a stream and under their commitments.

The asker has committed on the chain to its points (`intersections.ask`). On a stream of the
service `compute` it sends ["intersect", run]; the holder makes its own points, commits to them and
pays, both in one transaction, and answers ["ready"]. Then

    asker  -> holder   ["asked", piece, is last]...
    holder -> asker    ["held", piece, is last]...   ["twice", piece, is last]...

Points come joined, in pieces. What does not have the digest on the chain is refused before anything
is made of it. Both sides draw from seeds of their own: whoever goes on after a cut sends the same
again, so that breaking off and asking once more tells nothing.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import trio

from consensus.codec import DecodeError, Value, encode, expect_bytes, expect_list
from node.data import vault
from node.data.access import AccessLog
from node.data.chain import Chain
from node.data.commitment import Field
from node.data.custody import Custody
from node.data.privacy.group import POINT_BYTES, GroupError
from node.data.privacy.intersect import most_points
from node.data.sealing import Sealer, derive
from node.data.worker import Limits, Refusal, Worker, WorkerError
from node.errors import MunimentError
from node.exchange.copies import FetchError, WrongDataError
from node.exchange.streams import DataSocket, Stream
from node.exchange.watch import NotServedError
from node.home import Home

NAME = "intersections"
PIECE_BYTES = 1 << 20
MAX_MESSAGE_BYTES = PIECE_BYTES + 64
PATIENCE_S = 3_600.0
"""How long a side may compute: about half a millisecond for each element."""
SENDING_S = 120.0
"""How long an asker may be silent that has made its points before."""
SALT_BYTES = 16
BATCH = 4_096
_LIMITS = Limits(silence_s=PATIENCE_S)
Look = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Terms:
    """What both sides of a run know of it."""

    session: bytes
    micro_epsilon: int

    @classmethod
    def of(cls, chain_id: bytes, asker: str, dataset: str, nonce: bytes, micro: int) -> Terms:
        """The session keeps points of one run apart from those of any other."""
        return cls(sha256(encode([chain_id, asker, dataset, nonce])).digest(), micro)

    def step(
        self, step: str, seed: bytes, frames: Iterable[Any], **more: int
    ) -> Iterator[list[Any]]:
        """Do one step in a worker. Raises GroupError with what it refused, WorkerError."""
        args: dict[str, Value] = {"step": step, "seed": seed, "session": self.session,
                                  "micro_epsilon": self.micro_epsilon, **more}  # fmt: skip
        with Worker("intersect", args, _LIMITS) as worker:
            worker.feed(frames)
            try:
                yield from worker.frames()
            except Refusal as error:
                raise GroupError(error.message) from error

    def points(self, step: str, seed: bytes, frames: Iterable[Any]) -> bytes:
        """Return the joined points that a step makes."""
        return b"".join(
            expect_bytes(frame[1], "points", max_length=64 << 20)
            for frame in self.step(step, seed, frames)
        )


class Gathering:
    """A joined list of points that comes in pieces. Nothing but bounds and digest is looked at."""

    def __init__(self, what: str, digest: bytes | None, micro_epsilon: int) -> None:
        self._what, self._digest = what, digest
        self._most = POINT_BYTES * most_points(micro_epsilon)
        self._data = bytearray()
        self.is_whole = False

    @property
    def points(self) -> bytes:
        return bytes(self._data)

    def take(self, message: Value) -> None:
        """Take a message in. Raises DecodeError, also where the whole has another digest."""
        row = expect_list(message, "points", 3)
        piece = expect_bytes(row[1], "piece", max_length=PIECE_BYTES)
        if row[0] != self._what or type(row[2]) is not bool or self.is_whole:
            raise DecodeError("no piece of these points")
        if not piece or len(self._data) + len(piece) > self._most:
            raise DecodeError("too many points, or none")
        self._data += piece
        self.is_whole = row[2]
        if self.is_whole and self._digest not in (None, sha256(self._data).digest()):
            raise DecodeError("the points are not those on the chain")


async def _send(stream: Stream, what: str, points: bytes) -> None:
    for at in range(0, len(points), PIECE_BYTES):
        piece = points[at : at + PIECE_BYTES]
        await stream.send([what, piece, at + PIECE_BYTES >= len(points)])


async def _gather(stream: Stream, found: Gathering, patience_s: float) -> bytes:
    while not found.is_whole:
        found.take(await stream.receive(MAX_MESSAGE_BYTES, patience_s))
    return found.points


class Sets:
    """A member's own sets, and the seeds of its runs."""

    def __init__(self, home: Home, chain: Chain, master: bytes) -> None:
        self._chain = chain
        self._custody = Custody(home, chain, master)
        self._log = AccessLog(home.vault, master)
        self._key = derive(master, NAME)

    def asking(self, nonce: bytes) -> bytes:
        """The asker's seed of a run; it draws the nonce itself."""
        return self._seed(["ask", nonce])

    def holding(self, run: dict[str, Any]) -> bytes:
        """The holder's seed of a run: by its number, since the asker could use a nonce twice.

        The noise of both runs would be the same, and their difference exact.
        """
        return self._seed(["hold", run["id"], run["asked"]])

    def _seed(self, of: list[Value]) -> bytes:
        return hmac.digest(self._key, encode([self._chain.chain_id, *of]), "sha256")

    def elements(
        self, dataset: str, version: int, field: int, who: str, purpose: str
    ) -> Iterator[list[str]]:
        """Return what stands in a field of a version, in batches; the read is in the log first."""
        opened = self._custody.open(dataset, version)
        self._log.note(who, dataset, version, (1, opened.head.rows), purpose)
        return _batches(opened, field)


def _batches(opened: vault.Version, field: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for row in opened.rows():
        value: Field = row[field]
        if value is not None:
            batch.append(value)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


# The holder


async def hold(stream: Stream, run: dict[str, Any], sets: Sets, chain: Chain) -> None:
    """Serve one run that the chain knows. Raises NotServedError, DecodeError, StreamError."""
    if run["status"] not in ("asked", "paid"):
        raise NotServedError("wrong-status", f"run {run['id']} is {run['status']}")
    nonce = bytes.fromhex(run["nonce"])
    terms = Terms.of(chain.chain_id, run["asker"], run["dataset"], nonce, run["micro_epsilon"])
    seed = sets.holding(run)

    def prepare() -> bytes:
        purpose = f"intersection {run['id']} with {run['asker']}"
        place = (run["dataset"], run["version"], run["field"])
        try:
            mine = terms.points("hold", seed, sets.elements(*place, "node", purpose))
        except GroupError as error:  # whose sentence tells how many there are
            raise NotServedError(error.code, "the set here has too few elements") from error
        _pay(chain, run["id"], sha256(mine).digest())
        return mine

    try:
        mine = await trio.to_thread.run_sync(prepare)
        await stream.send(["ready"])
        wanted = Gathering("asked", bytes.fromhex(run["asked"]), terms.micro_epsilon)
        theirs = await _gather(stream, wanted, SENDING_S)
        twice = await trio.to_thread.run_sync(terms.points, "again", seed, _pieces(theirs))
    except GroupError as error:
        raise NotServedError(error.code, error.message) from error
    except MunimentError as error:
        if error.code == "failed":  # the chain's refusal, which everybody may read
            raise NotServedError("refused", error.message) from error
        raise
    await _send(stream, "held", mine)
    await _send(stream, "twice", twice)
    await stream.end()


def _pay(chain: Chain, number: int, digest: bytes) -> None:
    """Commit to the own points and pay, unless that was done: another stream may be as far."""
    place = {"run": number}
    try:
        if chain.query(NAME, "get", place)["held"] is None:
            chain.submit(NAME, "pay", {**place, "held": digest})
    except MunimentError:
        if chain.query(NAME, "get", place)["held"] is None:
            raise
    if chain.query(NAME, "get", place)["held"] != digest.hex():
        raise NotServedError("changed", "the set is not what it was when it was paid for")


def _pieces(points: bytes) -> list[bytes]:
    return [points[at : at + PIECE_BYTES] for at in range(0, len(points), PIECE_BYTES)]


# The asker


class Asker:
    """Asks how much a set of one's own has in common with another member's.

    `who` reads the own set; `sees` waits until the own node has seen something, or raises.
    """

    def __init__(
        self, home: Home, chain: Chain, master: bytes, who: str, sees: Callable[[Look], None]
    ) -> None:
        self._folder, self._chain, self._who = home.path / "answers", chain, who
        self._sees = sees
        self._sets = Sets(home, chain, master)
        self._sealer = Sealer(derive(master, "answers"))

    def begin(self, grant: dict[str, Any], sets: dict[str, Any], micro_epsilon: int) -> int:
        """Return the number of the run of two versions, after committing to the own set. Raises.

        `sets` has own, own_version, own_field, version and field, as the contract does.
        """
        known = self._chain.query(NAME, "of", {**sets, "dataset": grant["dataset"]})
        run = None if known is None else self.run(known)
        if run is not None and run["micro_epsilon"] == micro_epsilon:
            if run["status"] != "withdrawn":
                return int(run["id"])
        elif run is not None and run["status"] in ("paid", "done"):
            raise FetchError(
                f"these versions were compared as run {known}, at another price; there is one "
                "result for each pair of versions"
            )
        elif run is not None and run["status"] == "asked":
            self._chain.submit(NAME, "withdraw", {"run": known})
        nonce = os.urandom(16)
        terms = self._terms(grant["dataset"], nonce, micro_epsilon)
        points = self._points(terms, sets, nonce)
        args = {**sets, "grant": grant["id"], "micro_epsilon": micro_epsilon, "nonce": nonce,
                "asked": sha256(points).digest()}  # fmt: skip
        self._chain.submit(NAME, "ask", args)
        return int(self._chain.query(NAME, "of", {**sets, "dataset": grant["dataset"]}))

    def run(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self._chain.query(NAME, "get", {"run": number})
        return found

    def _terms(self, dataset: str, nonce: bytes, micro_epsilon: int) -> Terms:
        chain = self._chain
        return Terms.of(chain.chain_id, chain.member, dataset, nonce, micro_epsilon)

    def _points(self, terms: Terms, sets: dict[str, Any], nonce: bytes) -> bytes:
        place = (sets["own"], sets["own_version"], sets["own_field"])
        elements = self._sets.elements(*place, self._who, "an intersection with another member")
        return terms.points("ask", self._sets.asking(nonce), elements)

    async def count(self, socket: DataSocket, service: str, number: int) -> int:
        """Return the result of a run, which is kept. Raises FetchError, StreamError, GroupError."""
        kept = self.kept(number)
        if kept is None:
            run = self.run(number)
            stream = await socket.open(run["holder"], service)
            try:
                kept = await self._receive(stream, run)
            except DecodeError as error:
                raise WrongDataError(f"{run['holder']} sent something else: {error}") from error
            finally:
                with trio.CancelScope(shield=True):
                    await stream.end()
        return kept

    async def _receive(self, stream: Stream, run: dict[str, Any]) -> int:
        nonce = bytes.fromhex(run["nonce"])
        terms = self._terms(run["dataset"], nonce, run["micro_epsilon"])
        mine = await trio.to_thread.run_sync(self._points, terms, run, nonce)
        if sha256(mine).hexdigest() != run["asked"]:
            raise FetchError("the own set is not what was committed to; records were erased since")
        await stream.send(["intersect", run["id"]])
        match await stream.receive(MAX_MESSAGE_BYTES, PATIENCE_S):
            case ["ready"]:
                pass
            case ["refused", str(code), str(sentence)]:
                raise FetchError(f"{stream.member} refused: {sentence[:300]}", code[:64])
            case _:
                raise DecodeError("no answer")
        held = await trio.to_thread.run_sync(self._held, run["id"])
        await _send(stream, "asked", mine)
        micro = terms.micro_epsilon
        others = await _gather(stream, Gathering("held", held, micro), PATIENCE_S)
        twice = await _gather(stream, Gathering("twice", None, micro), PATIENCE_S)
        return await trio.to_thread.run_sync(self._count, run, terms, mine, twice, others)

    def _held(self, number: int) -> bytes:
        """What was paid names the holder's points; the own node may hear of it a little later."""
        self._sees(lambda: self.run(number)["held"] is not None)
        return bytes.fromhex(self.run(number)["held"])

    def _count(
        self, run: dict[str, Any], terms: Terms, mine: bytes, twice: bytes, others: bytes
    ) -> int:
        seed = self._sets.asking(bytes.fromhex(run["nonce"]))
        own = _pieces(twice)
        sizes = {"own": len(own), "sent": len(mine) // POINT_BYTES}
        frames: Sequence[bytes] = [*own, *_pieces(others)]
        for frame in terms.step("count", seed, frames, **sizes):
            match frame:
                case ["count", int(found)]:
                    self._folder.mkdir(mode=0o700, exist_ok=True)
                    path, name = self._place(run["id"])
                    self._sealer.write(path, name, [os.urandom(SALT_BYTES), found])
                    return found
        raise WorkerError("the worker for intersect sent no count")

    def _place(self, number: int) -> tuple[Any, str]:
        name = f"intersection-{number}"
        return self._folder / name, name

    def kept(self, number: int) -> int | None:
        """The result of a run that is in this home."""
        found: Any = self._sealer.read(*self._place(number))
        return None if found is None else int(found[1])

    def finish(self, number: int) -> None:
        """Bind the result on the chain, unless that was done."""
        if self.run(number)["status"] == "paid":
            kept = self._sealer.read(*self._place(number))
            args = {"run": number, "result": sha256(encode(kept)).digest()}
            self._chain.submit(NAME, "finish", args)

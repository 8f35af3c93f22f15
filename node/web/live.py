"""What a site always knows of its node, brought up to date with every block."""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from node.errors import MunimentError, trace_of
from node.home import Home
from node.rpc.client import LOST, NodeError
from node.situation.figures import Figures
from node.situation.report import report
from node.trace import index as index_file
from node.web.link import Link

DAYS = 90
BLOCKS = 600
SPAN_S = 300
"""What the plots show: so long back."""
LEAST_S, MOST_S = 0.5, 2.0
"""Between two reports: not sooner, however many blocks come, and not later, without any."""
MAX_LINE_BYTES = 8 << 20

log = structlog.get_logger("web")


@dataclass(frozen=True, slots=True)
class Seen:
    """A block: when it reached this process, in seconds since the epoch, and how old it was then.

    One that was there before has the time it names, and no age.
    """

    at: float
    height: int
    transactions: int
    age_s: float | None


@dataclass
class Live:
    """The last report; None while the node cannot be reached, with the reason beside it.

    `changed` is the number of each contract's latest entry in the index; see `latest`. `reading`
    is (height, of) while the index has yet to take in the chain, None once it has.
    """

    home: Home
    link: Link
    report: dict[str, Any] | None = None
    problem: str = ""
    reading: tuple[int, int] | None = None
    number: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    blocks: deque[Seen] = field(default_factory=lambda: deque(maxlen=BLOCKS))
    _changed: trio.Event = field(default_factory=trio.Event)

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the node for ever; tells that it started once the first report is there."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_for_ever)
            await self.wait(0)
            task_status.started()

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                await self._follow()
            except (OSError, trio.BrokenResourceError, MunimentError) as error:
                self._tell(None, str(error))
            except Exception as error:  # whatever a node may say, the pages go on
                log.error("not understood", trace=trace_of(error))
                self._tell(None, str(error))
            await trio.sleep(LEAST_S)

    async def wait(self, after: int) -> None:
        """Return once there is a report later than number `after`."""
        while self.number <= after:
            await self._changed.wait()

    def latest(self, *contracts: str) -> int:
        """The number of the latest entry of these contracts, 0 without any.

        A page takes it before it asks anything, and is old once it is another.
        """
        return max(self.changed.get(each, 0) for each in contracts)

    def throughput(self, buckets: int = 60) -> list[float]:
        """Transactions a second over the last SPAN_S seconds, the oldest first."""
        now, width = time.time(), SPAN_S / buckets
        found = [0.0] * buckets
        for block in self.blocks:
            place = buckets - 1 - int((now - block.at) / width)
            if 0 <= place < buckets:
                found[place] += block.transactions / width
        return found

    def ages(self, buckets: int = 60) -> list[float | None]:
        """Milliseconds from a block's time to its arrival here, the worst in each part."""
        now, width = time.time(), SPAN_S / buckets
        found: list[float | None] = [None] * buckets
        for block in self.blocks:
            place = buckets - 1 - int((now - block.at) / width)
            if 0 <= place < buckets and block.age_s is not None:
                found[place] = max(found[place] or 0.0, block.age_s * 1_000)
        return found

    def _tell(
        self, found: dict[str, Any] | None, problem: str = "",
        reading: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.report, self.problem, self.reading = found, problem, reading
        self.number += 1
        self._changed.set()
        self._changed = trio.Event()

    async def _follow(self) -> None:
        stream = await trio.open_unix_socket(str(self.home.socket))
        async with stream:
            request = {"jsonrpc": "2.0", "id": 1, "method": "subscribe",
                       "params": {"topics": ["blocks"]}}  # fmt: skip
            await stream.send_all(json.dumps(request).encode() + b"\n")
            with closing(await trio.to_thread.run_sync(self._open_index)) as index:
                figures = Figures()
                last = index.first(time.time_ns() // 1_000_000 - DAYS * 86_400_000) - 1
                lines = _Lines(stream)
                if not self.blocks:
                    self.blocks.extend(await trio.to_thread.run_sync(self._seen_before))
                while True:
                    last = await trio.to_thread.run_sync(self._update, index, figures, last)
                    await self._blocks(lines)

    def _open_index(self) -> index_file.Index:
        with self.link.client() as client:
            return index_file.open_index(self.home.trace, client)

    def _seen_before(self) -> list[Seen]:
        """The blocks of the last SPAN_S seconds, as far as they are kept, the oldest first."""
        found: list[Seen] = []
        since = time.time() - SPAN_S
        with self.link.client() as client:
            status = client.call("status")
            low = max(status["kept"]["blocks_from"] - 1, status["height"] - BLOCKS, 0)
            for height in range(status["height"], low, -1):
                block = client.call("block.get", height=height, most=0)
                at = block["timestamp"] / 1_000
                if at < since:
                    break
                found.append(Seen(at, height, block["count"], None))
        return found[::-1]

    def _update(self, index: index_file.Index, figures: Figures, last: int) -> int:
        told = time.monotonic()
        with self.link.client() as client:

            def take(height: int, of: int) -> None:
                nonlocal last, told
                trio.from_thread.check_cancelled()  # the first time takes minutes on a long chain
                for number, entry in index.above(last):
                    figures.add(entry)
                    last = self.changed[entry.contract] = number
                if height == of or time.monotonic() - told > LEAST_S:
                    reading = (height, of) if height < of else None
                    trio.from_thread.run_sync(self._tell, report(client, figures), "", reading)
                    told = time.monotonic()

            index.update(client, take)
        return last

    async def _blocks(self, lines: _Lines) -> None:
        """Take in what comes for a while: LEAST_S after the first block, MOST_S without any."""
        with trio.move_on_after(MOST_S) as scope:
            while True:
                note = json.loads(await lines.take())
                if note.get("method") != "blocks":
                    continue
                block, now = note["params"], time.time()
                age = now - block["timestamp"] / 1_000
                self.blocks.append(Seen(now, block["height"], block["transactions"], max(age, 0)))
                scope.deadline = min(scope.deadline, trio.current_time() + LEAST_S)


class _Lines:
    """Lines of a stream; one that is cancelled while it waits loses nothing."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def take(self) -> bytes:
        """Return the next line. Raises NodeError where the stream ends."""
        while (end := self._buffer.find(b"\n")) < 0:
            data = await self._stream.receive_some()
            if not data or len(self._buffer) > MAX_LINE_BYTES:
                raise NodeError("the node ended the connection", LOST)
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

"""The outgoing queue of one stream: bounded in bytes, written out in large pieces."""

from __future__ import annotations

from collections import deque

import trio


class OutgoingQueue:
    """FIFO of encoded frames with many producers and one writer.

    A frame larger than the bound is taken when the queue is empty, so none is stuck for ever.
    """

    __slots__ = ("_closed", "_filled", "_frames", "_max_bytes", "_room", "_turn", "bytes_queued")

    def __init__(self, max_bytes: int) -> None:
        self.bytes_queued = 0
        self._max_bytes = max_bytes
        self._frames: deque[bytes] = deque()
        self._closed = False
        self._filled = trio.Event()
        self._room = trio.Event()
        self._turn = trio.Lock()  # producers that wait are served in the order they came

    def put(self, frame: bytes) -> bool:
        """Queue a frame, or return False: full, closed, or others wait for room already."""
        return not self._turn.locked() and self._append(frame)

    async def put_wait(self, frame: bytes) -> bool:
        """Queue a frame once there is room. False when the queue was closed."""
        async with self._turn:
            while not self._append(frame):
                if self._closed:
                    return False
                self._room = trio.Event()
                await self._room.wait()
        return True

    async def wait_filled(self) -> None:
        """Return when there is a frame to take."""
        if not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()

    def take(self, limit_bytes: int) -> tuple[int, bytes]:
        """Remove frames up to `limit_bytes`, at least one if any: their count, joined bytes."""
        frames = self._frames
        taken: list[bytes] = []
        size = 0
        while frames and (not taken or size + len(frames[0]) <= limit_bytes):
            frame = frames.popleft()
            taken.append(frame)
            size += len(frame)
        self.bytes_queued -= size
        self._room.set()
        return len(taken), taken[0] if len(taken) == 1 else b"".join(taken)

    def close(self) -> None:
        """Drop what is queued; producers that wait get False."""
        self._closed = True
        self._frames.clear()
        self.bytes_queued = 0
        self._room.set()

    def _append(self, frame: bytes) -> bool:
        if self._closed or (self._frames and self.bytes_queued + len(frame) > self._max_bytes):
            return False
        self._frames.append(frame)
        self.bytes_queued += len(frame)
        self._filled.set()
        return True

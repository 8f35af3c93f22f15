"""Spawned worker processes for whatever touches foreign bytes: parsers, SQL, HTTP, models.

A worker holds no member key, writes no file, ends with its parent, and has limits on memory, CPU
and silence. What it says is foreign input too: frames are bounded and decoded strictly. If it dies,
the run that asked reports so; nothing else is harmed. The parent imports none of its libraries.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from consensus.codec import DecodeError, Value, decode, encode, expect_list, expect_text
from node.errors import MunimentError

MAX_FRAME_BYTES = 64 << 20
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ")
_READ_BYTES = 1 << 20


class WorkerError(MunimentError):
    """A worker died, was silent too long, or refused its job; nothing of its job is kept."""

    code = "worker"


class Refusal(MunimentError):
    """What a job refused inside its worker, with its own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker may use; a silence of `silence_s` seconds ends it."""

    memory_bytes: int = 2 << 30
    cpu_s: int = 3_600
    files: int = 64
    silence_s: float = 300.0


class Worker:
    """One job in a process of its own: send frames, read frames, leave it stopped.

    It inherits `descriptors`, so that it reads what never stands in a file (`descriptor_path`).
    """

    def __init__(
        self,
        job: str,
        args: dict[str, Value],
        limits: Limits | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self._job = job
        self._limits = limits or Limits()
        self._feeding: BaseException | None = None
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "node.data.jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a parser's last words may quote the data
            env={**kept, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
            pass_fds=descriptors,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout
        limit = self._limits
        self.send([job, args, limit.memory_bytes, limit.cpu_s, limit.files])

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the worker if it still runs, and wait for its end."""
        with suppress(ProcessLookupError):
            self._process.kill()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()
        self._process.wait()

    def send(self, value: object) -> None:
        """Send one frame. A worker that has died is reported by `frames`."""
        data = encode(value)
        with suppress(BrokenPipeError):
            self._stdin.write(len(data).to_bytes(4, "big") + data)
            self._stdin.flush()

    def feed(self, values: Iterable[object]) -> threading.Thread:
        """Send frames from another thread, so that answers are read meanwhile; ends with null."""

        def run() -> None:
            try:
                for value in values:
                    self.send(value)
                self.send(None)
            except BaseException as error:
                # The worker never sees the end of its input, so it cannot take half for whole.
                self._feeding = error
                with suppress(ProcessLookupError):
                    self._process.kill()
            finally:
                with suppress(OSError, ValueError):
                    self._stdin.close()

        thread = threading.Thread(target=run, name=f"feed {self._job}", daemon=True)
        thread.start()
        return thread

    def frames(self) -> Iterator[list[Any]]:
        """Yield [kind, ...] until the worker is done. Raises WorkerError, or what the job refused.

        A refusal crosses as a code and a sentence that quotes no data.
        """
        while True:
            size = int.from_bytes(self._read(4), "big")
            if size > MAX_FRAME_BYTES:
                raise WorkerError(f"the worker for {self._job} sent a frame of {size} bytes")
            try:
                frame = expect_list(decode(self._read(size), max_bytes=MAX_FRAME_BYTES), "frame")
                kind = expect_text(frame[0] if frame else None, "frame kind", 32)
                if kind == "done":
                    return
                if kind == "error":
                    raise Refusal(
                        expect_text(frame[1], "code", 64), expect_text(frame[2], "sentence", 4_096)
                    )
            except DecodeError as error:
                raise WorkerError(f"the worker for {self._job} sent nonsense: {error}") from error
            yield frame

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        deadline = time.monotonic() + self._limits.silence_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while size:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise WorkerError(
                        f"the worker for {self._job} was silent for {self._limits.silence_s:g} s "
                        "and was stopped"
                    )
                data = os.read(self._stdout.fileno(), min(size, _READ_BYTES))
                if not data:
                    if self._feeding is not None:
                        raise self._feeding
                    raise WorkerError(self._death())
                parts.append(data)
                size -= len(data)
        return b"".join(parts)

    def _death(self) -> str:
        status = self._process.wait()
        if status == -signal.SIGXCPU or status == -signal.SIGKILL:
            return f"the worker for {self._job} was killed: it used up its time or memory"
        if status < 0:
            name = signal.Signals(-status).name
            return f"the worker for {self._job} crashed ({name}); the input may be made to do so"
        return f"the worker for {self._job} ended early (status {status})"


def descriptor_path(descriptor: int) -> str:
    """Return the path by which a worker reads a descriptor that it was given."""
    return f"/proc/self/fd/{descriptor}"

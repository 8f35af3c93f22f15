"""A worker's life: take limits, read the job, answer frames, end."""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

from consensus.codec import decode, encode
from node.data import rules
from node.data.worker import MAX_FRAME_BYTES
from node.errors import MunimentError

_JOBS = {
    "profile": "node.data.jobs.profile",
    "read": "node.data.jobs.read",
    "process": "node.data.jobs.process",
    "documents": "node.data.jobs.documents",
    "train": "node.data.jobs.train",
    "mask": "node.data.jobs.mask",
    "agree": "node.data.jobs.agree",
    "trace": "node.data.jobs.trace",
    "aggregate": "node.data.jobs.aggregate",
    "total": "node.data.jobs.total",
    "intersect": "node.data.jobs.intersect",
    "stamp": "node.data.jobs.stamp",
    "rows": "node.data.jobs.rows",
}
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
Send = Callable[..., None]


def main() -> None:
    """Run one job. Jobs yield frames; anything they raise becomes one last frame."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not get between the frames
    _follow_parent()
    incoming = _frames(source)
    job, args, memory, cpu, files = next(incoming)
    _take_limits(memory, cpu, files)
    try:
        if isinstance(args.get("rules"), bytes):
            rules.hand(args["rules"])
        module = importlib.import_module(_JOBS[job])
        for frame in module.run(args, incoming):
            _send(sink, frame)
        _send(sink, ["done"])
    except MunimentError as error:
        _send(sink, ["error", error.code, error.message[:1_000]])
    except MemoryError:
        _send(sink, ["error", "too-large", f"the input needs more than {memory >> 20} MiB"])
    except Exception as error:
        # Only the kind is told: the message of a foreign library may quote the data.
        _send(sink, ["error", "worker", f"{job} failed: {type(error).__name__}"])
    sink.flush()
    os._exit(0)  # no library's exit hooks, which may hang on what a hostile file left behind


def _follow_parent() -> None:
    """Die when the parent does, and gain no rights by executing anything."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() == 1:
        os._exit(1)


def _take_limits(memory: int, cpu: int, files: int) -> None:
    """No file can be written, so that no temporary file ever holds plain data."""
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (least, least))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _frames(source: IO[bytes]) -> Iterator[Any]:
    """Yield what the parent sends, until it sends null."""
    while True:
        head = source.read(4)
        if len(head) < 4:
            os._exit(1)  # the parent is gone, or its feed broke off: half is not whole
        size = int.from_bytes(head, "big")
        value = decode(source.read(size), max_bytes=MAX_FRAME_BYTES)
        if value is None:
            return
        yield value


def _send(sink: IO[bytes], frame: object) -> None:
    data = encode(frame)
    sink.write(len(data).to_bytes(4, "big") + data)
    sink.flush()


if __name__ == "__main__":
    main()

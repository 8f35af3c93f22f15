"""Work that takes longer than a page may wait, done in threads and asked after."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import structlog

from node.desk.params import number, text
from node.errors import MunimentError, trace_of

if TYPE_CHECKING:
    from node.desk import Desk, Method

AT_ONCE = 4
MAX_WAIT_MS = 30_000
KEPT = 50
"""Jobs that are remembered, the latest."""

log = structlog.get_logger("desk")


class JobError(MunimentError):
    """There is no such job, or there are too many."""

    code = "job"


class StoppedError(MunimentError):
    """Somebody stopped the job."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__("it was stopped")


@dataclass
class Job:
    """`done` of `of` units (0: nobody knows how many); `line` says what is being done.

    `problem` says why it has failed, with the error's code.
    """

    id: str
    kind: str
    about: str
    begun_ms: int
    state: str = "running"
    done: int = 0
    of: int = 0
    line: str = ""
    result: Any = None
    problem: str = ""
    code: str = ""
    ended_ms: int = 0
    is_stopped: bool = False


Progress = Callable[[int, int, str], None]
"""Called by work with done, of, line; raises StoppedError once somebody has stopped it."""


class Jobs:
    """What runs, and the latest of what ran. A desk that ends takes its jobs along."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._jobs: dict[str, Job] = {}

    def start(self, kind: str, about: str, work: Callable[[Progress], Any]) -> str:
        """Begin `work(progress)`, whose result JSON can hold; returns the job's id.

        The same kind about the same thing runs once: while it does, its id is returned.
        Raises JobError if too many run.
        """
        with self._lock:
            running = [job for job in self._jobs.values() if job.state == "running"]
            for job in running:
                if (job.kind, job.about) == (kind, about):
                    return job.id
            if len(running) >= AT_ONCE:
                raise JobError(f"{AT_ONCE} jobs are running; wait until one is done, or stop one")
            made = Job(secrets.token_hex(8), kind, about, _now_ms())
            self._jobs[made.id] = made
            ended = [job.id for job in self._jobs.values() if job.state != "running"]
            for old in ended[: max(0, len(self._jobs) - KEPT)]:  # the oldest
                del self._jobs[old]
        threading.Thread(None, self._run, made.id, (made, work), daemon=True).start()
        return made.id

    def _run(self, job: Job, work: Callable[[Progress], Any]) -> None:
        def progress(done: int, of: int, line: str) -> None:
            if job.is_stopped:
                raise StoppedError
            job.done, job.of, job.line = done, of, line

        state, result, problem, code = "done", None, "", ""
        try:
            result = work(progress)
        except MunimentError as error:
            state = "stopped" if isinstance(error, StoppedError) else "failed"
            problem, code = error.message, error.code
        except Exception as error:
            incident = secrets.token_hex(4)
            log.error("a job failed", kind=job.kind, incident=incident, trace=trace_of(error))
            state, code = "failed", "internal"
            problem = f"internal error; see {incident} in the log"
        with self._lock:
            job.result, job.problem, job.code = result, problem, code
            job.ended_ms, job.state = _now_ms(), state
            self._lock.notify_all()

    def get(self, job: str) -> dict[str, Any]:
        """Raises JobError."""
        with self._lock:
            return asdict(self._find(job))

    def wait(self, job: str, timeout_s: float) -> dict[str, Any]:
        """As `get`, once the job has ended or the time is over. Raises JobError."""
        with self._lock:
            found = self._find(job)
            self._lock.wait_for(lambda: found.state != "running", timeout_s)
            return asdict(found)

    def all(self) -> list[dict[str, Any]]:
        """The latest first."""
        with self._lock:
            return [asdict(job) for job in reversed(self._jobs.values())]

    def stop(self, job: str) -> None:
        """It ends where it next says how far it is. Raises JobError."""
        with self._lock:
            self._find(job).is_stopped = True

    def _find(self, job: str) -> Job:
        found = self._jobs.get(job)
        if found is None:
            raise JobError("there is no such job, or it was long ago")
        return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _list(desk: Desk, params: Mapping[str, Any]) -> Any:
    return desk.jobs.all()


def _get(desk: Desk, params: Mapping[str, Any]) -> Any:
    return desk.jobs.get(text(params, "job"))


def _wait(desk: Desk, params: Mapping[str, Any]) -> Any:
    return desk.jobs.wait(text(params, "job"), number(params, "timeout_ms", 0, MAX_WAIT_MS) / 1_000)


def _stop(desk: Desk, params: Mapping[str, Any]) -> Any:
    desk.jobs.stop(text(params, "job"))


METHODS: dict[str, Method] = {
    "job.list": _list,
    "job.get": _get,
    "job.wait": _wait,
    "job.stop": _stop,
}

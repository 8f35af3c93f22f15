"""A collect run: fetch, make, register. Killed at any moment, the next run takes it up again.

A version is registered whole, or not at all. `run` is how one stands on disk, `fetch` reads the
source into it, `making` turns that into a version, `register` puts it on the chain.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from consensus.codec import expect_list
from node.data.access import AccessLog
from node.data.chain import Chain
from node.data.commitment import Field
from node.data.fetch import fetch, shown
from node.data.history import History, Past
from node.data.making import give_way, make, refinery
from node.data.refine import CollectError, names_of, number_of
from node.data.register import UnsignedError, is_registered, register
from node.data.run import Progress, Task
from node.data.source import Source
from node.errors import MunimentError
from node.home import Home

TRIES = 2
"""A version is made so often on top of another registration that came first."""
_ENDS = ("stopped", UnsignedError.code)
"""Codes of what ends a run without being a failure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run came to its end. `state`: registered, unchanged, or ready.

    One that fails, is stopped or leaves a version for a signature raises; see `history.Past`.
    """

    state: str
    dataset: str
    version: int
    rows: int = 0
    refused: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    level: int = 0
    commitment: str = ""
    txid: str = ""
    height: int = 0


class Collector:
    """Runs of one source."""

    def __init__(
        self, home: Home, source: Source, chain: Chain, master: bytes,
        told: Progress = lambda done, of, line: None,
    ) -> None:  # fmt: skip
        self._task = Task(home, source, chain, master, told)
        self.decisions = self._task.decisions
        self.quarantine = self._task.quarantine
        self.history = History(self._task.folder, master)

    def run(self) -> Outcome:
        """Run, or finish the run that was broken off. Raises MunimentError."""
        with self._alone():
            return self._noted(lambda: self._finish() or self._collect())

    def ready(self) -> dict[str, Any] | None:
        """Return what waits for a signature, if something does.

        `args` of its registration, `changes` (how many records were added, removed, changed), how
        many were `refused`. One that the chain has by now is finished first. Raises MunimentError.
        """
        run = self._task.run
        with self._alone():
            if run.holds("ready") and is_registered(self._task.chain, run.read("ready")["args"]):
                self._noted(lambda: self._finish() or self._unchanged())
            return run.read("ready") if run.holds("ready") else None

    def correct(self, row: int, changes: dict[str, Field]) -> None:
        """Note what fields of a refused record should be. Raises MunimentError."""
        with self._alone():
            self.quarantine.correct(self.field_names(), row, changes)

    def clear(self) -> int:
        """Destroy what was refused, and the corrections; returns how many waited."""
        with self._alone():
            return self.quarantine.clear()

    def end(self) -> None:
        """Destroy what a run left here and what was refused; versions of the dataset stay."""
        with self._alone():
            self._task.run.destroy()
            self.quarantine.clear()
            self._task.forget_state()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        folder = self._task.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                name = self._task.source.name
                raise CollectError(f"another run of {name} is under way") from None
            yield

    def _noted(self, work: Callable[[], Outcome]) -> Outcome:
        """Do `work`, and enter how it ended into the history."""
        began = _now_ms()
        try:
            done = work()
        except MunimentError as error:
            state = error.code if error.code in _ENDS else "failed"
            if state == UnsignedError.code:
                self._note(began, _outcome(self._task.run.read("ready"), state))
            else:
                why = (error.message, error.code) if state == "failed" else ("", "")
                self.history.note(Past(began, _now_ms(), state, problem=why[0], code=why[1]))
            raise
        self._note(began, done)
        return done

    def _note(self, began: int, done: Outcome) -> None:
        self.history.note(Past(began, _now_ms(), done.state, done.version, done.rows, done.refused,
                               done.added, done.removed, done.changed))  # fmt: skip

    def _collect(self) -> Outcome:
        task = self._task
        state, standard = task.read_state(), task.find_standard()
        if not task.run.holds("fetched") and not fetch(task, state, standard):
            task.run.destroy()
            return self._unchanged()
        for _ in range(TRIES):
            if not make(task, standard):
                self.quarantine.settle()
                self._keep_state()
                return self._unchanged()
            if (outcome := self._finish()) is not None:
                return outcome
        raise CollectError(f"other registrations of {task.dataset} came first; run it again")

    def _finish(self) -> Outcome | None:
        """Register what stands ready, once; None if nothing does."""
        run = self._task.run
        if not run.holds("ready"):
            return None
        ready = run.read("ready")
        args: dict[str, Any] = ready["args"]
        state = register(run, self._task.chain, args)
        if state is None:
            give_way(self._task, args)  # the version is made again on top of the other one
            return None
        self.quarantine.settle()
        self._keep_state()
        return _outcome(ready, "registered", state["txid"], state["height"])

    def _keep_state(self) -> None:
        """Remember where the next run begins, then destroy this one."""
        task = self._task
        fetched = task.run.read("fetched")
        known = {each["path"]: each for each in task.read_state()["files"]}
        known |= {each["path"]: each for each in fetched["files"] if "path" in each}
        if task.source.kind == "inbox":
            self._remove_uploads(known)
            known = {}
        task.write_state({**fetched, "files": list(known.values())})
        task.run.destroy()

    def _remove_uploads(self, ids: Collection[str]) -> None:
        """What is registered by now need not stay in the inbox."""
        for upload in self._task.inbox.accepted(self._task.source.name):
            if upload.id in ids:
                self._task.inbox.remove(upload.id)

    def _unchanged(self) -> Outcome:
        known = self._task.registered()
        latest, rows = (0, 0) if known is None else (known["latest"], known["rows"])
        return Outcome("unchanged", self._task.dataset, latest, rows)

    def look(self) -> Iterator[list[Field]]:
        """Yield all records that the source shows now and that follow the standard.

        Nothing is staged, registered or kept; what is refused is left out.
        """
        standard = self._task.find_standard()
        return refinery(self._task).those_that_follow(standard, shown(self._task, standard))

    def note_access(self, operator: str, purpose: str) -> None:
        """Enter into the access log that refused records are shown; they have no version yet."""
        log = AccessLog(self._task.home.vault, self._task.master)
        log.note(operator, self._task.dataset, 0, (0, 0), purpose)

    def field_names(self) -> list[str]:
        """Return the names of the standard's fields."""
        return names_of(self.standard())

    def standard(self) -> dict[str, Any]:
        """Return the standard that the source follows. Raises CollectError."""
        return self._task.find_standard()


def _outcome(ready: dict[str, Any], state: str, txid: str = "", height: int = 0) -> Outcome:
    """What comes of a version that stands ready."""
    args = ready["args"]
    added, removed, changed = map(number_of, expect_list(ready["changes"], "changes", 3))
    return Outcome(
        state=state,
        dataset=args["dataset"],
        version=args["version"],
        rows=args["rows"],
        refused=number_of(ready["refused"]),
        added=added,
        removed=removed,
        changed=changed,
        level=args["level"],
        commitment=args["commitment"].hex(),
        txid=txid,
        height=height,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

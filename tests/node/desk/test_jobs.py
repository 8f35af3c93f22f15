"""Jobs tell how far they are, run once each, can be stopped, and never take the desk along."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from node.desk import jobs as module
from node.desk.jobs import JobError, Jobs, Progress
from node.errors import MunimentError


class Work:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, progress: Progress) -> Any:
        progress(3, 10, "reading")
        self.begun.set()
        assert self.go_on.wait(60)
        progress(10, 10, "writing")
        return {"version": 4}


def end_of(jobs: Jobs, job: str) -> dict[str, Any]:
    return jobs.wait(job, 60)


def test_a_job_tells_how_far_it_is_and_runs_once() -> None:
    jobs, work = Jobs(), Work()
    job = jobs.start("collect", "permits", work)
    assert work.begun.wait(60)
    assert jobs.start("collect", "permits", work) == job
    found = jobs.wait(job, 0)
    assert (found["state"], found["done"], found["of"], found["line"]) == (
        "running", 3, 10, "reading",
    )  # fmt: skip
    work.go_on.set()
    found = end_of(jobs, job)
    assert (found["state"], found["done"], found["result"]) == ("done", 10, {"version": 4})
    assert found["ended_ms"] >= found["begun_ms"]


def test_a_job_that_is_stopped_ends_where_it_next_looks() -> None:
    jobs, work = Jobs(), Work()
    job = jobs.start("collect", "permits", work)
    assert work.begun.wait(60)
    jobs.stop(job)
    work.go_on.set()
    assert end_of(jobs, job)["state"] == "stopped"


def test_faults_are_told_without_their_inner_side(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = Jobs()

    def refuse(progress: Progress) -> None:
        raise MunimentError("the file is gone")

    def fail(progress: Progress) -> None:
        value = "".join(("what is", " kept"))
        try:
            int(value)
        except ValueError as error:
            raise ExceptionGroup(value, [OSError(value)]) from error

    assert end_of(jobs, jobs.start("a", "x", refuse))["problem"] == "the file is gone"
    told = end_of(jobs, jobs.start("b", "x", fail))
    assert told["state"] == "failed"
    assert "what is kept" not in told["problem"]
    log = capsys.readouterr().out
    assert all(each in log for each in ("a job failed", "test_jobs.py", "OSError", "ValueError"))
    assert "what is kept" not in log


def test_jobs_are_bounded() -> None:
    jobs, waiting = Jobs(), [Work() for _ in range(module.AT_ONCE)]
    running = [jobs.start("fetch", str(n), work) for n, work in enumerate(waiting)]
    with pytest.raises(JobError, match="are running"):
        jobs.start("fetch", "more", Work())
    for work in waiting:
        work.go_on.set()
    for job in running:
        end_of(jobs, job)
    for n in range(module.KEPT + 5):
        end_of(jobs, jobs.start("quick", str(n), lambda progress: None))
    kept = jobs.all()
    assert len(kept) == module.KEPT
    assert kept[0]["about"] == str(module.KEPT + 4)
    with pytest.raises(JobError, match="no such job"):
        jobs.get(running[0])

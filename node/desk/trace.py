"""What a trace needs of the vault and of other members: a record's row, and access logs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from node.cli.trace_logs import PATIENCE_S, ask_logs, member_asker, to_data
from node.cli.traced import lives
from node.desk.found import custody
from node.desk.params import number, text
from node.exchange.logs import Question
from node.trace.record import Span, deliveries_of, holders_of

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress

MAX_ENTRIES = 1_000
"""Entries of each log that are handed out, the latest."""
MAX_ROWS = 100
MAX_VALUE = 1_000


def _row(desk: Desk, params: Mapping[str, Any]) -> str:
    """Begin to look for the records of an own version whose field has a value; returns the job.

    `operator` is who asks, and stands in the access log.
    """
    dataset, version = text(params, "dataset"), number(params, "version", 1)
    field, operator = text(params, "field"), text(params, "operator")
    value = text(params, "value", MAX_VALUE)

    def work(progress: Progress) -> dict[str, Any]:
        found = custody(desk)
        rows = found.rows_with(operator, dataset, version, field, value)
        return {"dataset": dataset, "version": version, "count": len(rows),
                "rows": rows[:MAX_ROWS]}  # fmt: skip

    # The value stays out of what jobs tell; without it no two questions are the same.
    about = f"{dataset} v{version} {field} ({secrets.token_hex(3)})"
    return desk.jobs.start("trace.row", about, work)


def _logs(desk: Desk, params: Mapping[str, Any]) -> str:
    """Begin to ask who read a dataset, a version or a row of it (0: all); returns the job."""
    dataset, version = text(params, "dataset"), number(params, "version")
    question = Question(dataset, version, number(params, "row"))
    about = dataset + f" v{version}" * (version > 0) + f" #{question.row}" * (question.row > 0)
    return desk.jobs.start("trace.logs", about, lambda told: _ask(desk, question, told))


def _ask(desk: Desk, question: Question, progress: Progress) -> dict[str, Any]:
    """What each holder showed, as `muniment trace --logs` has it, and the question."""
    life = lives(desk.home.path, f"dataset:{question.dataset}")
    had = [each for each in deliveries_of(life) if question.version in (0, each.version)]
    holders = holders_of(question.dataset.partition("/")[0], life)
    progress(0, len(holders), ", ".join(holders))
    asker = member_asker(desk.home, desk.passphrase)
    found = to_data(ask_logs(asker, holders, question, had, Span(), PATIENCE_S))
    for log in found["logs"]:
        log["shown"] = len(log["entries"])
        log["entries"] = log["entries"][-MAX_ENTRIES:]
    about = {"dataset": question.dataset, "version": question.version, "row": question.row}
    return {**found, **about}


METHODS: dict[str, Method] = {"trace.logs": _logs, "trace.row": _row}

"""Authorisations of subjects: how many records of a dataset they cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from node.desk.found import custody
from node.desk.params import number, text
from node.exchange.authorise import Authorisations

if TYPE_CHECKING:
    from node.desk import Desk, Method


def _coverage(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Count the records of an own dataset that subjects authorise, and those left out, as a job.

    `who` asks enters the access log. Returns the job's id.
    """
    dataset, recipient, purpose, who = (
        text(params, name) for name in ("dataset", "recipient", "purpose", "who")
    )
    version, now_ms = number(params, "version", 1), number(params, "time")

    def work(progress: Any) -> Any:
        progress(0, 0, "opening")
        found = Authorisations.load(
            desk.chain.chain_id, desk.chain.query, desk.open_envelope,
            (dataset, recipient, purpose), now_ms,
        )  # fmt: skip
        held = custody(desk)
        opened = held.open(dataset, version)
        rows = opened.head.rows
        held.log.note(who, dataset, version, (1, rows), "authorise coverage")
        covered = 0
        for place, values in enumerate(opened.rows(), 1):
            covered += found.covers(values)
            if place % 10_000 == 0:
                progress(place, rows, "counting")
        return {
            "covered": covered, "left_out": rows - len(opened.erased()) - covered,
            "forged": sum(batch.forged for batch in found.batches), "version": version,
            "batches": [batch.scope.batch for batch in found.batches],
        }  # fmt: skip

    return desk.jobs.start("coverage", f"{dataset} {recipient} {purpose}", work)


METHODS: dict[str, Method] = {"authorisation.coverage": _coverage}

"""Authorisations of subjects: how many records they cover, and what withdrawals oblige to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from node.desk.found import custody, find
from node.desk.params import ParamError, number, text
from node.desk.sealing import seal
from node.exchange.authorise import Authorisations
from node.exchange.erasure import erase_rows, order_record, rows_of, rows_to_tell

if TYPE_CHECKING:
    from node.desk import Desk, Method

LOOK = "withdrawn"
"""The kind of a job that finds what is withdrawn."""


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


def _look(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Find the delivered rows that an obligation of this owner's is about, as a job.

    `who` asks enters the access log. Returns the job's id.
    """
    found, who = _obligation(desk, params, "telling"), text(params, "who")
    now_ms = number(params, "time")

    def work(progress: Any) -> Any:
        progress(0, 0, "reading")
        rows = rows_to_tell(
            desk.home, desk.chain, desk.master, desk.open_envelope, found, who, now_ms
        )
        return {"rows": rows}

    return desk.jobs.start(LOOK, str(found["id"]), work)


def _tell(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Seal the rows that a `job` has found to the recipient."""
    found, job = _obligation(desk, params, "telling"), desk.jobs.get(text(params, "job"))
    if (job["kind"], job["about"], job["state"]) != (LOOK, str(found["id"]), "done"):
        raise ParamError(f"this job has not found the rows of obligation {found['id']}")
    rows = job["result"]["rows"]
    envelope, anchor = seal(desk, order_record(found["id"], rows), [found["recipient"]])
    return {"rows": len(rows), "envelope": envelope.hex(), "anchor": anchor}


def _told(desk: Desk, params: Mapping[str, Any]) -> Any:
    """How many rows an owner has told this recipient to erase."""
    return {"rows": len(_rows_of(desk, _obligation(desk, params, "erasing")))}


def _erase(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Erase these rows from what was fetched here; may be repeated. Returns how many they are."""
    rows = _rows_of(desk, _obligation(desk, params, "erasing"))
    erase_rows(desk.home, desk.chain, desk.master, rows)
    return {"rows": len(rows)}


def _rows_of(desk: Desk, obligation: Mapping[str, Any]) -> list[list[int]]:
    content = desk.open_envelope(bytes.fromhex(obligation["envelope"]))
    return rows_of(obligation["id"], content)


def _obligation(desk: Desk, params: Mapping[str, Any], status: str) -> Any:
    """The obligation that waits for this member in such a state. Raises ParamError."""
    found = find(desk, params, "subjects", "obligation", "obligation")
    if (found["waits_for"], found["status"]) != (desk.member, status):
        raise ParamError(f"obligation {found['id']} does not wait for {desk.member} like this")
    return found


METHODS: dict[str, Method] = {
    "authorisation.coverage": _coverage,
    "authorisation.look": _look,
    "authorisation.tell": _tell,
    "authorisation.told": _told,
    "authorisation.erase": _erase,
}

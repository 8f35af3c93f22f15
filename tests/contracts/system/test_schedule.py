"""Work that becomes due: in order, a bounded number in a block, each alone, told in receipt 0."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from contracts import checks
from contracts.api import Args, Context, Contract, Signature, fail
from contracts.codes import Code
from contracts.engine import execute_block
from contracts.envelope import Call
from contracts.system import VERSIONS, schedule
from tests.contracts.conftest import NOW, Chain


def _plan(ctx: Context, args: Args) -> None:
    schedule.add(ctx, args["due"], args["id"].encode("ascii"))


def _drop(ctx: Context, args: Args) -> None:
    schedule.remove(ctx, args["due"], args["id"].encode("ascii"))


def _on_due(ctx: Context, identity: bytes) -> None:
    ctx.put(identity, True)
    ctx.emit("done", identity.decode("ascii"))
    if identity.startswith(b"again"):
        schedule.add(ctx, ctx.block.timestamp + 5, b"once")
    if identity.startswith(b"bad"):
        fail(Code.NOT_FOUND)


_ARGUMENTS = {"due": checks.integer(0, 1 << 53), "id": checks.slug}
PROBE = Contract(
    "probe",
    {"plan": Signature(_plan, _ARGUMENTS), "drop": Signature(_drop, _ARGUMENTS)},
    {},
    on_due=_on_due,
)
RELEASE = {1: {**VERSIONS[1], "probe": PROBE}}


class Probed(Chain):
    """A chain whose release has the contract `probe`."""

    def block(self, *calls: Call) -> list[tuple[str, Any]]:
        """Execute a block; returns what its own work announced."""
        signed = [self.sign("tax", call, valid_until=self.height + 9) for call in calls]
        result = execute_block(self.state, self.context(), signed, RELEASE)
        self.state.apply(result.changes)
        self.height += 1
        work = result.receipts[: len(result.receipts) - len(signed)]
        return [(event.name, event.data) for receipt in work for event in receipt.events]


def plan(due: int, identity: str, method: str = "plan") -> Call:
    return Call("probe", method, {"due": NOW + due, "id": identity})


@pytest.mark.parametrize("seed", range(20))
def test_what_is_due_is_done_in_order_and_the_rest_carried_over(seed: int) -> None:
    random = Random(seed)
    chain = Probed()
    items = {(random.randrange(10_000, 20_000), f"i{n}") for n in range(random.randrange(1, 200))}
    for due, identity in random.sample(sorted(items), len(items)):
        assert chain.block(plan(due, identity)) == []
    done: list[str] = []
    while len(done) < len(items):
        chain.late_ms += random.randrange(1, 4_000)
        found = chain.block()
        assert len(found) <= schedule.MAX_WORK
        left = sorted(items)[len(done) :]
        time = chain.context().timestamp - NOW - 1  # of the block that was just executed
        expected = [identity for due, identity in left if due <= time][: schedule.MAX_WORK]
        assert [data for _, data in found] == expected
        done += expected
    assert chain.block() == []
    assert not [key for key in chain.state.values if key.startswith(b"schedule/")]


def test_a_failing_item_leaves_an_event_and_harms_no_other() -> None:
    chain = Probed()
    chain.block(plan(10, "bad"), plan(10, "good"), plan(10, "gone"))
    chain.block(plan(10, "gone", "drop"))
    chain.late_ms = 100
    assert chain.block() == [("failed", ["probe", int(Code.NOT_FOUND)]), ("done", "good")]
    assert b"probe/bad" not in chain.state.values
    assert b"probe/good" in chain.state.values
    assert chain.block() == []


def test_work_of_a_contract_that_a_later_version_lacks_is_given_up() -> None:
    chain = Probed()
    chain.block(plan(10, "i"))
    chain.late_ms = 100
    assert chain.execute().receipts == ()
    assert chain.ask("schedule", "list") == []


def test_work_may_put_more_work_on_the_schedule() -> None:
    chain = Probed()
    chain.block(plan(2, "again"))
    assert chain.block() == [("done", "again")]
    chain.late_ms += 4
    assert chain.block() == [("done", "once")]
    assert chain.ask("schedule", "list") == []

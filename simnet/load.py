"""Open load: operators who submit transactions at a steady rate, whatever the nodes answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.codec import Value
from contracts.envelope import Call, Transaction
from node.outcome import Refusal
from simnet.clock import elapsed_ms, sleep_until_ms
from simnet.host import Host

if TYPE_CHECKING:
    from simnet.world import World

_FIELD: dict[str, Value] = {
    "name": "code", "type": "text", "unit": None, "codes": None,
    "level": 1, "class": "general", "mask": None,
}  # fmt: skip


class Load:
    """Makes and submits transactions: mostly sound ones, some that must fail or be refused."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._count = 0
        self._random = world.load_random

    async def run(self) -> None:
        tps = self._world.scenario.load_tps
        if not tps:
            return
        number = 0
        while elapsed_ms() < self._world.fault_end_ms:
            number += 1
            await sleep_until_ms(number * 1_000 // tps)
            hosts = [h for h in self._world.hosts if h.driver is not None and h.is_honest]
            if hosts:
                self.submit(self._random.choice(hosts))

    def submit(self, host: Host) -> None:
        """Hand one transaction, sound or not, to a node, as its member's operator does."""
        self._submit(host, self._random.randrange(12))

    def submit_sound(self, host: Host) -> None:
        """Hand in one that must become final."""
        self._submit(host, 11)

    def _submit(self, host: Host, kind: int) -> None:
        driver, core = host.driver, host.core
        if driver is None or core is None or not core.is_started:
            return
        tip = core.ledger.tip.header.height
        long = self._world.genesis.parameters.replay_window // 2
        valid_until = tip + (long if kind == 11 else self._random.choice((3, 10, long)))
        name = self._random.randbytes(4).hex()
        if kind == 0:
            valid_until = max(0, tip - 1)
        elif kind == 1:
            name = "taken"  # all but the first publication of it fail in execution
        transaction = Transaction.create(
            host.identity.keys["member"],
            host.genesis.chain_id,
            host.name,
            self._random.randbytes(16),
            valid_until,
            host.clock().wall,
            (publish(host.name, name),),
        )
        raw = transaction.raw
        if kind == 2:
            raw = raw[:-1] + bytes((raw[-1] ^ 1,))
        elif kind == 3 and self._world.invariants.committed:
            raw = self._replayed(raw)
        self._world.fired["submission"] += 1

        def answer(found: Transaction | Refusal) -> None:
            self._world.invariants.take_answer(host, found)
            if isinstance(found, Refusal):
                self._world.fired[f"refused: {found.code}"] += 1

        driver.submit(raw, answer)

    def _replayed(self, raw: bytes) -> bytes:
        submissions = self._world.invariants.submissions
        final = [s for s in submissions.values() if s.outcome == "final"]
        return self._random.choice(final).transaction.raw if final else raw


def submit_call(world: World, host: Host, call: Call, valid_for: int) -> None:
    """Hand in one call of a member through its own node, if that runs."""
    if host.driver is None or host.core is None or not host.core.is_started:
        return
    transaction = Transaction.create(
        host.identity.keys["member"],
        host.genesis.chain_id,
        host.name,
        world.load_random.randbytes(16),
        host.height + valid_for,
        host.clock().wall,
        (call,),
    )
    host.driver.submit(transaction.raw, lambda found: world.invariants.take_answer(host, found))


def publish(owner: str, name: str) -> Call:
    """The smallest useful call: a member publishes a data standard."""
    return Call(
        "standards",
        "publish",
        {
            "id": f"{owner}/s{name}",
            "version": 1,
            "title": "A standard",
            "schema": {"type": "object"},
            "fields": [_FIELD],
        },
    )

"""Members who govern all the time: validators are replaced until none of the first is left.

The members stand in a ring; those that validate are a stretch of it, which moves on: the next ones
are let in, then the last ones are let go. Parameters change meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consensus.codec import Value
from contracts.engine import query
from contracts.envelope import Call
from contracts.state import StateReader
from contracts.system import governance, members
from simnet.clock import elapsed_ms, sleep_until_ms
from simnet.load import submit_call

if TYPE_CHECKING:
    from simnet.world import World

GAP_MS = 300
PATIENCE_MS = 1_500
"""How long something that was submitted may take before it is submitted again."""


class Government:
    """Says and votes what the state, as the highest honest node has it, still lacks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.load_random
        self._said_ms: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        world = self._world
        while elapsed_ms() < world.fault_end_ms:
            await sleep_until_ms(elapsed_ms() + GAP_MS)
            running = [h for h in world.hosts if h.is_voting and h.is_honest]
            if not running:
                continue
            best = max(running, key=lambda host: host.height)
            if best.core is not None:
                self._act(best.core.ledger.state())

    def _act(self, state: StateReader) -> None:
        records = members.list_all(state)
        for record in records:
            if members.VALIDATOR in record["roles"] and not record["ready"]:
                self._say(record["name"], "members", "ready", {"versions": [1]})
        found: Any = query(state, 1, "governance", "list", {})
        pending = [row for row in found if row["status"] in (governance.OPEN, governance.ACCEPTED)]
        for row in pending:
            if row["status"] == governance.OPEN:
                self._vote(state, row["id"])
        if not pending:
            self._propose(records)

    def _vote(self, state: StateReader, number: int) -> None:
        proposal: Any = query(state, 1, "governance", "get", {"proposal": number})
        done = {name for name, *_ in proposal["votes"]}
        for name in members.voters(state):
            if name not in done:
                self._say(
                    name, "governance", "vote", {"proposal": number, "choice": governance.YES}
                )

    def _propose(self, records: list[dict[str, Any]]) -> None:
        """Propose the next move of the stretch, and now and then other parameters."""
        names = [record["name"] for record in records]
        seated = [members.VALIDATOR in record["roles"] for record in records]
        first = next((i for i, is_in in enumerate(seated) if is_in and not seated[i - 1]), 0)
        count = sum(seated)
        ring = [names[(first + i) % len(names)] for i in range(len(names))]
        if count <= self._world.scenario.nodes:
            batch, roles = ring[count:], [members.VALIDATOR]
        else:
            batch, roles = ring[: count - self._world.scenario.nodes], ["observer"]
        proposer = ring[count - 1]
        for name in batch[: self._random.randint(1, governance.MAX_OPEN_EACH - 1)]:
            self._say(proposer, "governance", "propose", _proposal("change", name, roles))
        if self._random.randrange(2):
            changes: dict[str, Value] = {
                "delta_ms": self._random.randint(150, 300),
                "max_block_transactions": self._random.randint(20, 200),
            }
            args: Value = {"kind": "parameters", "args": {"changes": changes}}
            self._say(proposer, "governance", "propose", args, again="parameters")

    def _say(self, name: str, contract: str, method: str, args: Value, *, again: str = "") -> None:
        """Submit a call of a member through its own node, unless it was a moment ago."""
        key = (name, again or f"{contract} {method} {args!r}")
        if elapsed_ms() < self._said_ms.get(key, -PATIENCE_MS) + PATIENCE_MS:
            return
        self._said_ms[key] = elapsed_ms()
        host = next(h for h in self._world.hosts if h.name == name)
        if isinstance(args, dict):
            submit_call(self._world, host, Call(contract, method, args), valid_for=20)


def _proposal(kind: str, member: str, roles: list[str]) -> Value:
    listed: list[Value] = [*roles]
    return {"kind": kind, "args": {"member": member, "roles": listed}}

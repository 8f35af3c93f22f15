"""Members who govern all the time: validators are replaced until none of the first is left.

The members stand in a ring; those that validate are a stretch of it, which moves on: the next ones
are let in, then the last ones are let go or suspended. One more member joins; parameters change.
What the nodes say by themselves (that they are ready, and evidence) acts as well.
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
from simnet.release import NEXT_VERSION

if TYPE_CHECKING:
    from simnet.world import World

Move = tuple[str, dict[str, Value]]
GAP_MS = 300
BATCH = 4
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
        """Propose the next move of the stretch, a new member, and now and then other things."""
        names = [record["name"] for record in records]
        by_name = dict(zip(names, records, strict=True))
        seated = [_is_seated(record) for record in records]
        first = next((i for i, is_in in enumerate(seated) if is_in and not seated[i - 1]), 0)
        ring = [by_name[names[(first + i) % len(names)]] for i in range(len(names))]
        inside = [record for record in ring if _is_seated(record)]
        wanted, most = self._world.scenario.nodes, self._random.randint(1, BATCH)
        proposer = inside[-1]["name"]
        if len(inside) <= wanted:
            outside = [record for record in ring if not _is_seated(record)]
            moves = [_let_in(record) for record in outside[:most]]
        else:
            moves = [self._let_go(record) for record in inside[: len(inside) - wanted][:most]]
        for host in self._world.hosts:
            if host.name not in names:
                card = host.identity.card.to_value()
                moves.append(("admit", {"card": card, "tier": "local", "roles": ["observer"]}))
        if self._random.randrange(2):
            changes: dict[str, Value] = {
                "delta_ms": self._random.randint(150, 300),
                "max_block_transactions": self._random.randint(20, 200),
            }
            moves.append(("parameters", {"changes": changes}))
        if self._world.scenario.upgrade and self._random.randrange(2):
            moves.append(("version", {"version": NEXT_VERSION}))
        for kind, args in moves:
            self._say(proposer, "governance", "propose", {"kind": kind, "args": args})

    def _let_go(self, record: dict[str, Any]) -> Move:
        if self._random.randrange(2):
            return "suspend", {"member": record["name"]}
        return "change", {"member": record["name"], "roles": ["observer"]}

    def _say(self, name: str, contract: str, method: str, args: Value, *, again: str = "") -> None:
        """Submit a call of a member through its own node, unless it was a moment ago."""
        key = (name, f"{contract} {method} {args!r}")
        if elapsed_ms() < self._said_ms.get(key, -PATIENCE_MS) + PATIENCE_MS:
            return
        self._said_ms[key] = elapsed_ms()
        host = next(h for h in self._world.hosts if h.name == name)
        if isinstance(args, dict):
            submit_call(self._world, host, Call(contract, method, args), valid_for=20)


def _is_seated(record: dict[str, Any]) -> bool:
    return record["status"] == members.ACTIVE and members.VALIDATOR in record["roles"]


def _let_in(record: dict[str, Any]) -> Move:
    name = record["name"]
    if record["status"] == members.SUSPENDED:
        return "reinstate", {"member": name}
    return "change", {"member": name, "roles": [members.VALIDATOR]}

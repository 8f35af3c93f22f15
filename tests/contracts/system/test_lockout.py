"""Whatever members decide, in whatever order, the alliance can go on."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from consensus.genesis import ROLES, TIERS
from consensus.validators import Parameters, ValidatorSet
from contracts.codes import Code
from contracts.engine import next_validator_set
from contracts.envelope import Call
from contracts.system import members
from tests.contracts.conftest import Chain

NAMES = ("a", "b", "c", "d", "e", "land", "tax", "city")
RANGES: dict[str, tuple[int, int]] = {
    "epoch_length": (0, 40), "delta_ms": (0, 2_000), "delta_cap_ms": (0, 5_000),
    "max_block_bytes": (0, 1 << 20), "max_transaction_bytes": (0, 1 << 20), "max_calls": (-1, 9),
    "replay_window": (0, 100), "max_gas": (0, 200_000), "max_block_gas": (0, 300_000),
}  # fmt: skip


def any_proposal(random: Random, chain: Chain, number: int) -> tuple[str, dict[str, Any]]:
    member = random.choice(NAMES)
    match random.randrange(8):
        case 0:
            card = chain.make_card(f"x{random.randrange(number + 1)}").to_value()
            return "admit", {"card": card, "tier": random.choice(TIERS), "roles": ["validator"]}
        case 1:
            changes: dict[str, Any] = {"roles": sorted(random.sample(ROLES, 2))}
            return "change", {"member": member, **changes}
        case 2:
            return "change", {"member": member, "tier": random.choice(TIERS),
                              "parent": random.choice((*NAMES, None))}  # fmt: skip
        case 3:
            return "rotate", {"card": chain.make_card(member, f"-{number}").to_value()}
        case 4:
            return "reinstate", {"member": member}
        case 5:
            name = random.choice(list(RANGES))
            changes = {name: random.randint(*RANGES[name])}
            changes["fault_model"] = random.choice(("byzantine", "crash", "none"))
            return "parameters", {"changes": changes}
        case _:
            return random.choice(("suspend", "expel")), {"member": member}


@pytest.mark.parametrize("seed", range(12))
def test_somebody_can_always_validate_and_vote(seed: int) -> None:
    random = Random(seed)
    chain = Chain(("a", "b", "c", "d", "e"))
    done: set[str] = set()
    current = chain.genesis.validator_set
    for number in range(1, 25):
        kind, args = any_proposal(random, chain, number)
        able = [name for name in members.voters(chain.state) if name in chain.signers]
        names = {r["name"]: r["member_key"] for r in chain.ask("members", "list")}
        signers = {key.public_key: key for key in chain.signers.values()}

        def act(name: str, method: str, args: Any, names: Any = names, by: Any = signers) -> int:
            signed = chain.sign(
                name, Call("governance", method, args), signer=by[names[name]],
                valid_until=chain.height + 7,
            )  # fmt: skip
            return chain.execute(signed).receipts[-1].code

        if act(able[0], "propose", {"kind": kind, "args": args}) == Code.OK:
            last = chain.ask("governance", "list")[0]["id"]
            for name in able:
                act(name, "vote", {"proposal": last, "choice": "yes"})
            if random.random() < 0.5:
                chain.end_epoch()
            done.add(kind)
        # What would be handed over to now must be a set that can decide, and that decodes.
        current = next_validator_set(chain.state, current)
        assert members.standing_validators(chain.state)
        assert ValidatorSet.from_value(current.to_value()) == current
        assert 1 <= current.quorum <= len(current.validators)
        assert Parameters.from_value(current.parameters.to_value()) == current.parameters
        records = {r["name"]: r for r in chain.ask("members", "list")}
        for record in records.values():
            parent = records.get(record["parent"])
            if parent is not None and record["status"] != members.EXPELLED:
                assert TIERS.index(parent["tier"]) < TIERS.index(record["tier"])
    assert len(done) >= 3

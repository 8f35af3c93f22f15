"""Proposals, votes, windows, thresholds, effects at the end of an epoch, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.genesis import ROLES
from consensus.validators import Parameters
from contracts.codes import Code
from contracts.engine import next_validator_set
from contracts.envelope import Call
from contracts.system import governance, schedule
from tests.contracts.conftest import Chain

SOURCE = '''"""Notes."""

def note(text):
    """Keep a text."""
    state.put("note", text)

method(note, text = text(64))
'''
MORE = ("civil", "health", "works")


@pytest.fixture
def alliance() -> Chain:
    """Validators civil, health, land, tax, works; observer city."""
    return Chain(MORE)


def propose(chain: Chain, kind: str, /, by: str = "tax", **args: Any) -> int:
    """Propose and return the number."""
    receipt = chain.run(by, "governance", "propose", {"kind": kind, "args": args})
    assert receipt.code == Code.OK, (Code(receipt.code), receipt.details)
    number = receipt.events[-1].data[0]  # type: ignore[index]
    assert isinstance(number, int)
    return number


def refused(chain: Chain, kind: str, /, by: str = "tax", **args: Any) -> tuple[Code, Any]:
    before = dict(chain.state.values)
    receipt = chain.run(by, "governance", "propose", {"kind": kind, "args": args})
    assert receipt.code != Code.OK
    assert chain.state.values == before
    return Code(receipt.code), receipt.details


def vote(chain: Chain, number: int, *names: str, choice: str = "yes") -> None:
    """Vote until that is decided or all have voted."""
    for name in names:
        if get(chain, number)["status"] != "open":
            return
        receipt = chain.run(name, "governance", "vote", {"proposal": number, "choice": choice})
        assert receipt.code == Code.OK, (name, Code(receipt.code), receipt.details)


def decide(chain: Chain, kind: str, /, **args: Any) -> int:
    """Propose, let four of five agree, and end the epoch."""
    number = propose(chain, kind, **args)
    vote(chain, number, *[v for v in ("civil", "health", "land", "tax") if v in voters(chain)])
    chain.end_epoch()
    return number


def voters(chain: Chain) -> list[str]:
    rows = chain.ask("members", "list")
    return [r["name"] for r in rows if r["status"] == "active" and "validator" in r["roles"]]


def get(chain: Chain, number: int) -> dict[str, Any]:
    found: dict[str, Any] = chain.ask("governance", "get", proposal=number)
    return found


def seats(chain: Chain) -> list[str]:
    current = chain.genesis.validator_set
    return [v.name for v in next_validator_set(chain.state, current).validators]


# The way of a proposal


def test_enough_votes_accept_and_the_epochs_end_carries_out(alliance: Chain) -> None:
    number = propose(alliance, "suspend", member="works")
    vote(alliance, number, "land", "tax")
    assert (get(alliance, number)["status"], get(alliance, number)["needed"]) == ("open", 3)
    vote(alliance, number, "civil")
    assert get(alliance, number)["status"] == "accepted"
    alliance.last_height = alliance.height + 2
    assert alliance.execute().receipts == ()
    assert alliance.ask("members", "get", name="works")["status"] == "active"
    work = alliance.end_epoch()
    assert work is not None
    assert (work.txid, work.index, work.code) == (bytes(32), 0, Code.OK)
    assert [(e.contract, e.name) for e in work.events] == [
        ("members", "suspended"), ("governance", "executed")
    ]  # fmt: skip
    found = get(alliance, number)
    assert (found["status"], found["result"]) == ("executed", [0, None, alliance.height - 1])
    assert seats(alliance) == ["civil", "health", "land", "tax"]


def test_a_receipt_of_work_comes_before_those_of_transactions(alliance: Chain) -> None:
    number = propose(alliance, "suspend", member="works")
    vote(alliance, number, "civil", "land", "tax")
    alliance.last_height = alliance.height + 1
    signed = alliance.sign("tax", Call("members", "announce", {"addresses": []}))
    work, own = alliance.execute(signed).receipts
    assert (work.index, own.index, own.txid) == (0, 1, signed.txid)


@pytest.mark.parametrize(
    ("kind", "args", "needed"),
    [("expel", {"member": "works"}, 4), ("suspend", {"member": "works"}, 3)],
)
def test_each_kind_has_its_threshold(
    alliance: Chain, kind: str, args: dict[str, Any], needed: int
) -> None:
    assert get(alliance, propose(alliance, kind, **args))["needed"] == needed


@pytest.mark.parametrize("count", range(1, 40))
def test_a_supermajority_is_a_byzantine_quorum(count: int) -> None:
    assert governance._needed(count, governance.SUPERMAJORITY) == 2 * count // 3 + 1
    assert governance._needed(count, governance.MAJORITY) == count // 2 + 1
    assert governance._needed(count, 10_000) == count


def test_noes_that_cannot_be_outvoted_reject(alliance: Chain) -> None:
    number = propose(alliance, "expel", member="works")
    vote(alliance, number, "land", choice="no")
    assert get(alliance, number)["status"] == "open"
    vote(alliance, number, "works", choice="no")
    assert get(alliance, number)["status"] == "rejected"
    receipt = alliance.run("tax", "governance", "vote", {"proposal": number, "choice": "yes"})
    assert (receipt.code, receipt.details) == (Code.VOTE_CLOSED, "rejected")


def test_votes_that_are_not_counted(alliance: Chain) -> None:
    number = propose(alliance, "expel", by="city", member="works")
    args = {"proposal": number, "choice": "yes"}
    assert alliance.run("city", "governance", "vote", args).code == Code.NOT_VOTER
    vote(alliance, number, "tax")
    for choice in ("yes", "no"):
        again = alliance.run("tax", "governance", "vote", {**args, "choice": choice})
        assert again.code == Code.ALREADY_VOTED
    receipt = alliance.run("tax", "governance", "vote", {"proposal": 99, "choice": "yes"})
    assert (receipt.code, receipt.details) == (Code.NOT_FOUND, "proposal 99")
    receipt = alliance.run("tax", "governance", "vote", {**args, "choice": "perhaps"})
    assert receipt.code == Code.BAD_ARGUMENT


def test_the_suspended_have_no_voice_and_their_votes_no_weight(alliance: Chain) -> None:
    number = propose(alliance, "expel", member="city")
    vote(alliance, number, "works", "land")
    decide(alliance, "suspend", member="works")
    found = get(alliance, number)
    assert (found["yes"], found["needed"], found["voters"]) == (1, 3, 4)
    receipt = alliance.run("works", "governance", "vote", {"proposal": number, "choice": "yes"})
    assert receipt.code == Code.SENDER_NOT_ACTIVE
    receipt = alliance.run(
        "works", "governance", "propose", {"kind": "expel", "args": {"member": "city"}}
    )
    assert receipt.code == Code.SENDER_NOT_ACTIVE


def test_a_window_ends_in_block_time(alliance: Chain) -> None:
    number = propose(alliance, "expel", member="works")
    [[due, contract, _]] = alliance.ask("schedule", "list")
    assert (due, contract) == (get(alliance, number)["until"], "governance")
    alliance.late_ms = 7 * governance.DAY_MS
    work, late = alliance.execute(
        alliance.sign("tax", call("vote", {"proposal": number, "choice": "yes"}))
    ).receipts
    assert [e.name for e in work.events] == ["expired"]
    assert (late.code, late.details) == (Code.VOTE_CLOSED, "expired")
    assert get(alliance, number)["status"] == "expired"
    assert alliance.ask("schedule", "list") == []


def call(method: str, args: dict[str, Any]) -> Any:
    return Call("governance", method, args)


def test_a_proposer_may_withdraw(alliance: Chain) -> None:
    number = propose(alliance, "expel", member="works")
    taken = alliance.run("land", "governance", "withdraw", {"proposal": number})
    assert taken.code == Code.NOT_OWNER
    assert alliance.run("tax", "governance", "withdraw", {"proposal": number}).code == Code.OK
    assert get(alliance, number)["status"] == "withdrawn"
    assert alliance.run("tax", "governance", "withdraw", {"proposal": number}).code != Code.OK


def test_open_proposals_are_bounded(alliance: Chain) -> None:
    for _ in range(governance.MAX_OPEN_EACH):
        propose(alliance, "suspend", member="works")
    assert refused(alliance, "suspend", member="works") == (
        Code.TOO_MANY_PROPOSALS, governance.MAX_OPEN_EACH
    )  # fmt: skip
    propose(alliance, "suspend", by="land", member="works")


def test_what_has_become_impossible_fails_with_the_reason(alliance: Chain) -> None:
    first = propose(alliance, "expel", member="works")
    second = propose(alliance, "suspend", member="works")
    vote(alliance, first, "civil", "health", "land", "tax")
    vote(alliance, second, "civil", "land", "tax")
    alliance.end_epoch()
    assert get(alliance, first)["status"] == "executed"
    assert get(alliance, second)["result"][:2] == [Code.WRONG_STATUS, ["works", "expelled"]]
    assert get(alliance, second)["status"] == "failed"


def test_more_than_a_boundary_takes_waits_for_the_next(alliance: Chain) -> None:
    numbers = [
        propose(alliance, "change", by=by, member="city", jurisdiction=f"cn-{by}-{place}")
        for by in ("civil", "health", "land")
        for place in range(governance.MAX_OPEN_EACH)
    ]
    for number in numbers:
        vote(alliance, number, "civil", "health", "land", "tax")
    alliance.end_epoch()
    done = [get(alliance, number)["status"] == "executed" for number in numbers]
    assert done == [True] * governance.MAX_EFFECTS + [False] * (24 - governance.MAX_EFFECTS)
    alliance.end_epoch()
    assert alliance.ask("members", "get", name="city")["jurisdiction"] == "cn-land-7"


# Lock-out


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"max_block_transactions": 0}, Code.LOCKS_OUT),
        ({"max_block_bytes": 0}, Code.LOCKS_OUT),
        ({"max_calls": 0}, Code.LOCKS_OUT),
        ({"epoch_length": 0}, Code.LOCKS_OUT),
        ({"replay_window": 0}, Code.LOCKS_OUT),
        ({"max_gas": 0}, Code.LOCKS_OUT),
        ({"delta_ms": 0}, Code.LOCKS_OUT),
        ({"delta_ms": "fast"}, Code.LOCKS_OUT),
        ({"delta_ms": 10, "delta_cap_ms": 10}, Code.LOCKS_OUT),
        ({"max_block_bytes": 8_192}, Code.LOCKS_OUT),
        ({"fault_model": "none"}, Code.LOCKS_OUT),
        ({"version": 2}, Code.BAD_ARGUMENT),
        ({"tea": 1}, Code.BAD_ARGUMENT),
        ({"delta_ms": 500}, Code.BAD_ARGUMENT),
        ({}, Code.BAD_ARGUMENT),
    ],
)
def test_parameters_that_lock_out_are_refused(
    alliance: Chain, changes: dict[str, Any], code: Code
) -> None:
    found, details = refused(alliance, "parameters", changes=changes)
    assert found == code
    assert isinstance(details, str)
    name = next(iter(changes), "changes")
    assert name in details or "delta_cap_ms" in details or details == "nothing is to be changed"


def test_every_parameter_but_the_version_can_be_changed(alliance: Chain) -> None:
    value = Parameters().to_value()
    del value["version"]
    changes: dict[str, Any] = {
        name: "crash" if name == "fault_model" else number + 1  # type: ignore[operator]
        for name, number in value.items()
    }
    changes["max_block_bytes"] = 4 << 20
    decide(alliance, "parameters", changes=changes)
    found = next_validator_set(alliance.state, alliance.genesis.validator_set).parameters
    assert found.to_value() == {**changes, "version": 1}


def test_the_last_validators_cannot_be_taken_away() -> None:
    chain = Chain()
    number = propose(chain, "suspend", member="tax")
    second = propose(chain, "suspend", member="land")
    vote(chain, number, "land", "tax")
    vote(chain, second, "land", "tax")
    chain.end_epoch()
    assert get(chain, number)["status"] == "executed"
    assert get(chain, second)["result"][0] == Code.LOCKS_OUT
    assert seats(chain) == ["land"]
    for kind in ("suspend", "expel"):
        assert refused(chain, kind, by="land", member="land")[0] == Code.LOCKS_OUT
    found = refused(chain, "change", by="land", member="land", roles=["observer"])
    assert found[0] == Code.LOCKS_OUT


@pytest.mark.parametrize("threshold", [0, 1, 5_000, 10_001])
def test_thresholds_that_nobody_or_anybody_meets_are_refused(
    alliance: Chain, threshold: int
) -> None:
    found, _ = refused(
        alliance, "rule", kind="expel", threshold_bp=threshold, window_ms=governance.DAY_MS
    )
    assert found == Code.BAD_ARGUMENT


def test_a_rule_holds_for_proposals_made_after_it(alliance: Chain) -> None:
    before = propose(alliance, "expel", member="works")
    decide(alliance, "rule", kind="expel", threshold_bp=10_000, window_ms=governance.MINUTE_MS)
    after = propose(alliance, "expel", member="works")
    assert (get(alliance, before)["needed"], get(alliance, after)["needed"]) == (4, 5)
    found = get(alliance, after)
    assert found["until"] - found["time"] == governance.MINUTE_MS
    assert alliance.ask("governance", "rules")["expel"] == [10_000, governance.MINUTE_MS]
    code, details = refused(
        alliance, "rule", kind="tea", threshold_bp=10_000, window_ms=governance.DAY_MS
    )
    assert (code, str(details).split(":")[0]) == (Code.BAD_ARGUMENT, "args.kind")


# Contracts


def test_contracts_are_deployed_upgraded_and_retired_by_vote(alliance: Chain) -> None:
    decide(alliance, "deploy", name="notes", source=SOURCE, title="Notes")
    assert alliance.run("tax", "notes", "note", {"text": "hello"}).code == Code.OK
    decide(alliance, "upgrade", name="notes", source=SOURCE.replace("a text", "one text"))
    assert alliance.ask("contracts", "get", name="notes")["version"] == 2
    decide(alliance, "retire", name="notes")
    assert alliance.run("tax", "notes", "note", {"text": "hello"}).code == Code.RETIRED


@pytest.mark.parametrize(
    ("source", "code"),
    [("x = [", Code.BAD_SOURCE), (SOURCE + "\ndef setup():\n    fail('no')\n",
                                  Code.REFUSED_BY_CONTRACT)],
)  # fmt: skip
def test_a_contract_that_cannot_be_deployed_is_not_voted_on(
    alliance: Chain, source: str, code: Code
) -> None:
    assert refused(alliance, "deploy", name="notes", source=source)[0] == code


def test_code_costs_the_proposer_the_gas_of_a_transaction(alliance: Chain) -> None:
    args = {"kind": "deploy", "args": {"name": "notes", "source": SOURCE}}
    once, twice = call("propose", args), call("propose", args)
    result = alliance.execute(
        alliance.sign("tax", once, twice), *[alliance.sign("tax", once) for _ in range(5)]
    )
    codes = [receipt.code for receipt in result.receipts]
    assert codes == [Code.OUT_OF_GAS] + [Code.OK] * 4 + [Code.BLOCK_OUT_OF_GAS]


def test_a_setup_that_announces_without_end_fails_alone(alliance: Chain) -> None:
    loud = SOURCE + '\ndef setup():\n    for i in range(200):\n        emit("noise", i)\n'
    number = propose(alliance, "deploy", name="loud", source=loud)
    other = propose(alliance, "suspend", member="works")
    for each in (number, other):
        vote(alliance, each, "civil", "land", "tax")
    alliance.end_epoch()
    assert get(alliance, number)["result"][0] == Code.TOO_MANY_EVENTS
    assert get(alliance, other)["status"] == "executed"


# Versions


def test_a_version_waits_for_its_height_and_for_a_quorum(alliance: Chain) -> None:
    assert refused(alliance, "version", version=1) == (Code.WRONG_VERSION, 1)
    height = alliance.height + 20
    decide(alliance, "version", version=2, height=height)
    assert alliance.ask("governance", "version") == [2, height]
    for name in ("civil", "health", "land"):
        alliance.run(name, "members", "ready", {"versions": [2, 1]})
    alliance.height = height - 2
    work = alliance.end_epoch()
    assert work is not None
    assert [(e.name, e.data) for e in work.events] == [("version-waits", [2, 3])]
    assert (
        next_validator_set(alliance.state, alliance.genesis.validator_set).parameters.version == 1
    )
    alliance.run("tax", "members", "ready", {"versions": [1, 2]})
    work = alliance.end_epoch()
    assert work is not None
    assert work.events[-1].name == "version-activated"
    assert (
        next_validator_set(alliance.state, alliance.genesis.validator_set).parameters.version == 2
    )
    assert alliance.ask("governance", "version") is None


def test_a_planned_version_is_taken_back_by_the_one_in_force(alliance: Chain) -> None:
    decide(alliance, "version", version=9)
    decide(alliance, "version", version=1)
    assert alliance.ask("governance", "version") is None
    assert alliance.end_epoch() is None


# Hostile input


@pytest.mark.parametrize(
    ("kind", "args", "word"),
    [
        ("tea", {}, "kind"),
        ("suspend", {}, "member"),
        ("suspend", {"member": 7}, "member"),
        ("suspend", {"member": "tax", "why": "no"}, "why"),
        ("admit", {"card": {}, "tier": "local", "roles": ["validator"]}, "card"),
        ("admit", {"card": b"", "tier": "local", "roles": ["validator"]}, "card"),
        ("change", {"member": "tax", "roles": ["king"]}, "roles"),
        ("change", {"member": "tax", "roles": []}, "roles"),
        ("change", {"member": "tax", "roles": list(ROLES)[::-1]}, "roles"),
        ("change", {"member": "tax", "tier": "galactic"}, "tier"),
        ("change", {"member": "tax"}, "nothing"),
        ("deploy", {"name": "x", "source": 5}, "source"),
        ("deploy", {"name": "x", "source": "a" * 40_000}, "source"),
        ("parameters", {"changes": []}, "changes"),
        ("version", {"version": -1}, "version"),
    ],
)
def test_malformed_proposals_are_refused_by_the_arguments_name(
    alliance: Chain, kind: str, args: dict[str, Any], word: str
) -> None:
    code, details = refused(alliance, kind, **args)
    assert code == Code.BAD_ARGUMENT
    assert word in details


def test_scheduled_work_is_bounded_in_each_block_and_carried_over(alliance: Chain) -> None:
    numbers = []
    for by in (*MORE, "land", "tax", "city"):
        numbers += [propose(alliance, "suspend", by=by, member="works") for _ in range(8)]
    alliance.late_ms = 7 * governance.DAY_MS
    taken = schedule.MAX_WORK
    schedule.MAX_WORK = 20
    try:
        done = [len(r.events) for _ in range(3) for r in alliance.execute().receipts]
    finally:
        schedule.MAX_WORK = taken
    assert done == [20, 20, 8]
    assert alliance.execute().receipts == ()
    assert {get(alliance, number)["status"] for number in numbers} == {"expired"}


def test_a_pack_of_rules_is_activated_and_its_versions_grow(alliance: Chain) -> None:
    pack = {"name": "classification", "version": 2, "digest": bytes(32)}
    assert alliance.ask("governance", "pack", name="classification") is None
    decide(alliance, "pack", **pack)
    assert alliance.ask("governance", "pack", name="classification") == [2, bytes(32)]
    assert refused(alliance, "pack", **pack) == (Code.WRONG_VERSION, 2)
    assert refused(alliance, "pack", **{**pack, "name": "other"})[0] == Code.BAD_ARGUMENT

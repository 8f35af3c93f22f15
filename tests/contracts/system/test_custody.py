"""Custody on the chain: agreements, what may be placed where, and challenges that must be met."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from consensus.crypto import sha256
from contracts.codes import Code
from contracts.system import custody
from contracts.system.custody.agreements import ERASE_MS
from tests.contracts.conftest import NOW, Chain

DATASET, DAY_MS = "land/parcels-2025", 86_400_000
UNTIL = NOW + 100 * DAY_MS
ROOT = b"r" * 32


def change(chain: Chain, name: str, **changes: Any) -> None:
    record = chain.ask("members", "get", name=name)
    chain.state.values[b"members/member/" + name.encode()] = encode(record | changes)


@pytest.fixture
def office() -> Chain:
    """Members land (owner), tax (custodian in the same country), court (supervisor), abroad."""
    chain = Chain(("abroad", "court"))
    for name, place in (("land", "cn-31"), ("tax", "cn-11"), ("abroad", "sg")):
        change(chain, name, jurisdiction=place, storage=place)
    change(chain, "court", roles=["supervisor", "validator"])
    chain.digest = chain.publish()  # type: ignore[attr-defined]
    assert register(chain, 1).code == Code.OK
    return chain


def register(chain: Chain, version: int, **changes: Any) -> Any:
    made = chain.registration(chain.digest, version=version, **changes)  # type: ignore[attr-defined]
    return chain.run("land", "catalogue", "register", made)


def run(chain: Chain, sender: str, method: str, **args: Any) -> Any:
    return chain.run(sender, "custody", method, args)


def offer(chain: Chain, sender: str = "land", **changes: Any) -> Any:
    terms = {"dataset": DATASET, "custodian": "tax", "mode": "escrow", "until": UNTIL}
    return run(chain, sender, "offer", **terms | changes)


def agree(chain: Chain, mode: str = "escrow") -> None:
    assert offer(chain, mode=mode).code == Code.OK
    assert run(chain, "tax", "accept", agreement=1).code == Code.OK


def seal(chain: Chain, *readers: str) -> bytes:
    envelope = sha256(f"{chain.height}".encode())
    parties = sorted({"land", "court", *readers})
    args = {"id": envelope, "commitment": bytes(32), "parties": parties}
    assert chain.run("land", "envelopes", "anchor", args).code == 0
    return envelope


def place(chain: Chain, sender: str = "land", **changes: Any) -> Any:
    args = {"agreement": 1, "version": 1, "chunks": 7, "root": ROOT, "envelope": None}
    return run(chain, sender, "place", **args | changes)


def hold(chain: Chain, sender: str = "tax", **changes: Any) -> Any:
    return run(chain, sender, "hold", **{"agreement": 1, "version": 1, "root": ROOT} | changes)


def challenge(chain: Chain, sender: str = "land", blocks: int = 4) -> Any:
    return run(chain, sender, "challenge", agreement=1, version=1, blocks=blocks)


def events(chain: Chain, later_ms: int = 0) -> list[tuple[str, Any]]:
    """Let a block and some time pass; returns what it announces by itself."""
    chain.late_ms += later_ms
    receipts = chain.execute().receipts
    return [(event.name, event.data) for receipt in receipts for event in receipt.events]


def test_both_sides_agree_and_either_ends(office: Chain) -> None:
    assert offer(office).events[0].data == [1, DATASET, "tax", "escrow"]
    assert offer(office).code == Code.EXISTS
    assert run(office, "land", "accept", agreement=1).code == Code.NOT_OWNER
    assert place(office).code == Code.WRONG_STATUS
    assert run(office, "tax", "accept", agreement=1).code == Code.OK
    assert run(office, "tax", "accept", agreement=1).code == Code.WRONG_STATUS
    assert run(office, "court", "end", agreement=1).code == Code.NOT_OWNER
    assert run(office, "tax", "end", agreement=1).code == Code.OK
    assert run(office, "land", "erased", agreement=1).code == Code.NOT_OWNER
    assert run(office, "tax", "erased", agreement=1).code == Code.OK
    assert events(office, ERASE_MS + 1_000) == []
    assert offer(office).events[0].data[0] == 2
    assert [row["id"] for row in office.ask("custody", "agreements", dataset=DATASET)] == [2]
    assert [row["status"] for row in office.ask("custody", "list")] == ["erased", "offered"]


def test_an_agreement_ends_with_its_time_and_erasure_may_be_overdue(office: Chain) -> None:
    agree(office)
    [(name, data)] = events(office, 101 * DAY_MS)
    assert (name, data[:3]) == ("ended", [1, DATASET, "tax"])
    [(name, data)] = events(office, ERASE_MS + 1_000)
    assert (name, data[:2]) == ("erasure-overdue", [1, "tax"])
    assert run(office, "tax", "erased", agreement=1).code == Code.OK


@pytest.mark.parametrize(
    ("sender", "changes", "code"),
    [
        ("tax", {}, Code.NOT_OWNER),
        ("land", {"custodian": "land"}, Code.BAD_ARGUMENT),
        ("land", {"custodian": "nobody"}, Code.NOT_ACTIVE),
        ("land", {"custodian": "abroad"}, Code.FOREIGN_CUSTODY),
        ("land", {"custodian": "city"}, Code.FOREIGN_CUSTODY),  # nobody knows where it keeps data
        ("land", {"mode": "own"}, Code.BAD_ARGUMENT),
        ("land", {"until": NOW}, Code.BAD_ARGUMENT),
    ],
)
def test_what_may_not_be_offered(office: Chain, sender: str, changes: Any, code: Code) -> None:
    assert offer(office, sender, **changes).code == code


def test_general_data_may_go_abroad_and_later_grades_are_judged_anew(office: Chain) -> None:
    open_data = office.standard(id="land/open")
    for field in open_data["fields"]:
        field.update({"level": 1, "class": "general"})
    digest: Any = office.run("land", "standards", "publish", open_data).events[0].data
    free = {"dataset": "land/open", "standard": ["land/open", 1, digest[2]], "class": "general"}
    assert register(office, 1, **free).code == Code.OK
    assert offer(office, dataset="land/open", custodian="abroad").code == Code.OK
    assert run(office, "abroad", "accept", agreement=1).code == Code.OK
    assert place(office).code == Code.OK
    for changes in ({"class": "important"}, {"level": 3}):
        refused = register(office, 2, **{**free, "custody": "escrow", **changes})
        assert refused.code == Code.FOREIGN_CUSTODY
    assert register(office, 2, **{**free, "level": 3}).code == Code.OK
    assert place(office, version=2).code == Code.FOREIGN_CUSTODY


def test_a_registration_names_only_custody_that_is_agreed(office: Chain) -> None:
    assert register(office, 2, custody="delegate").code == Code.NO_AGREEMENT
    agree(office)
    assert register(office, 2, custody="delegate").code == Code.NO_AGREEMENT
    assert register(office, 2, custody="escrow").code == Code.OK
    office.late_ms = 101 * DAY_MS
    assert register(office, 3, custody="escrow").code == Code.NO_AGREEMENT


def test_escrow_gets_no_key_and_a_delegate_needs_one(office: Chain) -> None:
    agree(office)
    assert place(office, envelope=seal(office, "tax")).code == Code.BAD_ARGUMENT
    assert place(office, "tax").code == Code.NOT_OWNER
    assert place(office, version=2).code == Code.NOT_FOUND
    assert place(office).code == Code.OK
    assert hold(office, "land").code == Code.NOT_OWNER
    assert hold(office, root=bytes(32)).code == Code.WRONG_VERSION
    assert hold(office).code == Code.OK
    assert not custody.is_delegate(office.state, DATASET, 1, "tax", NOW)


def test_a_delegate_delivers_while_it_holds_what_was_placed(office: Chain) -> None:
    agree(office, "delegate")
    assert place(office).code == Code.BAD_ENVELOPE
    assert place(office, envelope=seal(office, "city")).code == Code.BAD_ENVELOPE
    assert place(office, envelope=seal(office, "tax")).code == Code.OK
    assert not custody.is_delegate(office.state, DATASET, 1, "tax", NOW)
    hold(office)
    assert custody.is_delegate(office.state, DATASET, 1, "tax", NOW)
    assert not custody.is_delegate(office.state, DATASET, 2, "tax", NOW)
    assert not custody.is_delegate(office.state, DATASET, 1, "court", NOW)
    assert not custody.is_delegate(office.state, DATASET, 1, "tax", UNTIL)
    run(office, "land", "end", agreement=1)
    assert not custody.is_delegate(office.state, DATASET, 1, "tax", NOW)


def test_a_challenge_is_answered_in_time_and_judged_by_who_asked(office: Chain) -> None:
    agree(office)
    place(office)
    assert challenge(office).code == Code.WRONG_STATUS
    hold(office)
    for sender in ("tax", "city"):
        assert challenge(office, sender).code == Code.NOT_OWNER
    assert challenge(office, blocks=3).code == Code.BAD_ARGUMENT
    asked = challenge(office, "court")
    assert asked.events[0].data == [1, "tax", DATASET, office.height + 3]
    assert challenge(office).code == Code.WRONG_STATUS
    assert place(office).code == Code.WRONG_STATUS
    assert [row["id"] for row in office.ask("custody", "waiting", custodian="tax")] == [1]
    assert run(office, "land", "answer", challenge=1, digest=ROOT).code == Code.NOT_OWNER
    assert events(office) == []
    assert run(office, "tax", "answer", challenge=1, digest=ROOT).code == Code.TOO_LATE
    assert challenge(office, blocks=9).code == Code.WRONG_STATUS
    [(name, data)] = events(office, 1_000)
    assert (name, data) == ("silent", [1, "tax", DATASET])

    assert challenge(office, blocks=9).code == Code.OK
    assert run(office, "tax", "answer", challenge=2, digest=ROOT).code == Code.OK
    assert office.ask("custody", "waiting", custodian="tax") == []
    assert run(office, "court", "judge", challenge=2, passed=False).code == Code.NOT_OWNER
    assert run(office, "land", "judge", challenge=2, passed=False).events[0].name == "failed"
    assert run(office, "land", "judge", challenge=2, passed=True).code == Code.WRONG_STATUS
    assert challenge(office).code == Code.OK
    assert run(office, "tax", "answer", challenge=3, digest=ROOT).code == Code.OK
    assert run(office, "land", "judge", challenge=3, passed=True).events[0].name == "passed"
    assert events(office, DAY_MS) == []


def test_silence_is_told_although_time_runs_ahead_of_heights(office: Chain) -> None:
    agree(office)
    place(office)
    hold(office)
    challenge(office, blocks=6)
    told = [event for _ in range(12) for event in events(office, 60_000)]
    assert [name for name, _ in told] == ["silent"]
    assert office.ask("custody", "challenge", challenge=1)["status"] == "silent"
    assert office.ask("custody", "placements", agreement=1)[0]["challenge"] is None

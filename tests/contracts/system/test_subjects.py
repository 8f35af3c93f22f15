"""Authorisations on the chain: batches, revisions, what they oblige to, and uses by law."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from consensus.crypto import sha256
from contracts.codes import Code
from contracts.system import subjects
from contracts.system.subjects.obligations import DAY_MS, ERASE_MS, TELL_MS
from contracts.text import utc
from tests.contracts.conftest import NOW, Chain

DATASET, YEAR_MS = "land/parcels-2025", 365 * DAY_MS
UNTIL = NOW + YEAR_MS


def change(chain: Chain, name: str, **changes: Any) -> None:
    record = chain.ask("members", "get", name=name)
    chain.state.values[b"members/member/" + name.encode()] = encode(record | changes)


@pytest.fixture
def office() -> Chain:
    """Members land (owner), tax (recipient), civil (registrar), court (supervisor)."""
    chain = Chain(("civil", "court"))
    change(chain, "civil", roles=["registrar", "validator"])
    change(chain, "court", roles=["supervisor", "validator"])
    digest = chain.publish()
    assert chain.run("land", "catalogue", "register", chain.registration(digest)).code == 0
    return chain


def seal(chain: Chain, sender: str, *readers: str) -> bytes:
    """Anchor an envelope; returns its id."""
    envelope = sha256(f"{chain.height} {sender}".encode())
    parties = sorted({sender, "court", *readers})
    args = {"id": envelope, "commitment": bytes(32), "parties": parties}
    assert chain.run(sender, "envelopes", "anchor", args).code == 0
    return envelope


def open_batch(chain: Chain, sender: str = "civil", **changes: Any) -> Any:
    scope = {"dataset": DATASET, "recipient": "tax", "purpose": "loan", "field": 0, "until": UNTIL}
    return chain.run(sender, "subjects", "open", scope | changes)


def post(chain: Chain, sender: str = "civil", **changes: Any) -> Any:
    envelope = seal(chain, "civil", "land")
    args = {"batch": 1, "count": 16, "root": b"r" * 32, "parts": [envelope],
            "states": b"s" * 32, "envelope": envelope}  # fmt: skip
    return chain.run(sender, "subjects", "post", args | changes)


def revise(chain: Chain, revision: int, **changes: Any) -> Any:
    args = {"batch": 1, "revision": revision, "states": sha256(bytes([revision])),
            "envelope": seal(chain, "civil", "land")}  # fmt: skip
    return chain.run("civil", "subjects", "revise", args | changes)


def usable(chain: Chain, time: int = NOW) -> list[int]:
    found = subjects.find_usable(chain.state, DATASET, "tax", "loan", time)
    return [batch["id"] for batch in found]


def listed(chain: Chain, time: int) -> Any:
    scope = {"dataset": DATASET, "recipient": "tax", "purpose": "loan"}
    return chain.ask("subjects", "batches", **scope, at=time)


def work(chain: Chain, later_ms: int) -> list[tuple[str, Any]]:
    """Let time pass; returns what the next block announces by itself."""
    chain.late_ms += later_ms
    receipts = chain.execute().receipts
    return [(event.name, event.data) for receipt in receipts for event in receipt.events]


def test_a_batch_holds_two_roots_and_nothing_of_persons(office: Chain) -> None:
    assert open_batch(office).events[0].data == [1, "civil", DATASET, "tax", "loan", UNTIL]
    assert usable(office) == []
    assert post(office).code == Code.OK
    batch = office.ask("subjects", "batch", batch=1)
    assert (batch["status"], batch["revision"], batch["count"]) == ("posted", 1, 16)
    assert usable(office) == [1]
    assert [batch["usable"] for batch in listed(office, NOW)] == [True]
    assert [batch["usable"] for batch in listed(office, UNTIL)] == [False]
    assert usable(office, UNTIL) == []
    assert post(office).code == Code.WRONG_STATUS
    text = office.ask("subjects", "text", batch=1, reference=b"\x0f" * 32)
    assert text == (
        f"Batch 1 of civil: land may give tax the record in {DATASET} with the reference "
        f"{'0f' * 32} for the purpose loan until 2026-06-15 15:06 UTC. This can be withdrawn at "
        "any time."
    )
    assert office.ask("subjects", "text", batch=2, reference=bytes(32)) is None


@pytest.mark.parametrize(
    ("sender", "changes", "code"),
    [
        ("land", {}, Code.NOT_REGISTRAR),
        ("tax", {}, Code.NOT_REGISTRAR),
        ("court", {}, Code.NOT_REGISTRAR),
        ("civil", {"recipient": "civil"}, Code.NOT_REGISTRAR),
        ("civil", {"recipient": "land"}, Code.BAD_ARGUMENT),
        ("civil", {"recipient": "nobody"}, Code.NOT_ACTIVE),
        ("civil", {"dataset": "land/other"}, Code.NOT_FOUND),
        ("civil", {"field": 2}, Code.BAD_ARGUMENT),
        ("civil", {"until": NOW}, Code.BAD_ARGUMENT),
        ("civil", {"until": NOW + 6 * YEAR_MS}, Code.BAD_ARGUMENT),
    ],
)
def test_who_may_open_what(office: Chain, sender: str, changes: Any, code: Code) -> None:
    assert open_batch(office, sender, **changes).code == code


def test_a_registrar_is_never_owner_or_recipient(office: Chain) -> None:
    change(office, "tax", roles=["registrar", "validator"])
    change(office, "land", roles=["registrar", "validator"])
    for sender in ("tax", "land"):
        assert open_batch(office, sender).code == Code.NOT_REGISTRAR


@pytest.mark.parametrize("count", [0, 8, 17, 24, 1 << 15])
def test_counts_are_padded(office: Chain, count: int) -> None:
    open_batch(office)
    assert post(office, count=count).code == Code.BAD_ARGUMENT


def test_what_is_posted_reached_the_owner(office: Chain) -> None:
    open_batch(office)
    stranger = seal(office, "civil", "tax")
    assert post(office, envelope=stranger).code == Code.BAD_ENVELOPE
    assert post(office, parts=[seal(office, "tax", "land")]).code == Code.BAD_ENVELOPE
    assert post(office, parts=[bytes(32)]).code == Code.BAD_ENVELOPE
    assert post(office, "court").code == Code.NOT_OWNER
    assert post(office, batch=2).code == Code.NOT_FOUND


def test_revisions_follow_each_other_and_oblige(office: Chain) -> None:
    open_batch(office)
    assert revise(office, 2).code == Code.WRONG_STATUS
    post(office)
    assert revise(office, 3).code == Code.WRONG_VERSION
    receipt = revise(office, 2)
    assert [event.name for event in receipt.events] == ["revised", "obliged"]
    assert office.ask("subjects", "batch", batch=1)["states"] == sha256(b"\x02")
    [waits] = office.ask("subjects", "obligations", member="land")
    assert (waits["status"], waits["recipient"]) == ("telling", "tax")
    assert office.ask("subjects", "obligations", member="tax") == []

    told = {"obligation": 1, "envelope": seal(office, "land", "tax")}
    assert office.run("tax", "subjects", "tell", told).code == Code.NOT_OWNER
    elsewhere = {**told, "envelope": seal(office, "land", "city")}
    assert office.run("land", "subjects", "tell", elsewhere).code == Code.BAD_ENVELOPE
    assert office.run("tax", "subjects", "erased", {"obligation": 1}).code == Code.WRONG_STATUS
    assert office.run("land", "subjects", "tell", told).code == Code.OK
    assert office.run("land", "subjects", "tell", told).code == Code.WRONG_STATUS
    assert office.ask("subjects", "obligations", member="land") == []
    assert [row["id"] for row in subjects.get_outstanding(office.state, "tax")] == [1]
    assert office.run("land", "subjects", "erased", {"obligation": 1}).code == Code.NOT_OWNER
    assert office.run("tax", "subjects", "erased", {"obligation": 1}).code == Code.OK
    assert office.ask("subjects", "obligation", obligation=1)["status"] == "done"
    assert subjects.get_outstanding(office.state, "tax") == []
    assert work(office, YEAR_MS) == []


def test_terms_that_pass_are_told_and_name_who_is_late(office: Chain) -> None:
    open_batch(office)
    post(office)
    revise(office, 2)
    assert work(office, TELL_MS - 1_000) == []
    [(name, data)] = work(office, 2_000)
    assert (name, data[1]) == ("telling-overdue", "land")
    told = {"obligation": 1, "envelope": seal(office, "land", "tax")}
    assert office.run("land", "subjects", "tell", told).code == Code.OK
    assert not office.ask("subjects", "obligation", obligation=1)["overdue"]
    [(name, data)] = work(office, ERASE_MS + 1_000)
    assert (name, data[1]) == ("erasure-overdue", "tax")
    assert office.ask("subjects", "obligation", obligation=1)["overdue"]
    assert office.run("tax", "subjects", "erased", {"obligation": 1}).code == Code.OK


def test_a_batch_ends_with_its_registrar_or_by_its_hand(office: Chain) -> None:
    open_batch(office)
    post(office)
    change(office, "civil", status="suspended")
    assert usable(office) == []
    change(office, "civil", status="active", roles=["validator"])
    assert usable(office) == []
    change(office, "civil", roles=["registrar", "validator"])
    receipt = office.run("civil", "subjects", "end", {"batch": 1})
    assert [event.name for event in receipt.events] == ["ended", "obliged"]
    assert usable(office) == []
    assert revise(office, 2).code == Code.WRONG_STATUS


def test_a_scope_forgets_batches_that_are_over(office: Chain) -> None:
    open_batch(office)
    open_batch(office, until=UNTIL + DAY_MS)
    office.late_ms = YEAR_MS
    office.execute()
    assert [batch["id"] for batch in listed(office, UNTIL)] == [2]


def enact(chain: Chain, **changes: Any) -> None:
    """Vote for a statute."""
    args = {"statute": "tax-act-12", "digest": bytes(32), "until": UNTIL, "notice_days": 30}
    voters = ("land", "tax", "civil", "court")
    kind = {"kind": "statute", "args": args | changes}
    number: Any = chain.run("land", "governance", "propose", kind).events[0].data
    for voter in voters:
        chain.run(voter, "governance", "vote", {"proposal": number[0], "choice": "yes"})
    chain.end_epoch()
    chain.last_height = 0


def invoke(chain: Chain, sender: str = "tax", **changes: Any) -> Any:
    args = {"dataset": DATASET, "purpose": "audit", "statute": "tax-act-12",
            "registrar": "civil", "until": UNTIL}  # fmt: skip
    return chain.run(sender, "subjects", "invoke", args | changes)


def review(chain: Chain, sender: str, notice: int | None, use: int = 1) -> Any:
    return chain.run(sender, "subjects", "review", {"use": use, "notice": notice})


def covers(chain: Chain, time: int) -> bool:
    return subjects.find_use(chain.state, DATASET, "tax", "audit", time) is not None


def test_a_use_by_law_is_reviewed_and_notified(office: Chain) -> None:
    assert invoke(office).code == Code.NOT_IN_FORCE
    enact(office)
    assert office.ask("governance", "statute", statute="tax-act-12")["notice_days"] == 30
    assert invoke(office, registrar="court").code == Code.NOT_REGISTRAR
    assert invoke(office, "land").code == Code.BAD_ARGUMENT
    assert invoke(office).code == Code.OK
    assert not covers(office, NOW)
    change(office, "land", roles=["supervisor", "validator"])
    due = NOW + 30 * DAY_MS
    for sender in ("civil", "land", "tax"):
        assert review(office, sender, due).code == Code.NEEDS_ROLE
    assert review(office, "court", due + DAY_MS).code == Code.BAD_ARGUMENT
    assert review(office, "court", due).code == Code.OK
    assert review(office, "court", None).code == Code.WRONG_STATUS
    assert covers(office, NOW)
    assert not covers(office, due + 1)
    assert office.run("land", "subjects", "notified", {"use": 1}).code == Code.NOT_REGISTRAR
    [(name, data)] = work(office, 31 * DAY_MS)
    assert (name, data[:3]) == ("notice-overdue", [1, "civil", "tax"])
    assert office.run("civil", "subjects", "notified", {"use": 1}).code == Code.OK
    assert covers(office, due + 1)
    assert not covers(office, UNTIL)


def test_a_use_is_refused_and_a_statute_ends(office: Chain) -> None:
    enact(office)
    invoke(office)
    assert review(office, "court", None).events[0].name == "refused"
    assert not covers(office, NOW)
    invoke(office)
    assert review(office, "court", NOW + DAY_MS, 2).code == Code.OK
    assert covers(office, NOW)
    enact(office, until=NOW)
    assert not covers(office, NOW)
    assert [use["status"] for use in office.ask("subjects", "uses")] == ["refused", "allowed"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01 00:00 UTC"),
        (951_782_399_999, "2000-02-28 23:59 UTC"),
        (951_782_400_000, "2000-02-29 00:00 UTC"),
        (1_735_689_599_000, "2024-12-31 23:59 UTC"),
        (4_107_542_400_000, "2100-03-01 00:00 UTC"),
    ],
)
def test_times_are_written_as_people_read_them(ms: int, text: str) -> None:
    assert utc(ms) == text

"""Random walks through the contracts of subjects and custody: whatever is asked, books agree."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from consensus.codec import decode
from contracts.codes import Code
from contracts.system import subjects
from contracts.system.custody import is_delegate
from contracts.system.subjects.obligations import DAY_MS
from tests.contracts.conftest import NOW, Chain
from tests.contracts.system.test_subjects import DATASET, change, office, seal

__all__ = ["office"]
MEMBERS = ("civil", "court", "land", "tax")
USUAL = {
    "civil": ("open", "post", "revise"),
    "land": ("tell", "offer", "place", "challenge", "judge"),
    "tax": ("erased", "accept", "hold", "answer"),
}
COUNTERS = {
    "batch": "subjects/batches",
    "obligation": "subjects/obligations",
    "agreement": "custody/agreements",
    "challenge": "custody/challenges",
}
STEPS = 3_000


def arguments(random: Random, chain: Chain, envelopes: list[bytes]) -> dict[str, Callable[[], Any]]:
    """How each method's arguments are drawn: mostly sensible, often out of place."""

    def number(kind: str) -> dict[str, Any]:
        """One that was given, the latest above all; sometimes one that was not."""
        counter = COUNTERS[kind]
        latest: Any = decode(chain.state.values.get(counter.encode(), b"\0"))
        return {kind: max(1, latest + random.choice((-2, -1, 0, 0, 0, 0, 1)))}

    def time() -> int:
        return NOW + chain.late_ms + random.choice((-1, 20, 400, 1_000, 4_000)) * DAY_MS

    def envelope(usual: int) -> bytes:
        return envelopes[usual] if random.random() < 0.8 else random.choice(envelopes)

    def batch() -> dict[str, Any]:
        return {"dataset": random.choice((DATASET, DATASET, "land/none")), "purpose": "loan",
                "recipient": random.choice(MEMBERS), "field": random.randint(0, 2),
                "until": time()}  # fmt: skip

    def posted() -> dict[str, Any]:
        return {**number("batch"), "count": random.choice((16, 64, 17)), "root": bytes(32),
                "states": bytes(32), "envelope": envelope(0), "parts": [envelope(0)]}  # fmt: skip

    def revised() -> dict[str, Any]:
        return {**number("batch"), "revision": random.randint(2, 4), "states": bytes(32),
                "envelope": envelope(0)}  # fmt: skip

    def offer() -> dict[str, Any]:
        return {"dataset": DATASET, "custodian": random.choice(("tax", "tax", "tax", *MEMBERS)),
                "mode": random.choice(("escrow", "delegate")), "until": time()}  # fmt: skip

    def version() -> dict[str, Any]:
        return {**number("agreement"), "version": random.choice((1, 1, 1, 2))}

    def placed() -> dict[str, Any]:
        return {**version(), "chunks": 7, "root": bytes(32),
                "envelope": random.choice((None, envelope(1)))}  # fmt: skip

    return {
        "subjects.open": batch,
        "subjects.post": posted,
        "subjects.revise": revised,
        "subjects.end": lambda: number("batch"),
        "subjects.tell": lambda: {**number("obligation"), "envelope": envelope(1)},
        "subjects.erased": lambda: number("obligation"),
        "custody.offer": offer,
        "custody.accept": lambda: number("agreement"),
        "custody.end": lambda: number("agreement"),
        "custody.erased": lambda: number("agreement"),
        "custody.place": placed,
        "custody.hold": lambda: {**version(), "root": bytes(32)},
        "custody.challenge": lambda: {**version(), "blocks": random.randint(3, 9)},
        "custody.answer": lambda: {**number("challenge"), "digest": bytes(32)},
        "custody.judge": lambda: {**number("challenge"), "passed": random.random() < 0.5},
    }


def check_books(chain: Chain) -> None:
    """What is listed for somebody waits for it, once; what may be relied on is in force."""
    time = NOW + chain.late_ms
    listed = [
        (row["id"], member)
        for member in MEMBERS
        for row in subjects.get_outstanding(chain.state, member)
    ]
    known = []
    number = 1
    while (row := chain.ask("subjects", "obligation", obligation=number)) is not None:
        assert (row["waits_for"] is None) == (row["status"] == "done")
        if row["waits_for"] is not None:
            known.append((row["id"], row["waits_for"]))
        number += 1
    assert sorted(listed) == known
    for recipient in MEMBERS:
        for batch in subjects.find_usable(chain.state, DATASET, recipient, "loan", time):
            assert batch["status"] == "posted"
            assert batch["until"] > time
            assert batch["registrar"] not in ("land", recipient)
            assert batch["count"] in (16, 64)
    for agreement in chain.ask("custody", "list"):
        for placement in chain.ask("custody", "placements", agreement=agreement["id"]):
            check_placement(chain, agreement, placement, time)


def check_placement(chain: Chain, agreement: Any, placement: Any, time: int) -> None:
    assert (placement["envelope"] is not None) == (agreement["mode"] == "delegate")
    place = (agreement["id"], placement["version"])
    waiting = chain.ask("custody", "waiting", custodian=agreement["custodian"])
    of_it = [row["id"] for row in waiting if (row["agreement"], row["version"]) == place]
    assert of_it == ([] if placement["challenge"] is None else [placement["challenge"]])
    delivers = is_delegate(chain.state, DATASET, placement["version"], placement["custodian"], time)
    latest = chain.ask("custody", "agreements", dataset=DATASET)
    if agreement in latest:
        assert delivers == (
            agreement["mode"] == "delegate" and agreement["status"] == "active"
            and time < agreement["until"] and placement["status"] == "held"
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_books_agree_after_whatever_was_asked(office: Chain, seed: int) -> None:
    random = Random(seed)
    for name in MEMBERS:
        change(office, name, jurisdiction="cn-31", storage="cn-31")
    change(office, "court", roles=["registrar", "supervisor", "validator"])
    envelopes = [seal(office, "civil", "land"), seal(office, "land", "tax", "civil"), bytes(32)]
    drawn = arguments(random, office, envelopes)
    codes = set()
    for _ in range(STEPS):
        name = random.choice(sorted(drawn))
        contract, _, method = name.partition(".")
        if method == "end" and random.random() < 0.9:
            continue
        usual = [who for who, methods in USUAL.items() if method in methods]
        sender = usual[0] if usual and random.random() < 0.8 else random.choice(MEMBERS)
        receipt = office.run(sender, contract, method, drawn[name]())
        codes.add(Code(receipt.code))
        if random.random() < 0.02:
            office.late_ms += random.choice((1, 3, 30)) * DAY_MS
        check_books(office)
    assert len(codes) > 8
    for contract, query in (("subjects", "obligation"), ("custody", "challenge")):
        assert office.ask(contract, query, **{query: 1}) is not None, "the walk got nowhere"

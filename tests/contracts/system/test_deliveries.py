"""Deliveries on the chain: quota, signatures, ends, disputes, metering."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.codec import decode, encode
from consensus.crypto import Kind, Signer
from contracts.codes import Code
from contracts.envelope import Call
from contracts.receipts import Receipt
from contracts.system.deliveries.audits import nonce_of
from contracts.system.deliveries.header import Header, first
from contracts.system.deliveries.limits import DAY_MS, DEFAULT

from ..conftest import NOW, Chain

RECIPIENT = Signer(b"r" * 32)
HOUR_MS = 60 * 60 * 1_000


class Case:
    """Tax holds a grant on land's dataset of 10 rows: 15 rows may be delivered."""

    def __init__(self, kind: str = "table", **changes: Any) -> None:
        self.chain = chain = Chain(("health",))
        digest = chain.publish()
        self.run("land", "catalogue", "register", chain.registration(digest))
        self.standard = digest
        request = {
            "dataset": "land/parcels-2025", "version": 1, "fields": [0, 1], "filter": [],
            "envelope": None, "purpose": "public-service", "basis": "public-task", "kind": kind,
            "key": 0 if kind == "lookup" else None, "mode": "linked", "from": NOW,
            "until": NOW + 20 * DAY_MS, "rows": 15, "retention_days": 1, "onward": False,
            "hours": None,
        } | changes  # fmt: skip
        self.run("tax", "access", "request", request)
        assert self.grant["status"] == "active"

    def run(self, sender: str, contract: str, method: str, args: Any, code: int = 0) -> Receipt:
        receipt = self.chain.run(sender, contract, method, args)
        assert receipt.code == code, receipt
        return receipt

    def pass_time(self, ms: int) -> list[str]:
        """Let a block come `ms` later; returns names of what it announced by itself."""
        self.chain.late_ms += ms
        receipts = self.chain.execute().receipts
        return [event.name for receipt in receipts for event in receipt.events]

    @property
    def grant(self) -> Any:
        return self.chain.ask("access", "grant", grant=1)

    def delivery(self, number: int = 1) -> Any:
        return self.chain.ask("deliveries", "get", delivery=number)

    def open(self, rows: int = 10, code: int = 0, sender: str = "tax", **changes: Any) -> Receipt:
        nonce = changes.pop("nonce", self.chain.height.to_bytes(16, "big"))
        args = {"grant": 1, "server": "land", "version": 1, "rows": rows, "nonce": nonce,
                "key": RECIPIENT.public_key} | changes  # fmt: skip
        return self.run(sender, "deliveries", "open", args, code)

    def header(self, rows: int, *, is_last: bool = True, delivery: int = 1) -> Header:
        made = first(delivery).next(b"body", rows, 10, is_last=is_last)
        return replace(made, number=1 + rows)

    def sign(self, header: Header, by: str) -> bytes:
        signer = RECIPIENT if by == "tax" else self.chain.keys[by]["node"]
        return signer.sign(Kind.DELIVERY, self.chain.chain_id, header.encode())

    def close(self, header: Header, sender: str = "tax", code: int = 0, **changes: Any) -> Receipt:
        args = {"delivery": 1, "header": header.encode(), "server": self.sign(header, "land"),
                "recipient": self.sign(header, "tax")} | changes  # fmt: skip
        return self.run(sender, "deliveries", "close", args, code)

    def lapse(self, sender: str, header: Header | None, signer: str = "", code: int = 0) -> Receipt:
        args: dict[str, Any] = {"delivery": 1, "header": b"" if header is None else header.encode()}
        if header is not None:
            args["signature"] = self.sign(header, signer)
        return self.run(sender, "deliveries", "lapse", args, code)

    def quota(self) -> tuple[int, int]:
        return self.grant["used"], self.grant["reserved"]


def test_a_delivery_reserves_and_gives_back_what_was_not_delivered() -> None:
    case = Case()
    event = case.open(10).events[-1]
    assert (event.name, event.data) == ("opened", [1, 1, "tax", "land", 1, 10])
    assert case.quota() == (0, 10)
    assert case.chain.ask("deliveries", "running", member="land") == [1]
    case.close(case.header(7), sender="land")
    assert case.quota() == (7, 0)
    found = case.delivery()
    assert (found["status"], found["used"]) == ("closed", 7)
    assert case.chain.ask("deliveries", "running", member="land") == []
    assert case.chain.ask("deliveries", "of", grant=1) == [1]
    case.close(case.header(7), code=Code.WRONG_STATUS)  # once
    assert case.quota() == (7, 0)


def test_quota_is_exact_when_many_race_for_it() -> None:
    case = Case()
    calls = [
        Call("deliveries", "open", {"grant": 1, "server": "land", "version": 1, "rows": 4,
                                    "nonce": bytes([n]) * 16, "key": RECIPIENT.public_key})
        for n in range(10)
    ]  # fmt: skip
    receipts = case.chain.execute(*(case.chain.sign("tax", call) for call in calls)).receipts
    assert [r.code for r in receipts] == [0] * 3 + [Code.QUOTA_EXCEEDED] * 7
    assert case.quota() == (0, 12)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sender": "health"}, Code.NOT_OWNER),
        ({"grant": 2}, Code.NOT_FOUND),
        ({"server": "health"}, Code.NOT_SERVER),
        ({"version": 2}, Code.WRONG_VERSION),
        ({"rows": 16}, Code.QUOTA_EXCEEDED),
        ({"key": b""}, Code.BAD_ARGUMENT),
        ({"nonce": b"n" * 16}, Code.EXISTS),
    ],
)
def test_who_may_not_open(changes: dict[str, Any], code: Code) -> None:
    case = Case()
    case.open(1, nonce=b"n" * 16)
    before = case.chain.state.values.copy()
    case.open(**{"rows": 1, **changes}, code=code)
    assert case.chain.state.values == before


def test_a_grant_that_ended_opens_nothing() -> None:
    case = Case()
    case.run("land", "access", "revoke", {"grant": 1, "reason": "misuse"})
    case.open(1, code=Code.GRANT_ENDED)
    case = Case()
    case.pass_time(21 * DAY_MS)
    case.open(1, code=Code.GRANT_EXPIRED)


def test_a_close_needs_the_last_header_of_this_delivery_with_both_signatures() -> None:
    case = Case()
    case.open(10)
    good = case.header(7)
    case.close(good, sender="health", code=Code.NOT_OWNER)
    case.close(case.header(7, is_last=False), code=Code.NOT_LAST)
    case.close(case.header(11), code=Code.QUOTA_EXCEEDED)
    case.close(case.header(7, delivery=2), code=Code.BAD_HEADER)
    case.close(good, server=case.sign(good, "tax"), code=Code.BAD_HEADER)
    case.close(good, recipient=case.sign(good, "land"), code=Code.BAD_HEADER)
    case.close(good, recipient=case.sign(case.header(6), "tax"), code=Code.BAD_HEADER)
    junk = {"delivery": 1, "header": b"\x80", "server": bytes(64), "recipient": bytes(64)}
    case.run("tax", "deliveries", "close", junk, Code.BAD_ARGUMENT)
    assert case.quota() == (0, 10)
    case.close(good)


def test_a_side_that_speaks_alone_is_heard_and_the_highest_header_counts() -> None:
    case = Case()
    case.open(10)
    case.lapse("tax", case.header(3, is_last=False), "tax", code=Code.BAD_HEADER)  # its own word
    case.lapse("tax", None)
    case.lapse("land", case.header(5, is_last=False), "land", code=Code.BAD_HEADER)
    case.lapse("land", case.header(5, is_last=False), "tax")
    case.lapse("tax", case.header(4, is_last=False), "land")
    assert case.quota() == (0, 10)
    assert "ended" in case.pass_time(DEFAULT["lapse_ms"])
    assert case.delivery()["status"] == "lapsed"
    assert case.quota() == (5, 0)


def test_a_delivery_that_lapses_may_still_be_closed_by_both() -> None:
    case = Case()
    case.open(10)
    case.lapse("tax", None)
    case.close(case.header(9))
    assert "ended" not in case.pass_time(DEFAULT["lapse_ms"])
    assert case.quota() == (9, 0)


def test_when_nobody_speaks_everything_reserved_counts() -> None:
    case = Case()
    case.open(10)
    case.pass_time(DEFAULT["delivery_ms"])
    assert (case.delivery()["status"], case.quota()) == ("lapsed", (10, 0))


@pytest.mark.parametrize("closed_before", [False, True])
def test_a_dispute_stops_all_until_a_supervisor_settles_it(closed_before: bool) -> None:
    case = Case()
    case.open(10)
    header = case.header(8)
    if closed_before:
        case.close(header)
    args = {"delivery": 1, "header": header.encode(), "commitment": b"c" * 32, "envelopes": []}
    case.run("tax", "deliveries", "dispute", {**args, "signature": case.sign(header, "tax")},
             Code.BAD_HEADER)  # fmt: skip
    assert case.chain.ask("deliveries", "disputes") == []
    case.run("tax", "deliveries", "dispute", {**args, "signature": case.sign(header, "land")})
    case.pass_time(DEFAULT["delivery_ms"])
    assert case.delivery()["status"] == "disputed"
    assert [row["id"] for row in case.chain.ask("deliveries", "disputes")] == [1]
    ruling = {"delivery": 1, "outcome": "for-recipient", "rows": 2}
    case.run("tax", "deliveries", "settle", ruling, Code.NOT_SUPERVISOR)
    _make_supervisor(case.chain, "health")
    _make_supervisor(case.chain, "land")
    case.run("land", "deliveries", "settle", ruling, Code.OWN_REQUEST)
    limit = 9 if closed_before else 11
    case.run("health", "deliveries", "settle", {**ruling, "rows": limit}, Code.QUOTA_EXCEEDED)
    case.run("health", "deliveries", "settle", ruling)
    assert case.delivery()["dispute"]["outcome"] == "for-recipient"
    assert case.quota() == (2, 0)  # what did not come right is given back
    [[_, _, _, _, deliveries, rows]] = case.chain.ask(
        "deliveries", "meter", server="land", since=NOW
    )
    assert (deliveries, rows) == (1, 2)
    case.run("health", "deliveries", "settle", ruling, Code.WRONG_STATUS)


def test_evidence_of_a_dispute_is_sealed_to_supervisors_alone() -> None:
    case = Case()
    case.open(10)
    _make_supervisor(case.chain, "health")
    # One that promises more than is reserved is what a dispute is for.
    header = case.header(99)
    args = {"delivery": 1, "header": header.encode(), "commitment": b"c" * 32,
            "signature": case.sign(header, "land")}  # fmt: skip
    for number, (sender, parties) in enumerate(
        [("tax", ["health", "land", "tax"]), ("health", ["health"]), ("tax", ["health", "tax"])]
    ):
        envelope = bytes([number]) * 32
        anchor = {"id": envelope, "commitment": bytes(32), "parties": parties}
        case.run(sender, "envelopes", "anchor", anchor)
        is_fit = number == 2
        case.run("tax", "deliveries", "dispute", {**args, "envelopes": [envelope]},
                 0 if is_fit else Code.BAD_ENVELOPE)  # fmt: skip
    missing = {**args, "envelopes": [b"?" * 32]}
    case.run("tax", "deliveries", "dispute", missing, Code.BAD_ENVELOPE)
    assert case.delivery()["dispute"]["envelopes"] == [b"\x02" * 32]


def _make_supervisor(chain: Chain, name: str) -> None:
    key = b"members/member/" + name.encode()
    record: Any = decode(chain.state.values[key])
    chain.state.values[key] = encode({**record, "roles": [*record["roles"], "supervisor"]})


def test_erasure_is_attested_or_overdue() -> None:
    case = Case()
    assert case.chain.ask("deliveries", "copies", grant=1) is None
    case.run("tax", "deliveries", "attest", {"grant": 1}, Code.NOT_FOUND)
    case.open(1)
    case.run("land", "deliveries", "attest", {"grant": 1}, Code.NOT_OWNER)
    due, attested = case.chain.ask("deliveries", "copies", grant=1)
    assert (due, attested) == (NOW + 21 * DAY_MS + DEFAULT["erase_ms"], None)
    assert "overdue" in case.pass_time(22 * DAY_MS)
    assert case.run("tax", "deliveries", "attest", {"grant": 1}).events[0].data[2] is True
    case = Case()
    case.open(1)
    case.run("tax", "deliveries", "attest", {"grant": 1})
    assert "overdue" not in case.pass_time(22 * DAY_MS)


def test_metering_counts_by_hour_grant_recipient_and_level() -> None:
    case = Case()
    for number in (1, 2):
        case.open(2)
        header = case.header(number, delivery=number)
        case.close(header, delivery=number)
    case.chain.late_ms += HOUR_MS
    case.open(3)
    case.close(case.header(3, delivery=3), delivery=3)
    rows = case.chain.ask("deliveries", "meter", server="land", since=NOW)
    hour = NOW - NOW % HOUR_MS
    assert rows == [[hour, 1, "tax", 2, 2, 3], [hour + HOUR_MS, 1, "tax", 2, 1, 3]]
    later = case.chain.ask("deliveries", "meter", server="land", since=hour + HOUR_MS)
    assert later == rows[1:]


def test_call_logs_only_grow_and_enumeration_is_told_once() -> None:
    case = Case("lookup", rows=100)
    case.open(90)
    args = {"delivery": 1, "count": 30, "misses": 15, "root": b"r" * 32}
    node = {"signer": case.chain.keys["land"]["node"]}

    def calls(code: int = 0, **changes: int) -> list[str]:
        call = Call("deliveries", "calls", args | changes)
        until = case.chain.height + 100
        signed = case.chain.sign("land/node", call, valid_until=until, **node)  # type: ignore[arg-type]
        receipt = case.chain.execute(signed).receipts[-1]
        assert receipt.code == code, receipt
        return [event.name for event in receipt.events]

    assert calls() == ["calls"]  # half of them missed, but too few to mean anything
    assert calls(Code.NOT_LATER) == []
    assert calls(Code.BAD_ARGUMENT, count=91) == []
    assert calls(Code.BAD_ARGUMENT, count=31, misses=14) == []
    assert calls(count=40, misses=20) == ["calls", "enumeration"]
    assert calls(count=42, misses=22) == ["calls"]
    assert case.delivery()["calls"][3] is True


@pytest.mark.parametrize(("misses", "told"), [(24, True), (19, False), (31, False)])
def test_a_session_that_ends_at_once_is_judged_by_its_last_header(misses: int, told: bool) -> None:
    case = Case("lookup", rows=100)
    case.open(90)
    last = replace(case.header(30), position=misses)
    names = [event.name for event in case.close(last).events]
    assert names == (["calls"] if misses <= 30 else []) + ["enumeration"] * told + ["ended"]
    calls = case.delivery()["calls"]
    assert calls == ([30, misses, last.digest, told] if misses <= 30 else None)


def test_what_a_server_looks_at_before_each_chunk() -> None:
    case = Case(hours=[0, 127, 0, 1440])
    case.open(1)
    ask = case.chain.ask
    assert ask("deliveries", "serving", delivery=2, time=NOW) is None
    found = ask("deliveries", "serving", delivery=1, time=NOW)
    assert (found["fault"], found["grant"]["id"], found["limits"]) == (None, 1, DEFAULT)
    late = ask("deliveries", "serving", delivery=1, time=NOW + 21 * DAY_MS)
    assert late["fault"] == "grant-expired"
    case.close(case.header(1))
    assert ask("deliveries", "serving", delivery=1, time=NOW)["fault"] == "wrong-status"


SECRET = b"s" * 32


class AuditedCase(Case):
    """Health is a supervisor; what tax asks for goes in audited mode."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**{"mode": "audited"} | changes)
        record: Any = decode(self.chain.state.values[b"members/member/health"])
        record["roles"] = ["supervisor", "validator"]
        self.chain.state.values[b"members/member/health"] = encode(record)

    def root(self, code: int = 0, sender: str = "land", **changes: Any) -> Receipt:
        args = {"delivery": 1, "root": b"r" * 32, "rows": 8, "map": b"m" * 32, "mark": None}
        return self.run(sender, "deliveries", "root", args | changes, code)

    def reveal(self, code: int = 0, sender: str = "tax", secret: bytes = SECRET) -> Receipt:
        return self.run(sender, "deliveries", "reveal", {"delivery": 1, "secret": secret}, code)

    def audit(self, outcome: str, checked: int = 600, faults: int = 0, code: int = 0,
              sender: str = "health") -> Receipt:  # fmt: skip
        args = {"delivery": 1, "outcome": outcome, "checked": checked, "faults": faults}
        return self.run(sender, "deliveries", "audit", args, code)


def test_a_root_stands_before_the_secret_and_the_sample_is_drawn_by_a_later_block() -> None:
    case = AuditedCase()
    case.open(nonce=nonce_of(SECRET))
    case.reveal(Code.WRONG_STATUS)  # the root comes first
    case.root(Code.NOT_SERVER, sender="tax")
    case.root(Code.QUOTA_EXCEEDED, rows=11)
    case.root(Code.BAD_ARGUMENT, mark=b"k" * 32)  # the grant has none
    height = case.chain.height
    case.root()
    case.root(Code.EXISTS)
    case.reveal(Code.NOT_OWNER, sender="land")
    case.reveal(Code.WRONG_DIGEST, secret=b"t" * 32)
    case.audit("passed", code=Code.WRONG_STATUS)
    assert case.chain.ask("deliveries", "audits") == []
    assert case.delivery()["audit"]["height"] == height + 1
    case.chain.height = height + 1
    case.reveal(Code.NOT_YET_DRAWN)  # who proposes this block must not know the secret
    case.reveal()
    case.reveal(Code.WRONG_STATUS)
    assert case.chain.ask("deliveries", "audits") == [1]


def test_an_audit_is_a_supervisors_and_is_made_once() -> None:
    case = AuditedCase()
    case.open(nonce=nonce_of(SECRET))
    case.root()
    case.chain.execute()
    case.reveal()
    case.audit("passed", sender="land", code=Code.NOT_SUPERVISOR)
    for outcome, checked, faults in (("passed", 600, 1), ("failed", 600, 0), ("silent", 1, 0)):
        code = Code.NOT_YET_SILENT if outcome == "silent" else Code.BAD_ARGUMENT
        case.audit(outcome, checked, faults, code)
    case.pass_time(DEFAULT["audit_ms"] + 10)
    case.audit("silent", 1, 0, Code.BAD_ARGUMENT)
    case.audit("silent", 0)
    assert case.chain.ask("deliveries", "audits") == [1]  # it may still be made good
    event = case.audit("failed", 600, 6).events[-1]
    assert (event.name, event.data) == ("audited", [1, "health", "failed", 600, 6])
    assert case.chain.ask("deliveries", "audits") == []
    case.audit("passed", code=Code.WRONG_STATUS)


def test_only_audited_tables_have_a_root() -> None:
    case = Case()
    case.open()
    args = {"delivery": 1, "root": bytes(32), "rows": 1, "map": bytes(32), "mark": None}
    case.run("land", "deliveries", "root", args, Code.WRONG_MODE)

"""Blocks execute alike everywhere; each transaction takes effect wholly or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.codec import encode
from consensus.crypto import Signer, sha256
from contracts.api import Args, Context, Contract, QuerySignature, Signature, fail
from contracts.checks import integer
from contracts.codes import NAMES, Code
from contracts.engine import QueryError, Rejection, check_admission, execute_block, query
from contracts.envelope import Call, Transaction
from contracts.receipts import MAX_EVENTS

NUMBER = {"n": integer(0, 1 << 20)}


def _put(ctx: Context, args: Args) -> None:
    ctx.put(b"n", args["n"])
    ctx.emit("put", [args["n"], ctx.index, ctx.caller])


def _remove(ctx: Context, args: Args) -> None:
    ctx.delete(b"n")


def _refuse(ctx: Context, args: Args) -> None:
    ctx.put(b"n", 99)
    ctx.emit("never", None)
    fail(Code.NOT_FOUND, args["n"])


def _forward(ctx: Context, args: Args) -> None:
    ctx.call("box", "put", {"n": args["n"]})
    ctx.put(b"seen", ctx.other("box").get(b"n"))


def _flood(ctx: Context, args: Args) -> None:
    for n in range(args["n"]):
        ctx.emit("drop", n)


def _break(ctx: Context, args: Args) -> None:
    raise KeyError("a fault in the contract's code")


def _who(ctx: Context, args: Args) -> None:
    ctx.emit("who", [ctx.sender, ctx.key, ctx.txid, ctx.block.height, ctx.block.timestamp])


BOX = Contract(
    "box",
    {
        "put": Signature(_put, NUMBER),
        "remove": Signature(_remove, {}),
        "refuse": Signature(_refuse, NUMBER, frozenset(("n",))),
        "flood": Signature(_flood, NUMBER),
        "break": Signature(_break, {}),
        "who": Signature(_who, {}),
    },
    {"twice": QuerySignature(lambda state, args: 2 * args["n"], NUMBER)},
)
DOOR = Contract("door", {"forward": Signature(_forward, NUMBER)}, {})


@pytest.fixture
def box(chain: Any) -> Any:
    chain.versions = {1: {"box": BOX, "door": DOOR}}
    return chain


def put(n: int) -> Call:
    return Call("box", "put", {"n": n})


def test_calls_see_what_earlier_calls_wrote_and_events_keep_their_order(box: Any) -> None:
    result = box.execute(box.sign("land", put(1), put(2)), box.sign("tax", put(3)))
    assert result.changes == {b"box/n": encode(3)}
    assert [r.index for r in result.receipts] == [0, 1]
    assert [e.data for e in result.receipts[0].events] == [[1, 0, None], [2, 1, None]]


def test_a_failing_call_undoes_the_whole_transaction_and_no_other(box: Any) -> None:
    refused = box.sign("land", put(2), Call("box", "refuse", {"n": 7}), put(3))
    result = box.execute(box.sign("land", put(1)), refused)
    receipt = result.receipts[1]
    assert (receipt.code, receipt.details, receipt.events) == (Code.NOT_FOUND, 7, ())
    assert receipt.txid == refused.txid
    assert result.changes == {b"box/n": encode(1)}


def test_a_failed_delete_is_undone(box: Any) -> None:
    box.execute(box.sign("land", put(1)))
    refuse = Call("box", "refuse", {"n": 0})
    result = box.execute(box.sign("land", Call("box", "remove", {}), refuse))
    assert result.changes == {}


def test_a_contract_calls_another_in_the_senders_name(box: Any) -> None:
    result = box.execute(box.sign("land", put(1), Call("door", "forward", {"n": 5})))
    assert result.changes == {b"box/n": encode(5), b"door/seen": encode(5)}
    assert result.receipts[0].events[1].data == [5, 1, "door"]


def test_a_failure_in_a_nested_call_undoes_the_outer_one(box: Any) -> None:
    result = box.execute(box.sign("land", put(1), Call("door", "forward", {"n": 1 << 21})))
    assert result.receipts[0].code == Code.BAD_ARGUMENT
    assert result.changes == {}


def test_the_context_tells_who_and_when(box: Any) -> None:
    signed = box.sign("land", Call("box", "who", {}))
    context = box.context()
    event = box.execute(signed).receipts[0].events[0]
    assert event.data == ["land", signed.key, signed.txid, context.height, context.timestamp]


def test_events_are_limited(box: Any) -> None:
    flood = Call("box", "flood", {"n": MAX_EVENTS})
    full = box.execute(box.sign("land", flood)).receipts[0]
    over = box.execute(box.sign("land", flood, put(1))).receipts[0]
    assert (full.code, len(full.events)) == (Code.OK, MAX_EVENTS)
    assert (over.code, over.details) == (Code.TOO_MANY_EVENTS, MAX_EVENTS)


def test_a_fault_in_a_contracts_code_is_not_an_answer(box: Any) -> None:
    with pytest.raises(KeyError, match="fault in the contract"):
        box.execute(box.sign("land", Call("box", "break", {})))


@pytest.mark.parametrize(
    ("call", "code", "details"),
    [
        (Call("nobody", "put", {}), Code.UNKNOWN_CONTRACT, "nobody"),
        (Call("土\x1b[31m", "put", {}), Code.UNKNOWN_CONTRACT, "??[31m"),
        (Call("box", "give", {}), Code.UNKNOWN_METHOD, "give"),
        (Call("box", "put", {}), Code.BAD_ARGUMENT, "n: missing"),
        (Call("box", "put", {"n": True}), Code.BAD_ARGUMENT, "n: must be an integer from 0 to"),
        (Call("box", "put", {"n": 1, "m": 1}), Code.BAD_ARGUMENT, "m: unknown argument"),
        (Call("box", "put", {"n": 1, "\n": 1}), Code.BAD_ARGUMENT, "?: unknown argument"),
    ],
)
def test_an_error_names_what_is_wrong(box: Any, call: Call, code: Code, details: str) -> None:
    receipt = box.execute(box.sign("land", call)).receipts[0]
    assert receipt.code == code
    assert receipt.details.startswith(details)


def test_execution_is_a_function_of_its_inputs(chain: Any) -> None:
    digest = chain.publish()
    calls = [
        Call("catalogue", "register", chain.registration(digest, dataset=f"land/d{n}", version=v))
        for n in range(5)
        for v in (1, 3, 2)
    ]
    transactions = [chain.sign("land", call) for call in calls]
    again = [Transaction.decode(t.raw, chain.parameters, chain.chain_id) for t in transactions]
    first = execute_block(chain.state, chain.context(), transactions)
    second = execute_block(chain.state, chain.context(), again)
    assert [r.encoded for r in first.receipts] == [r.encoded for r in second.receipts]
    assert list(first.changes.items()) == list(second.changes.items())
    assert {r.code for r in first.receipts} == {Code.OK, Code.WRONG_VERSION}


def test_a_transaction_that_became_inadmissible_gets_a_receipt(chain: Any) -> None:
    late = chain.sign("land", Call("catalogue", "retire", {"dataset": "land/x"}), valid_until=0)
    result = chain.execute(late)
    assert result.receipts[0].code == Code.EXPIRED
    assert result.changes == {}


# Admission


def admit(chain: Any, signed: Transaction, height: int = 10, **limits: int) -> Rejection | None:
    return check_admission(chain.state, signed, height, replace(chain.parameters, **limits))


CALL = Call("c", "m", {"data": bytes(600)})


@pytest.mark.parametrize(
    ("valid_until", "code"),
    [
        (9, Code.EXPIRED),
        (10, None),
        (10 + 599, None),
        (10 + 600, Code.TOO_FAR_AHEAD),
    ],
)
def test_the_replay_window(chain: Any, valid_until: int, code: Code | None) -> None:
    rejection = admit(chain, chain.sign("land", CALL, valid_until=valid_until))
    assert (rejection and rejection.code) == code


def test_only_an_active_member_with_its_member_key_is_admitted(chain: Any) -> None:
    stranger = Signer(sha256(b"stranger"))
    assert admit(chain, chain.sign("city", CALL)) is None
    assert admit(chain, chain.sign("land", CALL, signer=stranger)) == Rejection(
        Code.WRONG_KEY, None
    )
    for name in ("nobody", "", "lan", "member/land"):
        unknown = chain.sign(name, CALL, signer=stranger)
        assert admit(chain, unknown) == Rejection(Code.UNKNOWN_SENDER, None)


def test_a_suspended_member_is_not_admitted(chain: Any) -> None:
    record = chain.ask("members", "get", name="land")
    chain.state.values[b"members/member/land"] = encode({**record, "status": "suspended"})
    found = admit(chain, chain.sign("land", CALL))
    assert found == Rejection(Code.SENDER_NOT_ACTIVE, None)
    assert found.name == "sender-not-active"


def test_limits_that_shrank_since_decoding_apply(chain: Any) -> None:
    signed = chain.sign("land", CALL, CALL)
    assert admit(chain, signed, max_transaction_bytes=512) == Rejection(Code.TOO_LARGE, 512)
    assert admit(chain, signed, max_calls=1) == Rejection(Code.TOO_LARGE, 1)
    assert admit(chain, signed, max_calls=2) is None


# Queries and codes


def test_queries_answer_or_say_why_not(box: Any) -> None:
    assert query(box.state, 1, "box", "twice", {"n": 4}, box.versions) == 8
    for contract, method, args, code in (
        ("bag", "twice", {}, Code.UNKNOWN_CONTRACT),
        ("box", "thrice", {}, Code.UNKNOWN_METHOD),
        ("box", "put", {"n": 1}, Code.UNKNOWN_METHOD),
        ("box", "twice", {"n": "4"}, Code.BAD_ARGUMENT),
    ):
        with pytest.raises(QueryError) as caught:
            query(box.state, 1, contract, method, args, box.versions)  # type: ignore[arg-type]
        assert caught.value.code is code


def test_codes_have_ascii_names() -> None:
    assert NAMES[Code.OK] == "ok"
    assert NAMES[Code.BAD_ARGUMENT] == "bad-argument"
    assert all(name.isascii() and name.islower() for name in NAMES.values())

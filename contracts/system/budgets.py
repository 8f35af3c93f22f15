"""Privacy budgets: how much all answers about a dataset's subjects may tell, over all versions.

A dataset has one budget in millionths of epsilon, for every version and every recipient; recipients
have shares within it. The owner reserves before it answers: what is lost has been paid for. A
question is named by a keyed digest that only the owner can make; asked again on the same version
it costs nothing, and has the one answer whose digest is on the chain. Whose records count as one is
for the owner to say, once: a recipient that named another column would be told of single persons.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import (
    NODE,
    STEWARD,
    Args,
    Context,
    Contract,
    QuerySignature,
    Reader,
    Signature,
    fail,
)
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import access, catalogue, members
from contracts.system.deliveries import meter
from contracts.system.deliveries.limits import NAME as DELIVERIES

NAME = "budgets"
MAX_MICRO_EPSILON = 1_000_000_000
MAX_SUBJECT_BYTES = 1_024
"""Of the name of a column."""
PAGE = 100
_BUDGET = b"budget/"
_SHARE = b"share/"
_QUESTION = b"question/"


def _open(ctx: Context, args: Args) -> None:
    """Set budget and subject of a dataset, once: what was promised is not raised later."""
    dataset = args["dataset"]
    _own(ctx, dataset)
    if ctx.get(_budget(dataset)) is not None:
        fail(Code.EXISTS, dataset)
    ctx.put(_budget(dataset), [args["micro_epsilon"], 0, args["subject"]])
    ctx.emit("opened", [dataset, args["micro_epsilon"], args["subject"]])


def _share(ctx: Context, args: Args) -> None:
    """Set what a recipient may use of the budget; it can be changed, but not below its use."""
    dataset, recipient, micro = args["dataset"], args["recipient"], args["micro_epsilon"]
    _own(ctx, dataset)
    total, *_ = _require(ctx, dataset)
    members.require(ctx, recipient)
    _, used = ctx.get(_part(dataset, recipient)) or (0, 0)
    if not used <= micro <= total:
        fail(Code.BAD_ARGUMENT, f"micro_epsilon: must be from {used} to {total}")
    ctx.put(_part(dataset, recipient), [micro, used])
    ctx.emit("shared", [dataset, recipient, micro])


def _reserve(ctx: Context, args: Args) -> None:
    """Pay for a question of a recipient, before it is answered; it may ask under a grant."""
    dataset, version, recipient = args["dataset"], args["version"], args["recipient"]
    micro, grant = args["micro_epsilon"], args.get("grant")
    _own(ctx, dataset)
    if catalogue.get(ctx.overlay, dataset, version) is None:
        fail(Code.NOT_FOUND, f"{dataset} version {version}")
    key = _question(dataset, version, args["question"])
    if ctx.get(key) is not None:
        fail(Code.ALREADY_ASKED, args["question"])
    spent = charge(ctx, dataset, recipient, micro)
    if grant is not None:
        count(ctx, grant, recipient, dataset, version)
    ctx.put(key, [recipient, micro, ctx.block.height, None])
    ctx.emit("reserved", [dataset, version, recipient, micro, spent, grant])


def charge(ctx: Context, dataset: str, recipient: str, micro: int) -> int:
    """Take from budget and share; returns what is spent in all. For the ledger's own contracts."""
    mine = ctx.as_contract(CONTRACT)
    total, spent, subject = _require(mine, dataset)
    share, used = mine.get(_part(dataset, recipient)) or (0, 0)
    if spent + micro > total:
        fail(Code.BUDGET_EXCEEDED, total - spent)
    if used + micro > share:
        fail(Code.SHARE_EXCEEDED, share - used)
    after: int = spent + micro
    mine.put(_budget(dataset), [total, after, subject])
    mine.put(_part(dataset, recipient), [share, used + micro])
    return after


def count(ctx: Context, number: int, recipient: str, dataset: str, version: int) -> Any:
    """Count an answer with its grant, which is returned, and in the meter of what is served."""
    grant = access.spend(ctx, number, recipient, dataset, version)
    served = {"server": ctx.sender, "grant": number, "recipient": recipient,
              "level": grant["level"]}  # fmt: skip
    meter.count(ctx.as_contract(ctx.contracts[DELIVERIES]), served, 1)
    return grant


def _give(ctx: Context, args: Args) -> None:
    """Give a stored answer again under a grant: no budget is used, and it counts as an answer."""
    dataset, version, recipient = args["dataset"], args["version"], args["recipient"]
    _own(ctx, dataset)
    row = ctx.get(_question(dataset, version, args["question"]))
    if row is None or row[3] is None:
        fail(Code.NOT_FOUND, args["question"])
    count(ctx, args["grant"], recipient, dataset, version)
    ctx.emit("given", [dataset, version, recipient, args["grant"]])


def _answer(ctx: Context, args: Args) -> None:
    """Bind the one answer to a paid question, by its digest."""
    _own(ctx, args["dataset"])
    key = _question(args["dataset"], args["version"], args["question"])
    row = ctx.get(key)
    if row is None:
        fail(Code.NOT_FOUND, args["question"])
    if row[3] is not None:
        fail(Code.EXISTS, row[3])
    ctx.put(key, [*row[:3], args["answer"]])
    ctx.emit("answered", [args["dataset"], args["version"], args["question"], args["answer"]])


def _own(ctx: Context, dataset: str) -> None:
    ctx.require_own(dataset)
    if catalogue.get(ctx.overlay, dataset) is None:
        fail(Code.NOT_FOUND, dataset)


def _require(ctx: Context, dataset: str) -> Any:
    budget = ctx.get(_budget(dataset))
    if budget is None:
        fail(Code.NO_BUDGET, dataset)
    return budget


def _budget(dataset: str) -> bytes:
    return _BUDGET + dataset.encode("ascii")


def _part(dataset: str, recipient: str) -> bytes:
    return _SHARE + f"{dataset}/{recipient}".encode("ascii")


def _question(dataset: str, version: int, question: bytes) -> bytes:
    place = dataset.encode("ascii") + b"/" + checks.number_key(version)
    return _QUESTION + place + b"/" + question


def _query_get(state: StateReader, args: Args) -> Value:
    """Total and spent of a dataset, and of each recipient's share, by names above `after`."""
    reader, dataset = Reader(state, NAME), args["dataset"]
    budget = reader.get(_budget(dataset))
    if budget is None:
        return None
    prefix = _part(dataset, "")
    start = prefix + args["after"].encode("ascii") if "after" in args else b""
    shares = [
        {"recipient": key[len(prefix) :].decode("ascii"), "share": row[0], "used": row[1]}
        for key, row in reader.scan(prefix, start, PAGE)
    ]
    return {"total": budget[0], "spent": budget[1], "subject": budget[2], "shares": shares}


def _query_question(state: StateReader, args: Args) -> Value:
    """What is known of a question, or null."""
    key = _question(args["dataset"], args["version"], args["question"])
    row = Reader(state, NAME).get(key)
    if row is None:
        return None
    return {"recipient": row[0], "micro_epsilon": row[1], "height": row[2], "answer": row[3]}


_DATASET = {"dataset": checks.owned_id}
_MICRO = checks.integer(1, MAX_MICRO_EPSILON)
_GRANT = checks.integer(1, 1 << 53)
_ASKED = {**_DATASET, "version": checks.integer(1, 1 << 32), "question": checks.data(32)}

CONTRACT = Contract(
    NAME,
    methods={
        "open": Signature(
            _open,
            {**_DATASET, "micro_epsilon": _MICRO, "subject": checks.text(MAX_SUBJECT_BYTES)},
            duties=(STEWARD,),
        ),
        "share": Signature(
            _share,
            {**_DATASET, "recipient": checks.slug,
             "micro_epsilon": checks.integer(0, MAX_MICRO_EPSILON)},
            duties=(STEWARD,),
        ),
        "reserve": Signature(
            _reserve,
            {**_ASKED, "recipient": checks.slug, "micro_epsilon": _MICRO, "grant": _GRANT},
            frozenset(("grant",)),
            duties=(STEWARD, NODE),
        ),
        "give": Signature(
            _give, {**_ASKED, "recipient": checks.slug, "grant": _GRANT}, duties=(STEWARD, NODE)
        ),
        "answer": Signature(
            _answer, {**_ASKED, "answer": checks.data(32)}, duties=(STEWARD, NODE)
        ),
    },
    queries={
        "get": QuerySignature(
            _query_get, {**_DATASET, "after": checks.slug}, frozenset(("after",))
        ),
        "question": QuerySignature(_query_question, _ASKED),
    },
)  # fmt: skip

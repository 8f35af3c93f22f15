"""Operators: persons and services that act for their member, each with a key and duties.

A transaction of an operator names its sender MEMBER/OPERATOR and is signed with the operator's
key; contracts see the member as the sender. Each method says which duties may call it. Training and
a term of confidentiality lapse in block time, and with them the duties that need them. What needs
two persons is prepared by one and confirmed by another. The member's own key is its seal: it may do
all, and is no person (docs/adr/0008-operators.md).

The member's node signs as MEMBER/node with the node key, for what nodes say by themselves.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import NO_CHAIN, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Kind, verify
from contracts import checks
from contracts.api import (
    ADMIN,
    APPROVER,
    DUTIES,
    NODE,
    Args,
    Context,
    Contract,
    Operator,
    QuerySignature,
    Reader,
    Signature,
    fail,
)
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import members, schedule

NAME = "operators"
ACTIVE, REVOKED = "active", "revoked"
NEED_TRAINING = ("approver", "steward")
"""Duties that are there only while training and the term of confidentiality last."""
MAX_OPERATORS = 256
"""Names that one member may ever give."""
MAX_NAME = 32
REQUEST_MS = 7 * 24 * 60 * 60 * 1_000
MAX_REQUESTS = 64
PAGE = 100
_OPERATOR = b"operator/"
_COUNT = b"count/"
_REQUEST = b"request/"
_REQUESTS = b"requests"
PURPOSE = "operator"


# For the engine


def admission_fault(
    state: StateReader, record: dict[str, Any], operator: str | None, key: bytes, height: int
) -> Code | None:
    """Tell why `key` may not sign for a member's operator (None: the member) at `height`."""
    if operator is None or operator == NODE:
        purpose = operator or "member"
        current, stopping = record[purpose + "_key"], record["stopping"].get(purpose)
    else:
        found = get(state, record["name"], operator)
        if found is None:
            return Code.UNKNOWN_OPERATOR
        if found["status"] != ACTIVE:
            return Code.OPERATOR_NOT_ACTIVE
        current, stopping = found["key"], found["stopping"]
    if key == current or (stopping is not None and key == stopping[0] and height <= stopping[1]):
        return None
    return Code.WRONG_KEY


def load(state: StateReader, member: str, name: str, time: int) -> Operator:
    """Return an operator that was admitted, with the duties it has at block time `time`."""
    if name == NODE:
        return Operator(NODE, frozenset((NODE,)), frozenset())
    found = get(state, member, name)
    held = duties_at(found, time)
    return Operator(name, held, frozenset(found["duties"]) - held)


def duties_at(found: dict[str, Any], time: int) -> frozenset[str]:
    """The duties that an operator's record gives at `time` (ms UTC): those not lapsed."""
    granted = frozenset(found["duties"])
    return granted.difference(NEED_TRAINING) if _lapses_at(found) < time else granted


def _lapses_at(found: dict[str, Any]) -> int:
    """The last moment (ms UTC) at which training and confidentiality both hold."""
    trained_until, confidential_until = found["trained_until"], found["confidential_until"]
    moment: int = min(trained_until, confidential_until)
    return moment


def get(state: StateReader, member: str, name: str) -> Any:
    """Return an operator's record (a map), or None."""
    return Reader(state, NAME).get(_place(member, name))


def _place(member: str, name: str) -> bytes:
    return _OPERATOR + f"{member}/{name}".encode()


# Granting and revoking


def check_name(value: Value, what: str) -> object:
    """A slug of at most 32 bytes that is not the node's."""
    checks.slug(value, what)
    if value == NODE or len(str(value)) > MAX_NAME:
        raise DecodeError(f"{what}: must have at most {MAX_NAME} bytes and not be {NODE}")
    return value


def signed_possession(member: str, name: str, key: bytes) -> bytes:
    """What an operator's key signs, as Kind.POSSESSION, to prove that the operator has it."""
    return encode([f"{member}/{name}", PURPOSE, key])


def _check_proof(ctx: Context, name: str, args: Args) -> None:
    signed = signed_possession(ctx.sender, name, args["key"])
    if not verify(args["key"], Kind.POSSESSION, NO_CHAIN, signed, args["proof"]):
        fail(Code.BAD_ARGUMENT, "proof: does not prove possession of the key")


def _grant(ctx: Context, args: Args) -> None:
    """Make somebody an operator, or set another key and duties; an operator needs a second one."""
    name, duties = args["operator"], sorted(set(args["duties"]))
    ctx.require_second()
    if not duties:
        fail(Code.BAD_ARGUMENT, "duties: must name at least one")
    if name in ctx.persons:
        fail(Code.OWN_REQUEST, name)
    _check_proof(ctx, name, args)
    found = get(ctx.overlay, ctx.sender, name)
    if found is None:
        _count_one(ctx)
    if found is None or found["key"] != args["key"]:
        members.claim_key(ctx, args["key"], f"{ctx.sender}/{name}", PURPOSE)
    record: dict[str, Any] = {
        "member": ctx.sender,
        "name": name,
        "key": args["key"],
        "duties": duties,
        "status": ACTIVE,
        "trained_until": args.get("trained_until", 0),
        "confidential_until": args.get("confidential_until", 0),
        "height": ctx.block.height,
        "stopping": None,
    }
    _write(ctx, record)
    ctx.emit("granted", [ctx.sender, name, [*duties]])


def _count_one(ctx: Context) -> None:
    place = _COUNT + ctx.sender.encode("ascii")
    count = ctx.get(place) or 0
    if count >= MAX_OPERATORS:
        fail(Code.TOO_MANY_OPERATORS, MAX_OPERATORS)
    ctx.put(place, count + 1)


def _write(ctx: Context, record: dict[str, Any]) -> None:
    ctx.put(_place(record["member"], record["name"]), record)
    members.touch(ctx)
    if set(record["duties"]).intersection(NEED_TRAINING) and _lapses_at(record):
        identity = f"{record['member']}/{record['name']}".encode()
        schedule.add(ctx, _lapses_at(record) + 1, _OPERATOR + identity)


def _tell_lapse(ctx: Context, member: str, name: str) -> None:
    """Tell that duties have lapsed, unless the terms were renewed meanwhile."""
    found = get(ctx.overlay, member, name)
    if found["status"] == ACTIVE and _lapses_at(found) < ctx.block.timestamp:
        lapsed: list[Value] = [duty for duty in found["duties"] if duty in NEED_TRAINING]
        ctx.emit("lapsed", [member, name, lapsed])


def _revoke(ctx: Context, args: Args) -> None:
    """Take an operator's duties, from the next transaction on."""
    record = _require(ctx, args["operator"])
    _write(ctx, {**record, "status": REVOKED, "duties": [], "stopping": None})
    ctx.emit("revoked", [ctx.sender, args["operator"]])


def _train(ctx: Context, args: Args) -> None:
    """Record until when (ms UTC) an operator is trained and bound to confidentiality."""
    name = args["operator"]
    if name in ctx.persons:
        fail(Code.OWN_REQUEST, name)
    terms = {key: args[key] for key in ("trained_until", "confidential_until")}
    _write(ctx, {**_require(ctx, name), **terms})
    ctx.emit("trained", [ctx.sender, name, *terms.values()])


def _rotate(ctx: Context, args: Args) -> None:
    """Replace the signing operator's own key; the old one stays good for `grace` heights."""
    if ctx.operator is None or ctx.operator.name == NODE:
        fail(Code.BAD_ARGUMENT, "an operator replaces its own key")
    name = ctx.operator.name
    record = _require(ctx, name)
    _check_proof(ctx, name, args)
    stops_at = ctx.block.height + args.get("grace", 0)
    members.claim_key(ctx, args["key"], f"{ctx.sender}/{name}", PURPOSE)
    _write(ctx, {**record, "key": args["key"], "stopping": [record["key"], stops_at]})
    ctx.emit("key-replaced", [ctx.sender, name, args["key"], stops_at])


def _require(ctx: Context, name: str) -> dict[str, Any]:
    record: dict[str, Any] | None = get(ctx.overlay, ctx.sender, name)
    if record is None:
        fail(Code.NOT_FOUND, f"{ctx.sender}/{name}")
    if record["status"] != ACTIVE:
        fail(Code.WRONG_STATUS, [f"{ctx.sender}/{name}", record["status"]])
    return record


# Two persons


def _prepare(ctx: Context, args: Args) -> None:
    """Ask for a call that another person of the member is to confirm within a week."""
    if args["contract"] == NAME and args["method"] in ("prepare", "confirm"):
        fail(Code.BAD_ARGUMENT, "method: cannot be prepared")
    signature = ctx.find_method(args["contract"], args["method"])
    if ctx.operator is not None:
        ctx.operator.require(signature.duties)
    prefix = _REQUEST + ctx.sender.encode("ascii") + b"/"
    if len(ctx.scan(prefix, limit=MAX_REQUESTS)) >= MAX_REQUESTS:
        fail(Code.TOO_MANY_REQUESTS, MAX_REQUESTS)
    number = (ctx.get(_REQUESTS) or 0) + 1
    until = ctx.block.timestamp + REQUEST_MS
    ctx.put(_REQUESTS, number)
    ctx.put(
        prefix + checks.number_key(number),
        {
            "id": number,
            "by": _person(ctx),
            "contract": args["contract"],
            "method": args["method"],
            "args": args["args"],
            "until": until,
        },
    )
    schedule.add(ctx, until + 1, prefix + checks.number_key(number))
    ctx.emit("prepared", [number, ctx.sender, _person(ctx), args["contract"], args["method"]])


def _person(ctx: Context) -> str:
    """Who acts: an operator's name, or "" for the member's own key."""
    return "" if ctx.operator is None else ctx.operator.name


def _confirm(ctx: Context, args: Args) -> None:
    """Carry out what another person of the member has prepared, in the member's name."""
    place = _REQUEST + ctx.sender.encode("ascii") + b"/" + checks.number_key(args["request"])
    request = ctx.get(place)
    if request is None or request["until"] < ctx.block.timestamp:
        fail(Code.NOT_FOUND, f"request {args['request']}")
    person, first = _person(ctx), request["by"]
    if person == first:
        fail(Code.OWN_REQUEST, first or ctx.sender)
    signature = ctx.find_method(request["contract"], request["method"])
    if ctx.operator is not None:
        ctx.operator.require((APPROVER, *signature.duties))
    if first:
        record = _require(ctx, first)
        load(ctx.overlay, ctx.sender, record["name"], ctx.block.timestamp).require(signature.duties)
    ctx.delete(place)
    schedule.remove(ctx, request["until"] + 1, place)
    ctx.emit("confirmed", [args["request"], ctx.sender, first, person])
    ctx.run_seconded(request["contract"], request["method"], request["args"], (first, person))


def _drop(ctx: Context, args: Args) -> None:
    """Take a request away that is not to be confirmed."""
    place = _REQUEST + ctx.sender.encode("ascii") + b"/" + checks.number_key(args["request"])
    request = ctx.get(place)
    if request is None:
        fail(Code.NOT_FOUND, f"request {args['request']}")
    ctx.delete(place)
    schedule.remove(ctx, request["until"] + 1, place)
    ctx.emit("dropped", [args["request"], ctx.sender])


def _on_due(ctx: Context, identity: bytes) -> None:
    """What is due is the key of a request that has expired, or of an operator's record."""
    if identity.startswith(_OPERATOR):
        member, _, name = identity[len(_OPERATOR) :].decode("ascii").partition("/")
        _tell_lapse(ctx, member, name)
    else:
        ctx.delete(identity)


# Questions


def _query_get(state: StateReader, args: Args) -> Value:
    """An operator with key, duties and until when they hold, or null."""
    return get(state, args["member"], args["operator"])  # type: ignore[no-any-return]


def _query_list(state: StateReader, args: Args) -> Value:
    """Operators of a member by name, above `after`."""
    prefix = _OPERATOR + args["member"].encode("ascii") + b"/"
    start = prefix + args["after"].encode("ascii") if "after" in args else b""
    return [row for _, row in Reader(state, NAME).scan(prefix, start, PAGE)]


def _query_requests(state: StateReader, args: Args) -> Value:
    """What waits for a second person of a member."""
    prefix = _REQUEST + args["member"].encode("ascii") + b"/"
    return [row for _, row in Reader(state, NAME).scan(prefix, limit=MAX_REQUESTS)]


def _any_map(value: Value, what: str) -> object:
    if type(value) is not dict:
        raise DecodeError(f"{what}: must be a map")
    return value


_TIME = checks.integer(0, 1 << 53)
_KEY: dict[str, Any] = {"key": checks.data(PUBLIC_KEY_BYTES), "proof": checks.data(SIGNATURE_BYTES)}
_TERMS = {"trained_until": _TIME, "confidential_until": _TIME}
_NAME = {"operator": check_name}
_NUMBER = {"request": checks.integer(1, 1 << 53)}
_ALL = tuple(DUTIES)
CONTRACT = Contract(
    NAME,
    methods={
        "grant": Signature(
            _grant,
            {
                **_NAME,
                **_KEY,
                "duties": checks.list_of(checks.one_of(*DUTIES), len(DUTIES)),
                **_TERMS,
            },
            frozenset(_TERMS),
            duties=(ADMIN,),
        ),
        "revoke": Signature(_revoke, _NAME, duties=(ADMIN,)),
        "train": Signature(_train, {**_NAME, **_TERMS}, duties=(ADMIN,)),
        "rotate": Signature(
            _rotate, {**_KEY, "grace": members.GRACE}, frozenset(("grace",)),
            duties=_ALL,
        ),
        "prepare": Signature(
            _prepare, {"contract": checks.slug, "method": checks.text(64), "args": _any_map},
            duties=_ALL,
        ),
        "confirm": Signature(_confirm, _NUMBER, duties=_ALL),
        "drop": Signature(_drop, _NUMBER, duties=_ALL),
    },
    queries={
        "get": QuerySignature(_query_get, {"member": checks.slug, "operator": checks.slug}),
        "list": QuerySignature(
            _query_list, {"member": checks.slug, "after": checks.slug}, frozenset(("after",))
        ),
        "requests": QuerySignature(_query_requests, {"member": checks.slug}),
    },
    on_due=_on_due,
)  # fmt: skip

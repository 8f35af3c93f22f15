"""Deliveries under grants: opened against the quota, signed for, ended with what was delivered.

A recipient opens a delivery, which reserves rows of the grant's quota; its server begins once that
is final. Both sign a header for each chunk. The last header, signed by both, closes a delivery. A
side that speaks alone posts a header that the other has signed: the delivery lapses with the
highest of those posted within `lapse_ms`. If nobody speaks until the deadline, everything reserved
counts as delivered. A dispute stops all that until a supervisor settles it. The owner serves, or
a delegate that keeps the version for it; both draw on the one quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.codec import DecodeError, Value
from contracts import checks
from contracts.api import (
    APPROVER,
    NODE,
    STEWARD,
    Args,
    Checker,
    Context,
    Contract,
    QuerySignature,
    Reader,
    Signature,
    fail,
    plain,
)
from contracts.codes import NAMES, Code
from contracts.state import StateReader
from contracts.system import access, custody, envelopes, members, schedule
from contracts.system.deliveries import audits, limits, meter
from contracts.system.deliveries.header import MAX_BYTES, MAX_COUNT, Header, is_signed
from contracts.system.deliveries.limits import NAME
from contracts.system.deliveries.store import LAPSING, OPEN, get
from contracts.system.deliveries.store import own as _own
from contracts.system.deliveries.store import put as _put
from contracts.system.deliveries.store import require as _require
from contracts.system.deliveries.store import running as _running

CLOSED, LAPSED = "closed", "lapsed"
DISPUTED, SETTLED = "disputed", "settled"
KINDS = ("lookup", "table")
"""Kinds of grants under which records go out."""
OUTCOMES = ("for-owner", "for-recipient", "void")
PAGE = 100
_COUNT = b"count"
_NONCE = b"nonce/"
_OPEN = b"open/"
_GRANT = b"grant/"
_COPIES = b"copies/"
_DISPUTE = b"dispute/"
MAX_ENVELOPES = 64
_NO_CALLS = (0, 0, b"", False)
"""Look-ups: how many, how many found nothing, the log's root, whether it looks like guessing."""
_DELIVERY_DUE, _COPIES_DUE = b"d", b"c"
"""First byte of what is scheduled: a delivery's number, a grant's number."""


# Open


def _open(ctx: Context, args: Args) -> None:
    """The recipient asks the server to begin; reserves quota."""
    grant = access.reserve(ctx, args["grant"], args["rows"])
    if grant["kind"] not in KINDS:
        fail(Code.WRONG_KIND, grant["kind"])
    if not _may_serve(ctx.overlay, grant, args["version"], args["server"], ctx.block.timestamp):
        fail(Code.NOT_SERVER, args["server"])
    access.check_version(ctx, grant, args["version"])
    server = members.require(ctx, args["server"])
    nonce = _NONCE + checks.number_key(grant["id"]) + args["nonce"]
    if ctx.get(nonce) is not None:
        fail(Code.EXISTS, args["nonce"].hex())
    number = (ctx.get(_COUNT) or 0) + 1
    now, rules = ctx.block.timestamp, limits.current(ctx.overlay)
    delivery = {
        "id": number, "grant": grant["id"], "kind": grant["kind"], "owner": grant["owner"],
        "recipient": ctx.sender, "server": args["server"], "server_key": server["node_key"],
        "key": args["key"], "dataset": grant["dataset"], "version": args["version"],
        "level": grant["level"], "reserved": args["rows"], "used": None, "nonce": args["nonce"],
        "status": OPEN, "height": ctx.block.height, "time": now, "due": now + rules["delivery_ms"],
        "ended": None, "header": None, "calls": None, "dispute": None, "audit": None,
    }  # fmt: skip
    ctx.put(_COUNT, number)
    ctx.put(nonce, number)
    ctx.put(_GRANT + checks.number_key(grant["id"]) + checks.number_key(number), None)
    for member in sorted({ctx.sender, args["server"]}):
        ctx.put(_open_key(member, number), None)
    _put(ctx, delivery)
    schedule.add(ctx, delivery["due"], _DELIVERY_DUE + checks.number_key(number))
    _await_erasure(ctx, grant, rules)
    ctx.emit("opened", [number, grant["id"], ctx.sender, args["server"], args["version"],
                        args["rows"]])  # fmt: skip


def _may_serve(state: StateReader, grant: Any, version: int, server: str, time: int) -> bool:
    """Whether a member may serve a grant: its owner, or who keeps the version as delegate.

    A delegate has neither the seeds of an audited delivery nor what registrars seal to the owner.
    """
    record = members.get(state, server)
    if record is None or record["status"] != members.ACTIVE:
        return False
    if server == grant["owner"]:
        return True
    if grant["mode"] != "linked" or grant["subjects"] is not None:
        return False
    return custody.is_delegate(state, grant["dataset"], version, server, time)


def _await_erasure(ctx: Context, grant: Any, rules: Any) -> None:
    """From the first delivery on the recipient owes a word that its copies are erased."""
    key = _COPIES + checks.number_key(grant["id"])
    known = ctx.get(key)
    if known is not None:
        ctx.put(key, [known[0], None])  # what was attested before is not true of this one
        return
    due = grant["until"] + grant["retention_days"] * limits.DAY_MS + rules["erase_ms"]
    ctx.put(key, [due, None])
    schedule.add(ctx, due, _COPIES_DUE + checks.number_key(grant["id"]))


# End


def _close(ctx: Context, args: Args) -> None:
    """Either side posts the last header, which both have signed."""
    delivery, header = _running(ctx, args["delivery"]), _header(args)
    _check_header(delivery, header)
    if not header.is_last:
        fail(Code.NOT_LAST, header.number)
    for by, signature in (("server_key", "server"), ("key", "recipient")):
        _check_signature(ctx, delivery[by], args["header"], args[signature])
    _end(ctx, delivery, CLOSED, header.rows, args["header"])


def _lapse(ctx: Context, args: Args) -> None:
    """A side that speaks alone posts a header that the other side has signed, or none."""
    delivery = _running(ctx, args["delivery"])
    header = None
    if args["header"]:
        header = _header(args)
        _check_header(delivery, header)
        other = "key" if ctx.sender == delivery["server"] else "server_key"
        _check_signature(ctx, delivery[other], args["header"], args.get("signature", b""))
    known = None if delivery["header"] is None else Header.decode(delivery["header"])
    if header is not None and (known is None or _rank(header) > _rank(known)):
        delivery["header"] = args["header"]
    if delivery["status"] == OPEN:
        _unschedule(ctx, delivery)
        delivery["status"] = LAPSING
        wait = limits.current(ctx.overlay)["lapse_ms"]
        delivery["due"] = ctx.block.timestamp + wait
        schedule.add(ctx, delivery["due"], _DELIVERY_DUE + checks.number_key(delivery["id"]))
    _put(ctx, delivery)
    ctx.emit("lapsing", [delivery["id"], 0 if header is None else header.rows])


def _rank(header: Header) -> tuple[int, int]:
    return header.rows, header.number


def _dispute(ctx: Context, args: Args) -> None:
    """A side contests what was delivered, with a header that the other has signed.

    `commitment` is the digest of the evidence, `envelopes` are its parts, sealed to supervisors.
    """
    delivery, header = _own(ctx, args["delivery"]), _header(args)
    if header.delivery != delivery["id"] or not header.number:
        fail(Code.BAD_HEADER, delivery["id"])
    for envelope in args["envelopes"]:
        _check_sealed(ctx, delivery, envelope)
    other = "key" if ctx.sender == delivery["server"] else "server_key"
    _check_signature(ctx, delivery[other], args["header"], args["signature"])
    last = delivery["ended"]
    wait = limits.current(ctx.overlay)["dispute_ms"]
    if delivery["dispute"] is not None or (last and ctx.block.timestamp > last + wait):
        fail(Code.WRONG_STATUS, [f"delivery {delivery['id']}", delivery["status"]])
    delivery["status"] = DISPUTED
    delivery["dispute"] = {
        "by": ctx.sender, "header": args["header"], "commitment": args["commitment"],
        "envelopes": args["envelopes"], "time": ctx.block.timestamp, "outcome": None,
        "supervisor": None,
    }  # fmt: skip
    ctx.put(_DISPUTE + checks.number_key(delivery["id"]), None)
    _put(ctx, delivery)
    ctx.emit("disputed", [delivery["id"], ctx.sender, args["commitment"]])


def _check_sealed(ctx: Context, delivery: Any, envelope: bytes) -> None:
    """Evidence is for supervisors: nobody else that the delivery concerns may open it."""
    found = envelopes.get(ctx.overlay, envelope)
    concerned = {delivery["recipient"], delivery["server"], delivery["owner"]} - {ctx.sender}
    if found is None or found["sender"] != ctx.sender or concerned & set(found["parties"]):
        fail(Code.BAD_ENVELOPE, envelope.hex())


def _settle(ctx: Context, args: Args) -> None:
    """A supervisor decides a dispute between others, and how many rows count."""
    record = members.get(ctx.overlay, ctx.sender)
    delivery = _require(ctx, args["delivery"])
    if "supervisor" not in record["roles"]:
        fail(Code.NOT_SUPERVISOR, ctx.sender)
    if ctx.sender in (delivery["recipient"], delivery["server"], delivery["owner"]):
        fail(Code.OWN_REQUEST, ctx.sender)
    if delivery["status"] != DISPUTED:
        fail(Code.WRONG_STATUS, [f"delivery {delivery['id']}", delivery["status"]])
    counted = delivery["reserved"] if delivery["ended"] is None else delivery["used"]
    if args["rows"] > counted:
        fail(Code.QUOTA_EXCEEDED, counted)
    delivery["dispute"] |= {"outcome": args["outcome"], "supervisor": ctx.sender}
    if delivery["ended"] is None:
        _end(ctx, delivery, SETTLED, args["rows"], delivery["header"])
    else:
        less = counted - args["rows"]
        access.give_back(ctx, delivery["grant"], less)
        meter.count(ctx, delivery, -less, deliveries=0)
        delivery |= {"status": SETTLED, "used": args["rows"]}
        _put(ctx, delivery)
    ctx.emit("settled", [delivery["id"], args["outcome"], args["rows"]])


def _end(ctx: Context, delivery: Any, status: str, rows: int, header: bytes | None) -> None:
    """Give back what was not delivered, and count what was."""
    _unschedule(ctx, delivery)
    delivery |= {"status": status, "used": rows, "header": header, "ended": ctx.block.timestamp}
    for member in sorted({delivery["recipient"], delivery["server"]}):
        ctx.delete(_open_key(member, delivery["id"]))
    access.settle(ctx, delivery["grant"], delivery["reserved"], rows)
    meter.count(ctx, delivery, rows)
    if header is not None:
        _count_last_calls(ctx, delivery, Header.decode(header))
    _put(ctx, delivery)
    ctx.emit("ended", [delivery["id"], delivery["grant"], status, rows])


def _on_due(ctx: Context, identity: bytes) -> None:
    number = int.from_bytes(identity[1:], "big")
    if identity[:1] == _COPIES_DUE:
        due, attested = ctx.get(_COPIES + checks.number_key(number))
        if attested is None:
            ctx.emit("overdue", [number, due])
        return
    delivery = get(ctx.overlay, number)
    if delivery["status"] == LAPSING:
        header = delivery["header"]
        rows = 0 if header is None else Header.decode(header).rows
        _end(ctx, delivery, LAPSED, rows, header)
    elif delivery["status"] == OPEN:
        _end(ctx, delivery, LAPSED, delivery["reserved"], None)


# After


def _attest(ctx: Context, args: Args) -> None:
    """The recipient says that every copy under a grant is erased."""
    grant = access.get_grant(ctx.overlay, args["grant"])
    key = _COPIES + checks.number_key(args["grant"])
    known = ctx.get(key)
    if grant is None or known is None:
        fail(Code.NOT_FOUND, f"deliveries under grant {args['grant']}")
    if grant["recipient"] != ctx.sender:
        fail(Code.NOT_OWNER, f"grant {args['grant']}")
    ctx.put(key, [known[0], ctx.block.timestamp])
    ctx.emit("erased", [args["grant"], ctx.sender, ctx.block.timestamp > known[0]])


def _calls(ctx: Context, args: Args) -> None:
    """The server anchors its log of look-ups: how many, how many found nothing, their root."""
    delivery = _running(ctx, args["delivery"])
    if ctx.sender != delivery["server"] or delivery["kind"] != "lookup":
        fail(Code.NOT_SERVER, ctx.sender)
    before = delivery["calls"] or _NO_CALLS
    count, misses = args["count"], args["misses"]
    if count <= before[0]:
        fail(Code.NOT_LATER, before[0])
    if count > delivery["reserved"] or misses > count or misses < before[1]:
        fail(Code.BAD_ARGUMENT, "count or misses: not possible")
    _count_calls(ctx, delivery, count, misses, args["root"])
    _put(ctx, delivery)


def _count_calls(ctx: Context, delivery: Any, count: int, misses: int, root: bytes) -> None:
    told, rules = (delivery["calls"] or _NO_CALLS)[3], limits.current(ctx.overlay)
    looks = misses >= rules["misses"] and 100 * misses >= rules["miss_percent"] * count
    delivery["calls"] = [count, misses, root, told or looks]
    ctx.emit("calls", [delivery["id"], count, root, misses])
    if looks and not told:
        ctx.emit("enumeration", [delivery["id"], delivery["recipient"], count, misses])


def _count_last_calls(ctx: Context, delivery: Any, last: Header) -> None:
    """A session that ends before its log was anchored is judged by the header that ends it."""
    known = (delivery["calls"] or _NO_CALLS)[0]
    if delivery["kind"] == "lookup" and known < last.rows >= last.position:
        _count_calls(ctx, delivery, last.rows, last.position, last.digest)


# What methods share


def _open_key(member: str, number: int) -> bytes:
    return _OPEN + member.encode("ascii") + b"/" + checks.number_key(number)


def _unschedule(ctx: Context, delivery: Any) -> None:
    identity = _DELIVERY_DUE + checks.number_key(delivery["id"])
    schedule.remove(ctx, delivery["due"], identity)


def _header(args: Args) -> Header:
    try:
        return Header.decode(args["header"])
    except DecodeError as error:
        fail(Code.BAD_ARGUMENT, plain(f"header: {error}"))


def _check_header(delivery: Any, header: Header) -> None:
    if header.delivery != delivery["id"] or not header.number:
        fail(Code.BAD_HEADER, delivery["id"])
    if header.rows > delivery["reserved"]:
        fail(Code.QUOTA_EXCEEDED, delivery["reserved"])


def _check_signature(ctx: Context, key: bytes, header: bytes, signature: bytes) -> None:
    if not is_signed(header, key, ctx.block.chain_id, signature):
        fail(Code.BAD_HEADER, "signature")


# Questions


def _query_limits(state: StateReader, args: Args) -> Value:
    """What counts as an enumeration now."""
    return limits.current(state)  # type: ignore[no-any-return]


def _query_get(state: StateReader, args: Args) -> Value:
    """A delivery: its grant, rows, last header, state, or null."""
    return get(state, args["delivery"])  # type: ignore[no-any-return]


def _query_by_nonce(state: StateReader, args: Args) -> Value:
    """The number of the delivery that was opened with a nonce, or null."""
    key = _NONCE + checks.number_key(args["grant"]) + args["nonce"]
    return Reader(state, NAME).get(key)  # type: ignore[no-any-return]


def _numbers(state: StateReader, prefix: bytes, after: int) -> Value:
    rows = Reader(state, NAME).scan(prefix, prefix + checks.number_key(after), PAGE)
    return [int.from_bytes(key[-8:], "big") for key, _ in rows]


def _query_of(state: StateReader, args: Args) -> Value:
    """Numbers of the deliveries under a grant, above `after`."""
    return _numbers(state, _GRANT + checks.number_key(args["grant"]), args.get("after", 0))


def _query_running(state: StateReader, args: Args) -> Value:
    """Numbers of the deliveries that have not ended, of those a member serves or receives."""
    prefix = _OPEN + args["member"].encode("ascii") + b"/"
    return _numbers(state, prefix, args.get("after", 0))


def _query_disputes(state: StateReader, args: Args) -> Value:
    """Deliveries that were disputed, by number above `after`."""
    numbers: Any = _numbers(state, _DISPUTE, args.get("after", 0))
    return [get(state, number) for number in numbers]


def _query_serving(state: StateReader, args: Args) -> Value:
    """What a server looks at before each chunk; `fault` names why it must not serve at `time`."""
    delivery = get(state, args["delivery"])
    if delivery is None:
        return None
    grant = access.get_grant(state, delivery["grant"])
    fault = access.check_usable(state, grant, args["time"])
    if fault is None and delivery["status"] != OPEN:
        fault = Code.WRONG_STATUS
    place = (delivery["version"], delivery["server"], args["time"])
    if fault is None and not _may_serve(state, grant, *place):
        fault = Code.NOT_SERVER
    return {
        "delivery": delivery,
        "grant": grant,
        "fault": None if fault is None else NAMES[fault],
        "limits": limits.current(state),
    }


def _query_copies(state: StateReader, args: Args) -> Value:
    """[when copies under a grant must be erased, when that was attested or null], or null."""
    found: Value = Reader(state, NAME).get(_COPIES + checks.number_key(args["grant"]))
    return found


_NUMBER = {"delivery": checks.integer(1, MAX_COUNT)}
_GRANT_NUMBER = {"grant": checks.integer(1, MAX_COUNT)}
_AFTER = {"after": checks.integer(0, MAX_COUNT)}
_ROWS = checks.integer(1, MAX_COUNT)
_COUNTED = checks.integer(0, MAX_COUNT)
_SIGNATURE = checks.data(64)


def _header_bytes(value: Value, what: str) -> object:
    if type(value) is not bytes or len(value) > MAX_BYTES:
        raise DecodeError(f"{what}: must be at most {MAX_BYTES} bytes")
    return value


_HEADER: Mapping[str, Checker] = {**_NUMBER, "header": _header_bytes}
_EITHER = (STEWARD, NODE)
CONTRACT = Contract(
    NAME,
    methods={
        "open": Signature(
            _open,
            {
                **_GRANT_NUMBER,
                "server": checks.slug,
                "version": checks.integer(1, 1 << 32),
                "rows": _ROWS,
                "nonce": checks.data(16),
                "key": checks.data(32),
            },
            duties=_EITHER,
        ),
        "close": Signature(
            _close, {**_HEADER, "server": _SIGNATURE, "recipient": _SIGNATURE}, duties=_EITHER
        ),
        "lapse": Signature(
            _lapse,
            {**_HEADER, "signature": _SIGNATURE},
            frozenset(("signature",)),
            duties=_EITHER,
        ),
        "dispute": Signature(
            _dispute,
            {
                **_HEADER,
                "signature": _SIGNATURE,
                "commitment": checks.data(32),
                "envelopes": checks.list_of(checks.data(32), MAX_ENVELOPES),
            },
            duties=_EITHER,
        ),
        "settle": Signature(
            _settle,
            {**_NUMBER, "outcome": checks.one_of(*OUTCOMES), "rows": _COUNTED},
            duties=(APPROVER,),
        ),
        "attest": Signature(_attest, _GRANT_NUMBER, duties=_EITHER),
        "calls": Signature(
            _calls,
            {**_NUMBER, "count": _ROWS, "misses": _COUNTED, "root": checks.data(32)},
            duties=(NODE,),
        ),
        **audits.METHODS,
    },
    queries={
        "get": QuerySignature(_query_get, _NUMBER),
        "by_nonce": QuerySignature(_query_by_nonce, {**_GRANT_NUMBER, "nonce": checks.data(16)}),
        "of": QuerySignature(_query_of, {**_GRANT_NUMBER, **_AFTER}, frozenset(("after",))),
        "running": QuerySignature(
            _query_running, {"member": checks.slug, **_AFTER}, frozenset(("after",))
        ),
        "serving": QuerySignature(_query_serving, {**_NUMBER, "time": checks.integer(0, 1 << 53)}),
        "disputes": QuerySignature(_query_disputes, _AFTER, frozenset(("after",))),
        "copies": QuerySignature(_query_copies, _GRANT_NUMBER),
        "audits": audits.QUERY,
        "meter": meter.query(NAME),
        "limits": QuerySignature(_query_limits, {}),
    },
    on_due=_on_due,
)

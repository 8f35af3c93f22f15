"""Runs in which two members learn how many elements their sets have in common, with noise.

The asker commits to its blinded set before it sees anything, the holder to its own before it sees
the asker's; both name the registered versions that the sets are made of. The holder's budget has
paid before anything goes out, and a pair of versions is run once. Points travel off the chain.
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
from contracts.system import access, budgets, catalogue, standards

NAME = "intersections"
ASKED, PAID, DONE, WITHDRAWN = "asked", "paid", "done", "withdrawn"
MIN_MICRO_EPSILON = 1_000
"""Below, the noise is larger than most sets, and so are the lists that hide it."""
PAGE = 100
_COUNT = b"count"
_RUN = b"run/"
_PAIR = b"pair/"
_OPEN = b"open/"


def get(state: StateReader, number: int) -> Any:
    """Return a run (a map), or None."""
    return Reader(state, NAME).get(_RUN + checks.number_key(number))


def _ask(ctx: Context, args: Args) -> None:
    """The asker commits to its set, made of a version of its own, under a grant on the other's."""
    grant = access.get_grant(ctx.overlay, args["grant"])
    if grant is None or grant["recipient"] != ctx.sender:
        fail(Code.NOT_FOUND, f"grant {args['grant']}")
    if grant["kind"] != "aggregate":
        fail(Code.WRONG_KIND, grant["kind"])
    fault = access.check_usable(ctx.overlay, grant, ctx.block.timestamp)
    if fault is not None:
        fail(fault, f"grant {grant['id']}")
    access.check_version(ctx, grant, args["version"])
    if [args["field"], None] not in [list(each) for each in grant["fields"]]:
        fail(Code.BAD_ARGUMENT, "field: the grant does not have it without a mask")
    own, own_version = args["own"], args["own_version"]
    ctx.require_own(own)
    require_field(ctx, own, own_version, args["own_field"])
    pair = _pair(own, grant["dataset"], own_version, args["own_field"], args["version"],
                 args["field"])  # fmt: skip
    before = ctx.get(pair)
    if before is not None and get(ctx.overlay, before)["status"] != WITHDRAWN:
        fail(Code.ALREADY_ASKED, f"run {before}")
    number = (ctx.get(_COUNT) or 0) + 1
    run = {
        "id": number, "asker": ctx.sender, "holder": grant["owner"], "dataset": grant["dataset"],
        **args, "held": None, "result": None, "status": ASKED, "height": ctx.block.height,
    }  # fmt: skip
    ctx.put(_COUNT, number)
    ctx.put(pair, number)
    ctx.put(_open(ctx.sender, number), None)
    _put(ctx, run)
    ctx.emit("asked", [number, ctx.sender, own, own_version, grant["dataset"], args["version"],
                       grant["id"], args["asked"]])  # fmt: skip


def require_field(ctx: Context, dataset: str, version: int, field: int | None) -> None:
    """Fail unless a version is registered, is not destroyed, and its standard has the field."""
    found = catalogue.get(ctx.overlay, dataset, version)
    if found is None:
        fail(Code.NOT_FOUND, f"{dataset} version {version}")
    if catalogue.is_destroyed(ctx.overlay, dataset, version):
        fail(Code.DESTROYED, version)
    identity, number, _ = found["standard"]
    count = len(standards.get_fields(ctx.overlay, identity, number))
    if field is not None and field >= count:
        fail(Code.BAD_ARGUMENT, f"field: the standard has {count}, counted from 0")


def _pay(ctx: Context, args: Args) -> None:
    """The holder commits to its set, and pays out of the asker's share, before it sees any."""
    run = _require(ctx, args["run"], ASKED)
    if ctx.sender != run["holder"]:
        fail(Code.NOT_OWNER, f"run {run['id']}")
    dataset, asker = run["dataset"], run["asker"]
    spent = budgets.charge(ctx, dataset, asker, run["micro_epsilon"])
    budgets.count(ctx, run["grant"], asker, dataset, run["version"])
    _put(ctx, {**run, "held": args["held"], "status": PAID})
    ctx.emit("paid", [run["id"], dataset, asker, run["micro_epsilon"], spent, args["held"]])


def _finish(ctx: Context, args: Args) -> None:
    """The asker binds its result, by a salted digest; no more is sent for this run then."""
    run = _require(ctx, args["run"], PAID)
    _require_asker(ctx, run)
    ctx.delete(_open(ctx.sender, run["id"]))
    _put(ctx, {**run, "result": args["result"], "status": DONE})
    ctx.emit("done", [run["id"], args["result"]])


def _withdraw(ctx: Context, args: Args) -> None:
    """The asker takes back what nobody has paid for; the versions may be asked for anew."""
    run = _require(ctx, args["run"], ASKED)
    _require_asker(ctx, run)
    ctx.delete(_open(ctx.sender, run["id"]))
    _put(ctx, {**run, "status": WITHDRAWN})
    ctx.emit("withdrawn", [run["id"]])


def _require(ctx: Context, number: int, status: str) -> Any:
    run = get(ctx.overlay, number)
    if run is None:
        fail(Code.NOT_FOUND, f"run {number}")
    if run["status"] != status:
        fail(Code.WRONG_STATUS, [f"run {number}", run["status"]])
    return run


def _require_asker(ctx: Context, run: Any) -> None:
    if ctx.sender != run["asker"]:
        fail(Code.NOT_OWNER, f"run {run['id']}")


def _put(ctx: Context, run: Any) -> None:
    ctx.put(_RUN + checks.number_key(run["id"]), run)


def _pair(own: str, dataset: str, *numbers: int) -> bytes:
    """`numbers` are version and field of one's own set, and then of the other's."""
    places = b"".join(map(checks.number_key, numbers))
    return _PAIR + f"{own} {dataset} ".encode("ascii") + places


def _open(member: str, number: int) -> bytes:
    return _OPEN + member.encode("ascii") + b"/" + checks.number_key(number)


def _query_get(state: StateReader, args: Args) -> Value:
    """A run and how far it is, or null."""
    return get(state, args["run"])  # type: ignore[no-any-return]


def _query_of(state: StateReader, args: Args) -> Value:
    """The number of the run of a pair of versions, or null."""
    names = ("own", "dataset", "own_version", "own_field", "version", "field")
    key = _pair(*(args[name] for name in names))
    return Reader(state, NAME).get(key)  # type: ignore[no-any-return]


def _query_open(state: StateReader, args: Args) -> Value:
    """Runs that a member has asked for and not finished, by number above `after`."""
    prefix = _open(args["member"], 0)[:-8]
    rows = Reader(state, NAME).scan(prefix, _open(args["member"], args.get("after", 0)), PAGE)
    return [get(state, int.from_bytes(key[-8:], "big")) for key, _ in rows]


_NUMBER = {"run": checks.integer(1, 1 << 53)}
_VERSION = checks.integer(1, 1 << 32)
_FIELD = checks.integer(0, standards.MAX_FIELDS - 1)
_DIGEST = checks.data(32)
_SETS = {"own": checks.owned_id, "own_version": _VERSION, "own_field": _FIELD,
         "version": _VERSION, "field": _FIELD}  # fmt: skip
_BY_NODE = (STEWARD, NODE)
CONTRACT = Contract(
    NAME,
    methods={
        "ask": Signature(
            _ask,
            {
                "grant": checks.integer(1, 1 << 53),
                **_SETS,
                "micro_epsilon": checks.integer(MIN_MICRO_EPSILON, budgets.MAX_MICRO_EPSILON),
                "nonce": checks.data(16),
                "asked": _DIGEST,
            },
            duties=(STEWARD,),
        ),
        "pay": Signature(_pay, {**_NUMBER, "held": _DIGEST}, duties=_BY_NODE),
        "finish": Signature(_finish, {**_NUMBER, "result": _DIGEST}, duties=_BY_NODE),
        "withdraw": Signature(_withdraw, _NUMBER, duties=(STEWARD,)),
    },
    queries={
        "get": QuerySignature(_query_get, _NUMBER),
        "of": QuerySignature(_query_of, {**_SETS, "dataset": checks.owned_id}),
        "open": QuerySignature(
            _query_open,
            {"member": checks.slug, "after": checks.integer(0, 1 << 53)},
            frozenset(("after",)),
        ),
    },
)

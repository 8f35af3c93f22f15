"""Deliveries in audited mode: committed to before a row goes out, and sampled by a supervisor.

The server posts the root over the delivered rows and a digest of the sealed map, which says for
each record of the version which row it became or why it was left out. Once the block after that is
final, the recipient shows the secret whose hash begins with the nonce it opened with. Block and
secret draw what is opened to a supervisor. The secret was fixed before the block, and who proposed
the block did not know it: neither side can steer the draw alone.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from consensus.crypto import sha256
from contracts import checks
from contracts.api import (
    ACTING,
    NODE,
    STEWARD,
    Args,
    Context,
    QuerySignature,
    Reader,
    Signature,
    fail,
)
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import access, members
from contracts.system.deliveries import limits, store
from contracts.system.deliveries.header import MAX_COUNT
from contracts.system.deliveries.limits import NAME

PASSED, FAILED, SILENT = "passed", "failed", "silent"
MAX_SAMPLE = 1 << 16
PAGE = 100
_WAITS = b"audit/"


def nonce_of(secret: bytes) -> bytes:
    """Return the nonce that commits to a recipient's secret."""
    return sha256(secret)[:16]


def _root(ctx: Context, args: Args) -> None:
    """The server commits to the rows that it will deliver, to where they come from, to its mark."""
    delivery = store.running(ctx, args["delivery"])
    grant = access.get_grant(ctx.overlay, delivery["grant"])
    if ctx.sender != delivery["server"]:
        fail(Code.NOT_SERVER, ctx.sender)
    if grant["mode"] != "audited" or delivery["kind"] != "table":
        fail(Code.WRONG_MODE, grant["mode"])
    if delivery["audit"] is not None:
        fail(Code.EXISTS, f"the root of delivery {delivery['id']}")
    if args["rows"] > delivery["reserved"]:
        fail(Code.QUOTA_EXCEEDED, delivery["reserved"])
    if args["mark"] is not None and not grant["watermark"]:
        fail(Code.BAD_ARGUMENT, "mark: the grant has no watermark")
    delivery["audit"] = {
        "root": args["root"], "rows": args["rows"], "map": args["map"], "mark": args["mark"],
        "height": ctx.block.height + 1, "secret": None, "time": None, "outcome": None, "by": None,
        "checked": None, "faults": None,
    }  # fmt: skip
    store.put(ctx, delivery)
    ctx.emit("rooted", [delivery["id"], args["rows"], args["root"], args["mark"]])


def _reveal(ctx: Context, args: Args) -> None:
    """The recipient shows its secret, once the block that draws with it is final."""
    delivery = store.own(ctx, args["delivery"])
    audit = delivery["audit"]
    if ctx.sender != delivery["recipient"]:
        fail(Code.NOT_OWNER, f"delivery {delivery['id']}")
    if audit is None or audit["secret"] is not None:
        fail(Code.WRONG_STATUS, [f"delivery {delivery['id']}", "no root" if audit is None else
                                 "revealed"])  # fmt: skip
    if ctx.block.height <= audit["height"]:
        fail(Code.NOT_YET_DRAWN, audit["height"])
    if nonce_of(args["secret"]) != delivery["nonce"]:
        fail(Code.WRONG_DIGEST, "secret")
    audit |= {"secret": args["secret"], "time": ctx.block.timestamp}
    store.put(ctx, delivery)
    ctx.put(_WAITS + checks.number_key(delivery["id"]), None)
    ctx.emit("drawn", [delivery["id"], audit["height"]])


def _audit(ctx: Context, args: Args) -> None:
    """A supervisor that is no party says what the sample showed: rows checked, and those wrong."""
    record = members.get(ctx.overlay, ctx.sender)
    delivery = store.require(ctx, args["delivery"])
    audit = delivery["audit"]
    if "supervisor" not in record["roles"]:
        fail(Code.NOT_SUPERVISOR, ctx.sender)
    if ctx.sender in (delivery["recipient"], delivery["server"], delivery["owner"]):
        fail(Code.OWN_REQUEST, ctx.sender)
    if audit is None or audit["secret"] is None or audit["outcome"] not in (None, SILENT):
        status = "not drawn" if audit is None or audit["secret"] is None else audit["outcome"]
        fail(Code.WRONG_STATUS, [f"delivery {delivery['id']}", status])
    outcome, checked, faults = args["outcome"], args["checked"], args["faults"]
    if outcome == SILENT:
        due = audit["time"] + limits.current(ctx.overlay)["audit_ms"]
        if ctx.block.timestamp <= due:
            fail(Code.NOT_YET_SILENT, due)
    if (outcome == PASSED) != (outcome != SILENT and not faults) or (
        outcome == SILENT and (checked or faults)
    ):
        fail(Code.BAD_ARGUMENT, "outcome: does not fit what was checked")
    audit |= {"outcome": outcome, "by": ctx.sender, "checked": checked, "faults": faults}
    store.put(ctx, delivery)
    if outcome != SILENT:
        ctx.delete(_WAITS + checks.number_key(delivery["id"]))
    ctx.emit("audited", [delivery["id"], ctx.sender, outcome, checked, faults])


def _query_audits(state: StateReader, args: Args) -> Value:
    """Numbers of the deliveries that wait for an audit, above `after`."""
    after = _WAITS + checks.number_key(args.get("after", 0))
    return [int.from_bytes(key[-8:], "big") for key, _ in Reader(state, NAME).scan(_WAITS, after,
                                                                                 PAGE)]  # fmt: skip


_NUMBER: dict[str, Any] = {"delivery": checks.integer(1, MAX_COUNT)}
_DIGEST = checks.data(32)
_SAMPLE = checks.integer(0, MAX_SAMPLE)
METHODS = {
    "root": Signature(
        _root,
        {
            **_NUMBER,
            "root": _DIGEST,
            "rows": checks.integer(0, MAX_COUNT),
            "map": _DIGEST,
            "mark": checks.optional(_DIGEST),
        },
        duties=(NODE,),
    ),
    "reveal": Signature(_reveal, {**_NUMBER, "secret": _DIGEST}, duties=(STEWARD, NODE)),
    "audit": Signature(
        _audit,
        {
            **_NUMBER,
            "outcome": checks.one_of(PASSED, FAILED, SILENT),
            "checked": _SAMPLE,
            "faults": _SAMPLE,
        },
        duties=(*ACTING, NODE),
    ),
}
QUERY = QuerySignature(
    _query_audits, {"after": checks.integer(0, MAX_COUNT)}, frozenset(("after",))
)

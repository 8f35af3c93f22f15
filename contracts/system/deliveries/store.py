"""Where deliveries stand in the state, and who may act on one."""

from __future__ import annotations

from typing import Any

from contracts import checks
from contracts.api import Context, Reader, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system.deliveries.limits import NAME

OPEN, LAPSING = "open", "lapsing"
_DELIVERY = b"delivery/"


def get(state: StateReader, delivery: int) -> Any:
    """Return a delivery (a map), or None."""
    return Reader(state, NAME).get(_DELIVERY + checks.number_key(delivery))


def put(ctx: Context, delivery: Any) -> None:
    ctx.put(_DELIVERY + checks.number_key(delivery["id"]), delivery)


def require(ctx: Context, number: int) -> Any:
    delivery = ctx.get(_DELIVERY + checks.number_key(number))
    if delivery is None:
        fail(Code.NOT_FOUND, f"delivery {number}")
    return delivery


def own(ctx: Context, number: int) -> Any:
    """Return a delivery that the sender serves or receives."""
    delivery = require(ctx, number)
    if ctx.sender not in (delivery["recipient"], delivery["server"]):
        fail(Code.NOT_OWNER, f"delivery {number}")
    return delivery


def running(ctx: Context, number: int) -> Any:
    """Return such a delivery that has not ended."""
    delivery = own(ctx, number)
    if delivery["status"] not in (OPEN, LAPSING):
        fail(Code.WRONG_STATUS, [f"delivery {number}", delivery["status"]])
    return delivery

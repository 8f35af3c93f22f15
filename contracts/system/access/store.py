"""Where requests and grants stand in the state.

A request and its grant share a number. `request/N` and `grant/N` hold them, `of/MEMBER/` lists
each member's with the latest first, `wait/PARTY/` what waits for whom. Both are kept as rows
without the names of their parts, which takes half the room and time of maps.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Context, Reader, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system.access.facts import REQUEST
from contracts.system.access.rules import NAME

WAITING, GRANTED, DENIED, WITHDRAWN = "waiting", "granted", "denied", "withdrawn"
TERMS = tuple(REQUEST)
_REQUEST_PARTS = (
    "id", "recipient", "owner", "revision", "by", "trained", "masks", "reviews", "waits_for",
    "parties", "deadline", "is_escalated", "level", "raised", "outcome", "rule", "reasons",
    "policy", "standard", "height", "time", "status",
)  # fmt: skip
_PLAN_PARTS = (
    "fields", "hours", "k", "mode", "watermark", "subjects", "notice", "level", "class",
    "standard", "policy", "rule", "shape", "used", "reserved", "status", "reason",
)  # fmt: skip
_REQUEST = b"request/"
_GRANT = b"grant/"
_OF = b"of/"
_LAST = (1 << 64) - 1


def get_request(state: StateReader, number: int) -> Any:
    """Return a request (a map; its terms are `args`), or None."""
    row = Reader(state, NAME).get(_REQUEST + checks.number_key(number))
    if row is None:
        return None
    parts = dict(zip(_REQUEST_PARTS, row[0], strict=True))
    return {**parts, "args": dict(zip(TERMS, row[1], strict=True))}


def require_request(ctx: Context, number: int) -> Any:
    found = get_request(ctx.overlay, number)
    if found is None:
        fail(Code.NOT_FOUND, f"request {number}")
    return found


def write_request(ctx: Context, request: dict[str, Any]) -> None:
    terms = request["args"]
    row: Value = [[request[part] for part in _REQUEST_PARTS], [terms[term] for term in TERMS]]
    ctx.put(_REQUEST + checks.number_key(request["id"]), row)


def get_plan(state: StateReader, number: int) -> Any:
    """Return what a grant adds to its request (a map), or None."""
    row = Reader(state, NAME).get(grant_key(number))
    return None if row is None else dict(zip(_PLAN_PARTS, row, strict=True))


def write_plan(ctx: Context, number: int, plan: dict[str, Any]) -> None:
    """Keep a grant; `ctx` may be another contract's of the ledger."""
    mine = ctx.as_contract(ctx.contracts[NAME])
    mine.put(grant_key(number), [plan[part] for part in _PLAN_PARTS])


def grant_key(number: int) -> bytes:
    return _GRANT + checks.number_key(number)


def grant_number(key: bytes) -> int | None:
    """The number in a key of `grant_key`; None for another key."""
    return int.from_bytes(key[len(_GRANT) :], "big") if key.startswith(_GRANT) else None


def list_under(ctx: Context, member: str, number: int) -> None:
    """Note that a request is of a member: asks for it, or owns what is asked for."""
    ctx.put(_of(member, number), None)


def numbers_of(state: StateReader, member: str, before: int | None, limit: int) -> list[int]:
    """Numbers of a member's requests below `before`, the latest first."""
    prefix = _OF + member.encode("utf-8") + b"/"
    start = b"" if before is None else _of(member, before)
    rows = Reader(state, NAME).scan(prefix, start, limit)
    return [_LAST - int.from_bytes(key[-8:], "big") for key, _ in rows]


def _of(member: str, number: int) -> bytes:
    return _OF + member.encode("utf-8") + b"/" + checks.number_key(_LAST - number)

"""Where requests and grants stand in the state.

A request and its grant share a number. `request/N` and `grant/N` hold them, `of/MEMBER/` lists
each member's with the latest first, `wait/PARTY/` what waits for whom.
"""

from __future__ import annotations

from typing import Any

from contracts import checks
from contracts.api import Context, Reader, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system.access.rules import NAME

WAITING, GRANTED, DENIED, WITHDRAWN = "waiting", "granted", "denied", "withdrawn"
_REQUEST = b"request/"
_GRANT = b"grant/"
_OF = b"of/"
_LAST = (1 << 64) - 1


def get_request(state: StateReader, number: int) -> Any:
    """Return a request (a map), or None."""
    return Reader(state, NAME).get(_REQUEST + checks.number_key(number))


def require_request(ctx: Context, number: int) -> Any:
    found = get_request(ctx.overlay, number)
    if found is None:
        fail(Code.NOT_FOUND, f"request {number}")
    return found


def write_request(ctx: Context, request: dict[str, Any]) -> None:
    ctx.put(_REQUEST + checks.number_key(request["id"]), request)


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

"""What work on a department's data asks of its node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chain:
    """`query(contract, method, args)` of the ledger, and `submit` of one call.

    `digest_of(height, blocks)` is that of a final block; if it is not there yet, that many blocks
    more are waited for. None if it is not among them, or not kept.
    """

    chain_id: bytes
    member: str
    query: Callable[[str, str, dict[str, Any]], Any]
    submit: Callable[[str, str, dict[str, Any]], dict[str, Any]]
    digest_of: Callable[[int, int], bytes | None] = lambda height, blocks: None

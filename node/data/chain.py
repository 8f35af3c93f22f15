"""What work on a department's data asks of its node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Query = Callable[[str, str, dict[str, Any]], Any]
"""`query(contract, method, args)` of the ledger, as a node answers it: bytes are hexadecimal."""


@dataclass(frozen=True, slots=True)
class Chain:
    """`query` of the ledger, and `submit` of one call.

    `digest_of(height, blocks)` is that of a final block; if it is not there yet, that many blocks
    more are waited for. None if it is not among them, or not kept.
    """

    chain_id: bytes
    member: str
    query: Query
    submit: Callable[[str, str, dict[str, Any]], dict[str, Any]]
    digest_of: Callable[[int, int], bytes | None] = lambda height, blocks: None


def destroyed_rows(query: Query, dataset: str, version: int) -> tuple[bool, list[int]]:
    """Return whether the chain says a whole version is destroyed, and else which rows are."""
    rows: list[int] = []
    args: dict[str, Any] = {"dataset": dataset, "version": version}
    while True:
        found = query("catalogue", "destroyed", args)
        if found["height"] is not None:
            return True, []
        if not found["rows"]:
            return False, rows
        rows += found["rows"]
        args["after"] = rows[-1]

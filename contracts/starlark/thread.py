"""Gas and limits: what keeps a contract from taking more than its share.

A unit of gas stands for about 100 ns of one core of a small server (`python -m bench.starlark`
measures it). A statement is charged for all parts of its expressions before it starts, whichever
of them run; an operation whose cost depends on sizes is charged by the sizes of its operands
before it starts. What is charged depends on values alone, never on the identity of objects,
caches or the edition of Python, so that all nodes agree.
"""

from __future__ import annotations

from typing import Any

from contracts.starlark.errors import LimitReached, OutOfGas

MAX_SOURCE_BYTES = 32 << 10
MAX_NESTING = 64
"""Of brackets, blocks and operators in source, and of values where they are compared or shown."""
MAX_INT_BITS = 256
MAX_INT = (1 << MAX_INT_BITS - 1) - 1
MIN_INT = -MAX_INT - 1
MAX_TEXT = 1 << 18
"""Characters of a string, bytes of a byte string."""
MAX_ITEMS = 1 << 16
"""Items of a list, tuple or dict."""
MAX_STACK = 320
"""Nested evaluations of one transaction, in frames of Python, far below its recursion limit."""
MAX_CONTRACT_CALLS = 8
"""Contracts that may be in a call at once."""
LOAD_GAS = 2_000_000
"""What the top level of a module may use."""

CALL = 8
TURN = 3
SYSTEM_CALL = 10_000
SIGNATURE = 800
READ = 200
WRITE = 600
SCAN = 5_000
SCAN_ROW = 50
EMIT = 300
CONTRACT_CALL = 500


class Thread:
    """One transaction's evaluation: gas that is left, and the calls that are open."""

    __slots__ = ("codes", "contracts", "host", "left", "limit", "printed", "stack")

    def __init__(self, limit: int, host: Any = None) -> None:
        self.limit = limit
        self.left = limit
        self.stack = 0
        self.host = host
        self.codes: list[object] = []
        self.contracts: list[str] = []
        self.printed: list[str] | None = None

    @property
    def used(self) -> int:
        return self.limit - max(self.left, 0)

    def charge(self, amount: int) -> None:
        """Take `amount` of gas, at least 0. Raises OutOfGas."""
        self.left -= amount
        if self.left < 0:
            raise OutOfGas

    def charge_text(self, length: int) -> None:
        """Charge for making a string of `length`. Raises LimitReached above MAX_TEXT."""
        if length > MAX_TEXT:
            raise LimitReached(f"a string may have {MAX_TEXT} characters at most")
        self.charge((length >> 4) + 1)

    def charge_items(self, count: int) -> None:
        """Charge for making a collection of `count` items. Raises LimitReached above MAX_ITEMS."""
        self.charge(count + 1)
        if count > MAX_ITEMS:
            raise LimitReached(f"a collection may have {MAX_ITEMS} items at most")

    def enter(self, weight: int) -> None:
        """Count `weight` frames of Python as open until the caller takes them off `stack`."""
        self.stack += weight
        if self.stack > MAX_STACK:
            raise LimitReached("calls are nested too deeply")


def checked_int(value: int) -> int:
    """Return `value` if it is in range. Raises LimitReached."""
    if MIN_INT <= value <= MAX_INT:
        return value
    raise LimitReached(f"an integer has {MAX_INT_BITS} bits at most")

"""What can go wrong in a contract's source or while it runs. Messages are part of no result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a module, in a function (`<module>` for the top level)."""

    module: str
    function: str
    line: int


class StarlarkError(Exception):
    """A fault of the contract, or of what it was given; `trace` has the innermost place first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.trace: list[Place] = []
        self.is_placed = False
        """Whether the function that is being left has its place in the trace."""


class SyntaxFault(StarlarkError):
    """The source is not of the language, or a name in it has no meaning."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class LimitReached(StarlarkError):
    """A length, an integer, a nesting or a depth of calls is above its limit."""


class OutOfGas(StarlarkError):
    """The transaction has used up what it may."""

    def __init__(self) -> None:
        super().__init__("out of gas")


class Refusal(StarlarkError):
    """The contract has called `fail`: `code` is its word for the reason."""

    def __init__(self, code: str, details: Any) -> None:
        super().__init__(f"fail: {code}")
        self.code = code
        self.details = details

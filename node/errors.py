"""The errors that a person may read: one sentence, and a stable code for machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MunimentError(Exception):
    """What is wrong, where, and what to do, in one sentence. `code` never changes meaning."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@contextmanager
def alone(*kinds: type[Exception]) -> Iterator[None]:
    """Of errors of `kinds` that tasks raised together, raise the first by itself.

    An error raised within `except*` is wrapped in a group again by Python 3.11 before 3.11.4.
    """
    fault: BaseException | None = None
    try:
        yield
    except* kinds as group:
        fault = group
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    if fault is not None:
        raise fault

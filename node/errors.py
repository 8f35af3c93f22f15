"""The errors that a person may read: one sentence, and a stable code for machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import TracebackException


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


def trace_of(error: BaseException) -> str:
    """Where a bug showed itself, for a log: places and kinds, whatever it came of first.

    Without messages and variables: they may quote records, and hold keys and passphrases.
    """
    return "".join(_places(TracebackException.from_exception(error)))


def _places(found: TracebackException) -> Iterator[str]:
    cause = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    for each in (cause, *(found.exceptions or ())):
        if each is not None:
            yield from _places(each)
    yield from found.stack.format()
    yield f"{found.exc_type.__qualname__}\n"

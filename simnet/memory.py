"""Pure functions of bytes, computed once in a process for all the nodes that share it.

Signatures are real and really verified, but n nodes that verify the same signature, or decode the
same frame, give the same answer: the first one's is remembered. Memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from consensus import crypto, messages
from contracts import envelope
from node import core

VERIFICATIONS = 1 << 17
MESSAGES = 1 << 13

read_message = lru_cache(MESSAGES)(messages.decode_message)
"""consensus.messages.decode_message, remembered. Raises DecodeError."""
_verify = lru_cache(VERIFICATIONS)(crypto.verify)


@contextmanager
def remembered() -> Iterator[None]:
    """Let repeated work be remembered within the context."""
    swaps: list[tuple[Any, str, Callable[..., Any]]] = [
        (messages, "verify", _verify),
        (envelope, "verify", _verify),
        (core, "decode_message", read_message),
    ]
    before = [getattr(module, name) for module, name, _ in swaps]
    for module, name, function in swaps:
        setattr(module, name, function)
    try:
        yield
    finally:
        for (module, name, _), function in zip(swaps, before, strict=True):
            setattr(module, name, function)

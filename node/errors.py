"""The errors that a person may read: one sentence, and a stable code for machines."""

from __future__ import annotations


class MunimentError(Exception):
    """What is wrong, where, and what to do, in one sentence. `code` never changes meaning."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

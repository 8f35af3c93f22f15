"""All methods of the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.desk import jobs, polls, requests, sealing, sources, trace

if TYPE_CHECKING:
    from node.desk import Method

METHODS: dict[str, Method] = {
    **jobs.METHODS, **polls.METHODS, **requests.METHODS, **sealing.METHODS, **sources.METHODS,
    **trace.METHODS,
}  # fmt: skip

"""All methods of the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.desk import datasets, exports, jobs, requests, sealing, sources, trace

if TYPE_CHECKING:
    from node.desk import Method

METHODS: dict[str, Method] = {
    **jobs.METHODS,
    **requests.METHODS,
    **sealing.METHODS,
    **sources.METHODS,
    **datasets.METHODS,
    **exports.METHODS,
    **trace.METHODS,
}

"""All methods of the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.desk import deliveries, jobs, requests, sealing

if TYPE_CHECKING:
    from node.desk import Method

METHODS: dict[str, Method] = {
    **deliveries.METHODS,
    **jobs.METHODS,
    **requests.METHODS,
    **sealing.METHODS,
}

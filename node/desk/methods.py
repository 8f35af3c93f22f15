"""All methods of the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.desk import authorisations, deliveries, disputes, jobs, requests, sealing

if TYPE_CHECKING:
    from node.desk import Method

METHODS: dict[str, Method] = {
    **authorisations.METHODS,
    **deliveries.METHODS,
    **disputes.METHODS,
    **jobs.METHODS,
    **requests.METHODS,
    **sealing.METHODS,
}

"""All methods of the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.desk import (
    authorisations,
    datasets,
    declaring,
    deliveries,
    disputes,
    exports,
    jobs,
    opening,
    polls,
    requests,
    sealing,
    sources,
    trace,
)

if TYPE_CHECKING:
    from node.desk import Method

METHODS: dict[str, Method] = {
    **authorisations.METHODS,
    **datasets.METHODS,
    **declaring.METHODS,
    **deliveries.METHODS,
    **disputes.METHODS,
    **exports.METHODS,
    **jobs.METHODS,
    **opening.METHODS,
    **requests.METHODS,
    **sealing.METHODS,
    **sources.METHODS,
    **polls.METHODS,
    **trace.METHODS,
}

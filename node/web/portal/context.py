"""What the portal's pages share: the open catalogue, the shelf, and how often people may write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from node.errors import MunimentError
from node.publish import remarks
from node.publish.shelf import OPEN, Publication
from node.web.catalogue import Catalogue, Record
from node.web.guard import Rates
from node.web.portal.published import Published
from node.web.site import Visit


@dataclass(frozen=True, slots=True)
class Limits:
    """How often one address may ask, say something, and try a token that is wrong."""

    asks: Rates = field(default_factory=lambda: Rates(10.0, 100.0))
    writes: Rates = field(default_factory=lambda: Rates(1 / 120, 5.0))
    tokens: Rates = field(default_factory=lambda: Rates(1 / 10, 10.0))


@dataclass(frozen=True, slots=True)
class Portal:
    """Shared by all requests."""

    catalogue: Catalogue
    published: Published
    limits: Limits

    def bound(self, handler: Callable[[Visit, Portal], Response]) -> Callable[[Visit], Response]:
        """Make a page's handler of one that needs the portal too."""
        return lambda visit: handler(visit, self)

    def dataset(self, visit: Visit) -> Record | None:
        """The open dataset that the path names."""
        return self.catalogue.get(f"{visit.param('owner')}/{visit.param('name')}"[:200])

    def version(self, visit: Visit) -> tuple[Record, Record] | None:
        """The open dataset that the path names, and its open version."""
        row = self.dataset(visit)
        number = whole(visit.param("version"), 1 << 32)
        if row is None or not number or number > row["latest"]:
            return None
        args = {"dataset": row["dataset"], "version": number}
        found = visit.query("catalogue", "get", args)
        return (row, found) if found is not None and found["level"] == OPEN else None

    def publication(self, visit: Visit) -> Publication | None:
        """The published version that the path names."""
        found = self.version(visit)
        return None if found is None else self.published.find(found[0], found[1]["version"])

    def take(self, visit: Visit, put: Callable[[], str]) -> str | None:
        """Let an address hand something in by `put`; None where it hands in too much.

        What `put` refuses is not counted.
        """
        address = address_of(visit.request)
        if not self.limits.writes.allows(address):
            return None
        try:
            return put()
        except MunimentError:
            self.limits.writes.give_back(address)
            raise

    def take_remark(self, visit: Visit, row: Record, given: Mapping[str, str]) -> str | None:
        """Take what somebody says of a dataset. Raises RemarkError, BoxError."""
        place, name = visit.site.home.open, given.get("name", "")
        return self.take(visit, lambda: remarks.hand_in(place, row["dataset"], given["text"], name))


def address_of(request: Request) -> str:
    """Where a request comes from, as rates are counted."""
    return request.client.host if request.client else ""


def whole(text: str, most: int) -> int | None:
    """A whole number from 0 to `most`, as it is usually written."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return int(text) if int(text) <= most else None

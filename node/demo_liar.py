"""A server that lies, as a demonstration: in each chunk the first record has another value.

    python -m node.demo_liar HOME

It signs and sends like any other; nothing in the node makes it possible or could prevent it. What
it sends is refused by whoever fetches, and proves the lie.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from node.exchange import server as servers
from node.exchange.linked import Opened
from node.exchange.source import Source


class LyingSource(Source):
    """What it opens is altered before it is packed."""

    def _runs(self, position: int, room: int) -> Iterator[tuple[list[Opened], int]]:
        for records, after in super()._runs(position, room):
            altered = [replace(each, values=["P-9999", *each.values[1:]]) for each in records[:1]]
            yield [*altered, *records[1:]], after


def main() -> None:
    """Serve a home's data until stopped, with that source in place of the true one."""
    from node.cli import cli

    setattr(servers, "Source", LyingSource)  # noqa: B010  as a changed program would have it
    cli(["exchange", "serve", "--home", sys.argv[1]])


if __name__ == "__main__":
    main()

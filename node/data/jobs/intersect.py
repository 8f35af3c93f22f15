"""Job: one step of a side in an intersection; elements and points are handed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node.data.privacy.intersect import Side, split

PIECE_POINTS = 1 << 15


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: lists of elements, or pieces of joined points. Out: ["points", piece], or a count.

    `args`: step (ask, hold, again or count), seed, session, micro_epsilon; and for the count how
    many pieces at the beginning are own points, and how many own points were sent.
    """
    side = Side(args["seed"], args["session"], args["micro_epsilon"])
    match args["step"]:
        case "ask":
            points = side.ask(text for batch in incoming for text in batch)
        case "hold":
            points = side.hold(text for batch in incoming for text in batch)
        case "again":
            points = side.again(split(b"".join(incoming)))
        case _:
            pieces = list(incoming)
            own, others = (
                split(b"".join(part)) for part in (pieces[: args["own"]], pieces[args["own"] :])
            )
            yield ["count", side.count(own, others, args["sent"])]
            return
    for at in range(0, len(points), PIECE_POINTS):
        yield ["points", b"".join(points[at : at + PIECE_POINTS])]

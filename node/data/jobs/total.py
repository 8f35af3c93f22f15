"""Job: the exact sum of a column, in whole numbers of its last decimal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

from node.data.privacy.group import GroupError

_EXACT = Context(prec=64, traps=[InvalidOperation, Inexact])


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: lists of values. Frame out: ["total", number as text]. `args`: decimals.

    One value that is no number, or has more decimals, ends it: a sum that leaves out is false.
    """
    total, scale = 0, Decimal(10 ** args["decimals"])
    for values in incoming:
        for text in values:
            try:
                scaled = _EXACT.multiply(_EXACT.create_decimal(text), scale)
                number = int(scaled.to_integral_exact(context=_EXACT))
            except (InvalidOperation, Inexact, ValueError, OverflowError):
                raise GroupError(
                    f"a value of the column is no number with at most {args['decimals']} decimals"
                ) from None
            total += number
    yield ["total", str(total)]

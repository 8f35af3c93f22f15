"""Spans of time on the command line: 90s, 15m, 2h, 3d."""

from __future__ import annotations

import re

import click

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)


class Span(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A whole number and a unit; in ms."""

    name = "SPAN"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a span of time such as 90s, 15m, 2h or 3d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


SPAN = Span()

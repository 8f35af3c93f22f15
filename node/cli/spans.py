"""Words on the command line: spans (90s, 15m, 2h, 3d), days (2027-06-30), prices in epsilon."""

from __future__ import annotations

import calendar
import re
import time
from decimal import Decimal, InvalidOperation

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


class Day(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A day in UTC, to its last millisecond; in ms."""

    name = "DAY"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            parsed = time.strptime(value + " UTC", "%Y-%m-%d %Z")
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2027-06-30", param, ctx)
        return (calendar.timegm(parsed) + 86_400) * 1_000 - 1


MICRO = 10**6


class Epsilon(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A decimal number of at most six places; in millionths."""

    name = "EPSILON"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            micro = Decimal(value) * MICRO
            whole = int(micro)
        except (InvalidOperation, ValueError, OverflowError):
            self.fail(f"{value!r} is no number", param, ctx)
        if micro != whole:
            self.fail(f"{value!r} has more than six places", param, ctx)
        return whole


SPAN, DAY, EPSILON = Span(), Day(), Epsilon()

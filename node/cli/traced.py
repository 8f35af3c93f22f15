"""What commands that trace share: the index brought up to date, and how entries are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from node.cli.common import Refused, connect, home_option, json_option, moment, table
from node.home import Home
from node.trace import index as index_file
from node.trace.index import Entry, Index

MAX_SHOWN, MAX_LIFE = 1_000, 100_000


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A day or a moment in UTC; in ms."""

    name = "TIME"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-01-31 or 2026-01-31T09:00", param, ctx)
        return int(found.replace(tzinfo=found.tzinfo or UTC).timestamp() * 1_000)


def span_options(function: Any) -> Any:
    """Add --since, --until, --by, --limit, --home and --json."""
    for option in (
        json_option,
        home_option,
        click.option("--limit", type=click.IntRange(1, 100_000), default=MAX_SHOWN,
                     show_default=True),
        click.option("--by", "actor", default="",
                     help="Only what this member or MEMBER/OPERATOR did."),
        click.option("--until", type=Moment(), default=1 << 62, help="Up to this time (UTC)."),
        click.option("--since", type=Moment(), default=0, help="From this time on (UTC)."),
    ):  # fmt: skip
        function = option(function)
    return function


def to_data(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return entries for --json."""
    return [{name: getattr(e, name) for name in Entry.__slots__} for e in entries]


def render_entries(entries: Sequence[Entry], limit: int) -> None:
    """Print a table of entries."""
    rows = [
        (e.height, moment(e.time)[:19], e.sender or "(by itself)", _what(e), _brief(e.data))
        for e in entries
    ]
    table(("block", "time (UTC)", "by", "what", "which"), rows)
    if len(entries) == limit:
        click.echo(f"The first {limit} are shown; see --since and --limit.", err=True)


def _what(entry: Entry) -> str:
    failed = f" failed ({entry.code})" if entry.code else ""
    return f"{entry.contract} {entry.name}{failed}"


def _brief(data: Any) -> str:
    """An event's data on one line; digests are shortened."""
    rows = data if isinstance(data, list) else [data]
    return " ".join(
        row[:12] if isinstance(row, str) and len(row) == 64 else
        row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
        for row in rows
    )  # fmt: skip


def open_updated(home: Path) -> Index:
    """Open the index, brought up to date from the node."""
    place = Home(home)
    with connect(home) as client:
        found = index_file.open_index(place.trace, client)
        with Progress() as tell:
            found.update(client, tell)
    return found


def lives(home: Path, *entities: str, since: int = 0, until: int = 1 << 62, actor: str = "",
          limit: int = MAX_LIFE) -> list[Entry]:  # fmt: skip
    """Return the lives of entities from the index, brought up to date. Raises Refused if none."""
    with closing(open_updated(home)) as found:
        entries = found.trace(entities[0], since, until, actor, limit, entities[1:])
    if not entries:
        kind, _, identity = entities[0].partition(":")
        raise Refused(f"the chain tells nothing of {kind} {identity} in that time")
    return entries


class Progress:
    """A progress bar that appears only where there is much to do."""

    def __enter__(self) -> Any:
        self._bar: Any = None
        return self._tell

    def _tell(self, height: int, of: int) -> None:
        from rich.progress import Progress

        if self._bar is None and of - height > 2_000:
            self._bar = Progress(transient=True)
            self._bar.start()
            self._task = self._bar.add_task("reading blocks", total=of)
        if self._bar is not None:
            self._bar.update(self._task, completed=height, total=of)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

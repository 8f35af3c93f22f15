"""Commands that tell the life of something: trace, lineage, and the index behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    connect,
    home_option,
    json_option,
    moment,
    show,
    table,
)
from node.home import Home, atomic_write
from node.rpc.client import Client
from node.trace import index as index_file
from node.trace.entities import KINDS
from node.trace.index import Entry, Index

MAX_SHOWN = 1_000


@click.group()
def trace() -> None:
    """Tell the whole life of a dataset, grant, member and so on, with the blocks that prove it.

    \b
    muniment trace of dataset tax/permits --home tax
    muniment trace of member civil --since 2026-01-01 --by tax --home tax
    muniment trace lineage tax/permits --svg permits.svg --home tax
    """


class _Day(click.ParamType):  # type: ignore[type-arg,unused-ignore]
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


@trace.command("of")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("identity", metavar="ID")
@click.option("--since", type=_Day(), default=0, help="From this time on (UTC).")
@click.option("--until", type=_Day(), default=1 << 62, help="Up to this time (UTC).")
@click.option("--by", "actor", default="", help="Only what this member or MEMBER/OPERATOR did.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=MAX_SHOWN, show_default=True)
@home_option
@json_option
def trace_of(
    kind: str, identity: str, since: int, until: int, actor: str, limit: int, home: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Show what happened to ID, and to what came of it: a dataset's grants, their deliveries."""
    with closing(open_updated(home)) as found:
        entries = found.trace(f"{kind}:{identity}", since, until, actor, limit)
    if not entries:
        raise Refused(f"the chain tells nothing of {kind} {identity} in that time")
    rows = [
        (e.height, moment(e.time)[:19], e.sender or "(by itself)", _what(e), _brief(e.data))
        for e in entries
    ]
    data = [{name: getattr(e, name) for name in Entry.__slots__} for e in entries]
    show(data, as_json, lambda _: table(("block", "time (UTC)", "by", "what", "which"), rows))
    if len(entries) == limit and not as_json:
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
        with _progress() as tell:
            found.update(client, tell)
    return found


class _progress:
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


@trace.command()
@home_option
@json_option
def rebuild(home: Path, as_json: bool) -> None:
    """Make the index anew from the chain."""
    with connect(home) as client, _progress() as tell:
        count = index_file.rebuild(Home(home).trace, client, tell)
    show({"entries": count}, as_json, lambda d: click.echo(f"{d['entries']} entries"))


@trace.command()
@home_option
@json_option
def check(home: Path, as_json: bool) -> None:
    """Compare the whole index with the chain."""
    with closing(open_updated(home)) as found, connect(home) as client:
        faults = list(found.faults(client))
        data = {"height": found.height, "entries": found.count(), "faults": faults}
    if faults and not as_json:
        raise Refused(f"{faults[0]} ({len(faults)} in all); mend it: muniment trace rebuild")
    show(data, as_json, lambda d: click.echo(
        f"{d['entries']} entries up to block {d['height']} are those of the chain"
    ))  # fmt: skip


# Lineage


@trace.command()
@click.argument("dataset")
@click.option("--version", type=click.IntRange(1), help="By default the latest.")
@click.option("--dot", type=click.Path(path_type=Path, dir_okay=False), help="Write Graphviz.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture.")
@click.option("--prov", type=click.Path(path_type=Path, dir_okay=False), help="Write PROV-JSON.")
@click.option("--openlineage", type=click.Path(path_type=Path, dir_okay=False),
              help="Write OpenLineage events, one a line.")  # fmt: skip
@home_option
@json_option
def lineage(
    dataset: str, version: int | None, dot: Path | None, svg: Path | None, prov: Path | None,
    openlineage: Path | None, home: Path, as_json: bool,
) -> None:  # fmt: skip
    """Show what a version of DATASET was made from, and what was made of it."""
    from node.trace import lineage as lines
    from node.trace import picture
    from node.trace.openlineage import to_events
    from node.trace.prov import to_prov

    with connect(home) as client:
        newest = _registration(client, dataset, None)
        if newest is None:
            raise Refused(f"{dataset} is not registered; list what is with: muniment dataset list")
        wanted = version or newest["version"]
        if _registration(client, dataset, wanted) is None:
            raise Refused(f"{dataset} has no version {wanted}; the latest is {newest['version']}")
        graph = lines.find(
            (dataset, wanted), lambda *at: _registration(client, *at), _derived(client)
        )
        base = f"urn:muniment:{client.call('status')['chain_id'][:16]}:"
    events = "".join(json.dumps(event) + "\n" for event in to_events(graph, base))
    for path, text in (
        (dot, lines.to_dot(graph)),
        (svg, picture.to_svg(graph)),
        (prov, json.dumps(to_prov(graph, base), indent=2, ensure_ascii=False) + "\n"),
        (openlineage, events),
    ):
        if path is not None:
            atomic_write(path, text.encode(), 0o644)
    data = {
        "focus": graph.focus,
        "versions": sorted(graph.nodes),
        "edges": [[e.source, e.target, e.process] for e in graph.edges],
        "is_cut": graph.is_cut,
    }
    show(data, as_json, lambda _: click.echo("\n".join(lines.tree(graph))))


def _registration(client: Client, dataset: str, version: int | None) -> dict[str, Any] | None:
    args: dict[str, Any] = {"dataset": dataset} | ({} if version is None else {"version": version})
    found: dict[str, Any] | None = client.call(
        "state.query", contract="catalogue", method="get", args=args
    )
    return found


def _derived(client: Client) -> Iterator[dict[str, Any]]:
    """Yield every registration, of all members, that was made from another."""

    def pages(method: str, args: dict[str, Any], cursor: Any) -> Iterator[Any]:
        while rows := client.call("state.query", contract="catalogue", method=method, args=args):
            yield from rows
            args = {**args, "after": cursor(rows[-1])}

    for name, *_ in pages("list", {}, lambda row: row[0]):
        for row in pages("versions", {"dataset": name}, lambda row: row["version"]):
            if row["derived_from"]:
                yield row

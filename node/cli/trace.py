"""Commands that tell the life of something: trace, lineage, and the index behind them."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from pathlib import Path

import click

from node.cli.common import Refused, ask, connect, home_option, json_option, show
from node.cli.trace_logs import ask_logs, asker_of, asking_options, logs_option, show_whole
from node.cli.trace_subject import record, subject
from node.cli.traced import Progress, lives, open_updated, render_entries, span_options, to_data
from node.home import Home, atomic_write
from node.trace import index as index_file
from node.trace.entities import KINDS
from node.trace.record import Span, deliveries_of, holders_of


@click.group()
def trace() -> None:
    """Tell the whole life of a dataset, grant, member and so on, with the blocks that prove it.

    \b
    muniment trace dataset tax/permits --home tax
    muniment trace member civil --since 2026-01-01 --by tax --home tax
    muniment trace record tax/permits --row 7 --logs --home tax
    muniment trace subject 11010119900307123X --home civil
    muniment trace lineage tax/permits --svg permits.svg --home tax
    """


def _add(kind: str) -> None:
    """Add the command that tells the life of one kind of thing."""

    @trace.command(kind, help=f"Tell what happened to this {kind}, and to what came of it.")
    @click.argument("identity", metavar="ID")
    @span_options
    def of(
        identity: str, since: int, until: int, actor: str, limit: int, home: Path, as_json: bool
    ) -> None:
        entity = f"{kind}:{identity}"
        entries = lives(home, entity, since=since, until=until, actor=actor, limit=limit)
        show(to_data(entries), as_json, lambda _: render_entries(entries, limit))


for _kind in KINDS:
    if _kind != "dataset":
        _add(_kind)


@trace.command()
@click.argument("dataset")
@logs_option
@asking_options
@span_options
def dataset(
    dataset: str, logs: bool, patience: float, passphrase_file: Path | None, operator: str | None,
    operator_file: Path | None, since: int, until: int, actor: str, limit: int, home: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Show what happened to DATASET, to its grants and their deliveries, and who read it.

    With --logs its owner, and whoever delivered or received it, are asked for their access logs.

    \b
    Example: muniment trace dataset tax/permits --logs --as li --home court
    """
    from node.exchange.logs import Question

    entity = f"dataset:{dataset}"
    entries = lives(home, entity, since=since, until=until, actor=actor, limit=limit)
    if not logs:
        show(to_data(entries), as_json, lambda _: render_entries(entries, limit))
        return
    asker = asker_of(home, passphrase_file, operator, operator_file)
    life = lives(home, entity)
    had, holders = deliveries_of(life), holders_of(dataset.partition("/")[0], life)
    span = Span(since, until, actor)
    readings = ask_logs(asker, holders, Question(dataset), had, span, patience)
    show_whole({"events": to_data(entries)}, readings, as_json,
               lambda: render_entries(entries, limit))  # fmt: skip


@trace.command()
@home_option
@json_option
def rebuild(home: Path, as_json: bool) -> None:
    """Make the index anew from the chain."""
    with connect(home) as client, Progress() as tell:
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

    query = partial(ask, home)
    newest = lines.registration(query, dataset, None)
    if newest is None:
        raise Refused(f"{dataset} is not registered; list what is with: muniment dataset list")
    wanted = version or newest["version"]
    if lines.registration(query, dataset, wanted) is None:
        raise Refused(f"{dataset} has no version {wanted}; the latest is {newest['version']}")
    graph = lines.Lineage(query).of(dataset, wanted)
    with connect(home) as client:
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


for _each in (record, subject):
    trace.add_command(_each)

"""The command `muniment simnet`: run, campaign, replay, scale."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from node.cli.common import json_option, pairs, table
from simnet.adversaries import ADVERSARIES
from simnet.campaign import Coverage, run_seeds
from simnet.faults import FAULTS
from simnet.mutants import MUTANTS
from simnet.report import percentile, summary, to_html, to_json
from simnet.scenario import Scenario, load_scenario, vary
from simnet.world import Report, run

LARGE_NODES = 25


def _names(known: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], Any]:
    """Parse `all`, `none` or a list of names with commas."""

    def parse(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
        if value == "all":
            return known
        if value == "none":
            return ()
        names = tuple(name.strip() for name in value.split(","))
        for name in names:
            if name not in known:
                raise click.BadParameter(f"{name!r} is none of: {', '.join(known)}")
        return names

    return parse


def scenario_options(function: Any) -> Any:
    """Add the options that make up a scenario."""
    for option in (
        click.option("--nodes", type=click.IntRange(1, 200), default=4, show_default=True),
        click.option("--duration", type=click.IntRange(1), default=20, show_default=True,
                     help="Virtual seconds under faults."),
        click.option("--faults", default="all", show_default=True, callback=_names(tuple(FAULTS)),
                     help="all, none, or names with commas."),
        click.option("--adversaries", default="all", show_default=True,
                     callback=_names(tuple(ADVERSARIES)), help="all, none, or names with commas."),
        click.option("--load", type=click.IntRange(0), default=10, show_default=True,
                     help="Transactions submitted in each virtual second."),
        click.option("--mutant", type=click.Choice(sorted(MUTANTS)), default=None,
                     help="Put this fault into the protocol, to see it found."),
    ):  # fmt: skip
        function = option(function)
    return function


def _scenario(
    nodes: int,
    duration: int,
    faults: tuple[str, ...],
    adversaries: tuple[str, ...],
    load: int,
    mutant: str | None,
) -> Scenario:
    return Scenario(
        nodes=nodes,
        duration_s=duration,
        faults=faults,
        adversaries=adversaries,
        load_tps=load,
        mutant=mutant or "",
    )


@click.group()
def simnet() -> None:
    """Simulate whole networks in one process, with every fault, from one seed."""


@simnet.command("run")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--scenario", "file", type=click.Path(path_type=Path), help="A TOML file instead.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with plots.")
@scenario_options
@json_option
def run_command(
    seed: int, file: Path | None, page: Path | None, as_json: bool, **options: Any
) -> None:
    """Run one seed of one scenario; exit status 1 if an invariant breaks."""
    scenario = _scenario(**options)
    if file is not None:
        scenario, fixed = load_scenario(file)
        seed = seed if fixed is None else fixed
    _finish(run(scenario, seed), page, as_json)


@simnet.command()
@click.argument("seed", type=int)
@click.option("--events", type=click.IntRange(0), default=60, show_default=True,
              help="How many of the last events to print.")  # fmt: skip
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with plots.")
@scenario_options
@json_option
def replay(seed: int, events: int, page: Path | None, as_json: bool, **options: Any) -> None:
    """Run one seed of a campaign again and show what led to its end."""
    report = run(vary(_scenario(**options), seed), seed)
    if not as_json:
        for event in report.tail[len(report.tail) - min(events, len(report.tail)) :]:
            click.echo(str(event))
    _finish(report, page, as_json)


def _finish(report: Report, page: Path | None, as_json: bool) -> None:
    if page is not None:
        page.write_text(to_html(report), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(to_json(report), indent=2))
    else:
        pairs(summary(report))
    if report.violation is not None:
        sys.exit(1)


@simnet.command()
@click.option("--seeds", type=click.IntRange(1), default=1_000, show_default=True)
@click.option("--first-seed", type=int, default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores")
@scenario_options
@json_option
def campaign(seeds: int, first_seed: int, jobs: int, as_json: bool, **options: Any) -> None:
    """Run many seeds, each with its own size, faults and traitors; stop at the first failure."""
    base = _scenario(**options)
    coverage = Coverage()
    with click.progressbar(
        run_seeds(base, range(first_seed, first_seed + seeds), jobs),
        length=seeds,
        label="seeds",
        file=sys.stderr,
    ) as reports:
        for report in reports:
            coverage.add(report)
            if report.violation is not None:
                break
    rows = coverage.rows(base)
    if as_json:
        click.echo(json.dumps({
            "seeds": coverage.seeds,
            "failed": coverage.failed,
            "blocks": coverage.blocks,
            "transactions": coverage.transactions,
            "virtual_s": round(coverage.virtual_s),
            "cpu_s": round(coverage.cpu_s),
            "worst_recovery_views": coverage.worst_recovery_views,
            "coverage": {f"{group} {name}": count for group, name, count in rows},
        }, indent=2))  # fmt: skip
    else:
        table(("group", "what", "times"), rows)
        pairs([
            ("seeds", coverage.seeds),
            ("blocks", coverage.blocks),
            ("transactions final", coverage.transactions),
            ("virtual time", f"{coverage.virtual_s:.0f} s in {coverage.cpu_s:.0f} s of one core"),
            ("worst recovery", f"{coverage.worst_recovery_views} views"),
        ])  # fmt: skip
    for seed, violation in coverage.failed:
        click.echo(f"seed {seed} failed: {violation}", err=True)
        click.echo(f"  muniment simnet replay {seed}{_as_options(base)}", err=True)
    if coverage.failed:
        sys.exit(1)
    missing = [name for _, name, count in rows if not count]
    if missing and seeds >= 100:
        click.echo(f"never happened: {', '.join(missing)}", err=True)
        sys.exit(1)


def _as_options(scenario: Scenario) -> str:
    """Options that make the same scenario on the command line, where they are not the defaults."""
    text = ""
    if scenario.nodes != 4:
        text += f" --nodes {scenario.nodes}"
    if scenario.duration_s != 20:
        text += f" --duration {scenario.duration_s}"
    if scenario.faults != tuple(FAULTS):
        text += f" --faults {','.join(scenario.faults) or 'none'}"
    if scenario.adversaries != tuple(ADVERSARIES):
        text += f" --adversaries {','.join(scenario.adversaries) or 'none'}"
    if scenario.load_tps != 10:
        text += f" --load {scenario.load_tps}"
    return text + (f" --mutant {scenario.mutant}" if scenario.mutant else "")


@simnet.command()
@click.option("--nodes", default="4,10,25,50,100", show_default=True, help="Sizes with commas.")
@click.option("--seed", type=int, default=1, show_default=True)
@json_option
def scale(nodes: str, seed: int, as_json: bool) -> None:
    """Show how latency, messages and bytes of a block grow with the number of validators."""
    try:
        sizes = [int(text) for text in nodes.split(",")]
    except ValueError as error:
        raise click.BadParameter("sizes are integers with commas", param_hint="--nodes") from error
    rows = []
    for size in sizes:
        scenario = Scenario(nodes=size, duration_s=4 if size <= LARGE_NODES else 1, load_tps=10)
        report = run(replace(scenario, latency_ms=20), seed, keep=0)
        if report.violation is not None:
            raise click.ClickException(f"{size} nodes: {report.violation}")
        blocks = max(1, report.height)
        rows.append({
            "nodes": size,
            "blocks": report.height,
            "p50_ms": percentile(report.latencies_ms, 5_000),
            "p99_ms": percentile(report.latencies_ms, 9_900),
            "messages_per_block": sum(report.frames.values()) // blocks,
            "bytes_per_block": sum(report.bytes.values()) // blocks,
            "wall_s": round(report.wall_s, 1),
        })  # fmt: skip
        if not as_json and sys.stderr.isatty():
            click.echo(f"{size} nodes: {report.wall_s:.1f} s", err=True)
    laws = {
        what: _exponent([(row["nodes"], row[what]) for row in rows])
        for what in ("messages_per_block", "bytes_per_block")
    }
    if as_json:
        click.echo(json.dumps({"rows": rows, "exponents": laws}, indent=2))
        return
    titles = ("nodes", "blocks", "p50 ms", "p99 ms", "messages/block", "bytes/block", "real s")
    table(titles, [list(row.values()) for row in rows])
    for what, exponent in laws.items():
        click.echo(f"{what.replace('_', ' ')} grow as n^{exponent:.2f}")


def _exponent(points: list[tuple[Any, Any]]) -> float:
    """Slope of the least-squares line through the logarithms; 0 of fewer than two points."""
    logs = [(math.log(x), math.log(max(1, y))) for x, y in points]
    if len(logs) < 2:
        return 0.0
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread if spread else 0.0

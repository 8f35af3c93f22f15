"""The command `muniment simnet`: run, campaign, replay, scale."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from node.cli.common import json_option, pairs, table
from simnet.adversaries import ADVERSARIES
from simnet.campaign import (
    CAMPAIGN_S,
    Coverage,
    add_up,
    all_faults,
    load,
    run_seeds,
    save,
)
from simnet.faults import FAULTS
from simnet.mutants import MUTANTS
from simnet.report import percentile, summary, to_html, to_json
from simnet.report_many import (
    campaign_html,
    campaign_json,
    campaign_summary,
    scale_html,
)
from simnet.scenario import Scenario, load_scenario, save_scenario, vary
from simnet.sequence import consensus_events, sequence_text
from simnet.world import Report, run

LARGE_NODES = 25
SAVE_EVERY = 10
ENOUGH_SEEDS = 100
"""From so many seeds on, something that never happened is an error."""


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
        click.option("--duration", type=click.IntRange(1), default=CAMPAIGN_S, show_default=True,
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
@click.option(
    "--events",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="How many of the last events to show.",
)
@click.option("--picture", is_flag=True, help="Show them as a message-sequence picture.")
@click.option("--all", "everything", is_flag=True, help="Keep status and gossip in the picture.")
@click.option(
    "--save",
    "file",
    type=click.Path(path_type=Path),
    help="Write the run as a scenario file, for a regression test.",
)
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with plots.")
@scenario_options
@json_option
def replay(
    seed: int,
    events: int,
    picture: bool,
    everything: bool,
    file: Path | None,
    page: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run one seed of a campaign again and show what led to its end.

    \b
    Example:
      muniment simnet replay 71 --picture --html failure.html
    """
    scenario = vary(_scenario(**options), seed)
    report = run(scenario, seed)
    shown = report.tail if everything or not picture else consensus_events(report.tail)
    shown = shown[len(shown) - min(events, len(shown)) :]
    if not as_json:
        for line in sequence_text(shown) if picture else map(str, shown):
            click.echo(line)
    if file is not None:
        save_scenario(file, scenario, seed, report.violation or "holds")
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
@click.option(
    "--save",
    "file",
    type=click.Path(path_type=Path),
    help="Keep results in this file, and skip seeds that it holds already.",
)
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page of results.")
@scenario_options
@json_option
def campaign(
    seeds: int,
    first_seed: int,
    jobs: int,
    file: Path | None,
    page: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run many seeds, each with its own size, faults and traitors; stop at the first failure.

    \b
    Example, in parts that add up:
      muniment simnet campaign --seeds 200 --save results.json
      muniment simnet campaign --seeds 1000 --save results.json
    """
    base = _scenario(**options)
    coverage = Coverage() if file is None else load(file, base)
    asked = range(first_seed, first_seed + seeds)
    missing = [seed for seed in asked if seed not in coverage.seeds]
    before_s, started = coverage.wall_s, time.monotonic()
    with click.progressbar(
        run_seeds(base, missing, jobs), length=len(missing), label="seeds", file=sys.stderr
    ) as reports:
        for report in reports:
            coverage.add(report)
            coverage.wall_s = before_s + time.monotonic() - started
            if report.violation is not None:
                break
            if file is not None and len(coverage.seeds) % SAVE_EVERY == 0:
                save(file, base, coverage)
    if file is not None and not coverage.failed:
        save(file, base, coverage)
    _show_coverage(coverage, base, page, as_json)
    for seed, violation in coverage.failed:
        click.echo(f"seed {seed} failed: {violation}", err=True)
        click.echo(f"  muniment simnet replay {seed}{_as_options(base)}", err=True)
    if coverage.failed:
        sys.exit(1)
    _require_all(coverage, base)


@simnet.command("coverage")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page of results.")
@json_option
def coverage_command(files: tuple[Path, ...], page: Path | None, as_json: bool) -> None:
    """Add up what campaigns saved in FILES, of the same code and options.

    \b
    Example:
      muniment simnet coverage first.json second.json --html campaign.html
    """
    coverage, base = add_up(files), all_faults(Scenario())
    _show_coverage(coverage, base, page, as_json)
    _require_all(coverage, base)


def _show_coverage(coverage: Coverage, base: Scenario, page: Path | None, as_json: bool) -> None:
    rows = coverage.rows(base)
    if page is not None:
        page.write_text(campaign_html(coverage, rows), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(campaign_json(coverage, rows), indent=2))
    else:
        table(("group", "what", "times"), rows)
        pairs(campaign_summary(coverage))


def _require_all(coverage: Coverage, base: Scenario) -> None:
    """Exit with status 1 if many seeds left something out."""
    never = [name for _, name, count in coverage.rows(base) if not count]
    if never and len(coverage.seeds) >= ENOUGH_SEEDS:
        click.echo(f"never happened: {', '.join(never)}", err=True)
        sys.exit(1)


def _as_options(scenario: Scenario) -> str:
    """Options that make the same scenario on the command line, where they are not the defaults."""
    text = ""
    if scenario.nodes != 4:
        text += f" --nodes {scenario.nodes}"
    if scenario.duration_s != CAMPAIGN_S:
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
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with plots.")
@json_option
def scale(nodes: str, seed: int, page: Path | None, as_json: bool) -> None:
    """Show how latency, messages and bytes of a block grow with the number of validators.

    \b
    Example:
      muniment simnet scale --nodes 4,10,25,50,100 --html scale.html
    """
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
    if page is not None:
        page.write_text(scale_html(rows, laws), encoding="utf-8")
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

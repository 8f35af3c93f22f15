"""Reports of runs: text for people, JSON for machines, one HTML page with plots for both."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from simnet.sequence import consensus_events, sequence_svg
from simnet.world import Report

SEQUENCE_EVENTS = 80
COLOURS = ("#1f5fa8", "#b3261e", "#2e7d32", "#e08a00", "#6a3d9a", "#00838f", "#8d6e63", "#555555")


def percentile(ordered: Sequence[int], share_bp: int) -> int:
    """The value below which `share_bp` basis points of the ordered values lie; 0 of none."""
    if not ordered:
        return 0
    return ordered[min(len(ordered) - 1, len(ordered) * share_bp // 10_000)]


def to_json(report: Report) -> dict[str, Any]:
    scenario = report.scenario
    return {
        "seed": report.seed,
        "violation": report.violation,
        "trace_sha256": report.digest,
        "events": report.events,
        "nodes": scenario.nodes,
        "spare": scenario.spare,
        "fault_model": scenario.fault_model,
        "faults": list(scenario.faults),
        "adversaries": sorted(k[10:] for k in report.fired if k.startswith("adversary ")),
        "height": report.height,
        "epoch": report.epoch,
        "views": report.views,
        "nullified_views": report.nullified,
        "accepted": report.submitted,
        "final": report.final,
        "latency_ms": {
            "p50": percentile(report.latencies_ms, 5_000),
            "p99": percentile(report.latencies_ms, 9_900),
        },
        "recovery_views": report.recovery_views,
        "recovery_ms": report.recovery_ms,
        "virtual_s": report.virtual_ms / 1_000,
        "wall_s": round(report.wall_s, 2),
        "frames": report.frames,
        "bytes": report.bytes,
        "fired": dict(sorted(report.fired.items())),
    }


def summary(report: Report) -> list[tuple[str, str]]:
    """Lines of a table: what, and how much."""
    found = to_json(report)
    latency = found["latency_ms"]
    return [
        ("outcome", report.violation or "every invariant held"),
        ("nodes", f"{found['nodes']} ({found['fault_model']} fault model)"),
        ("traitors", ", ".join(found["adversaries"]) or "none"),
        ("chain", f"{report.height} blocks, {report.epoch + 1} epochs"),
        ("views", f"{report.views}, {report.nullified} of them skipped"),
        ("transactions", f"{report.submitted} accepted, {report.final} final"),
        ("commit latency", f"p50 {latency['p50']} ms, p99 {latency['p99']} ms (virtual)"),
        ("recovery", f"{report.recovery_views} views, {report.recovery_ms} ms"),
        ("network", f"{sum(report.frames.values())} frames, {sum(report.bytes.values())} bytes"),
        ("time", f"{report.virtual_ms / 1_000:.1f} s virtual, {report.wall_s:.1f} s real"),
        ("trace", f"{report.events} events, SHA-256 {report.digest[:16]}"),
    ]


def to_html(report: Report) -> str:
    """One page that needs nothing from elsewhere."""
    rows = "".join(
        f"<tr><th>{html.escape(what)}</th><td>{html.escape(value)}</td></tr>"
        for what, value in summary(report)
    )
    fired = "".join(
        f"<tr><th>{html.escape(what)}</th><td>{count}</td></tr>"
        for what, count in sorted(report.fired.items())
    )
    frames = "".join(
        f"<tr><th>{name}</th><td>{count}</td><td>{report.bytes[name]}</td></tr>"
        for name, count in report.frames.items()
    )
    views = [(sample.at_ms, sample.view) for sample in report.timeline]
    skipped = [(sample.at_ms, sample.nullified_in_row) for sample in report.timeline]
    heights = [
        (colour_of(i), [(sample.at_ms, sample.heights[i]) for sample in report.timeline])
        for i in range(len(report.labels))
    ]
    return page(
        f"Simulation, seed {report.seed}",
        f"""<table>{rows}</table>
<h2>Commit latency (transactions by virtual ms)</h2>{_histogram(report.latencies_ms)}
<h2>Final height of each machine over time</h2>{legend(report.labels)}{lines(heights)}
<h2>Current view of its epoch over time</h2>{lines([("#555555", views)])}
<h2>Views skipped in a row (timeouts) over time</h2>{lines([("#b3261e", skipped)])}
<h2>Last messages of the consensus</h2>
{sequence_svg(consensus_events(report.tail)[-SEQUENCE_EVENTS:])}
<h2>Frames and bytes</h2><table>{frames}</table>
<h2>What fired</h2><table>{fired}</table>""",
    )


def page(title: str, body: str) -> str:
    """A whole page that needs nothing from elsewhere."""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; color: #222 }}
table {{ border-collapse: collapse; margin: .5rem 0 1.5rem }}
th {{ text-align: left; font-weight: 500; padding: .15rem 1.2rem .15rem 0; vertical-align: top }}
td {{ padding: .15rem 1rem .15rem 0; font-variant-numeric: tabular-nums }}
h2 {{ font-size: 1.1rem; margin-top: 2rem }} svg {{ max-width: 100%; height: auto }}
</style>
<h1>{html.escape(title)}</h1>{body}</html>
"""


def colour_of(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def legend(labels: Sequence[str]) -> str:
    """Names in the colours of their curves."""
    return " ".join(
        f'<span style="color:{colour_of(i)}">{html.escape(label)}</span>'
        for i, label in enumerate(labels)
    )


def _histogram(values: Sequence[int]) -> str:
    """Bars of equal width over the range from 0 to the 99.5th percentile."""
    if not values:
        return "<p>Nothing became final.</p>"
    top = max(10, percentile(values, 9_950))
    bins = [0] * 40
    for value in values:
        bins[min(39, value * 40 // (top + 1))] += 1
    peak = max(bins)
    bars = "".join(
        f'<rect x="{40 + i * 18}" y="{170 - count * 150 / peak:.1f}" width="16" '
        f'height="{count * 150 / peak:.1f}" fill="#1f5fa8"/>'
        for i, count in enumerate(bins)
    )
    return (
        f'<svg viewBox="0 0 800 200" role="img">{bars}'
        f'<text x="40" y="190" font-size="12">0</text>'
        f'<text x="760" y="190" font-size="12" text-anchor="end">{top} ms</text>'
        f'<text x="36" y="24" font-size="12" text-anchor="end">{peak}</text></svg>'
    )


def lines(series: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> str:
    """Several curves with common axes."""
    points = [point for _, curve in series for point in curve]
    if not points:
        return "<p>Too short to plot.</p>"
    right = max(1, max(x for x, _ in points))
    top = max(1, max(y for _, y in points))
    curves = ""
    for colour, curve in series:
        path = " ".join(f"{40 + x * 720 / right:.1f},{170 - y * 150 / top:.1f}" for x, y in curve)
        curves += f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    return (
        f'<svg viewBox="0 0 800 200" role="img">{curves}'
        f'<text x="40" y="190" font-size="12">0</text>'
        f'<text x="760" y="190" font-size="12" text-anchor="end">{right / 1_000:.0f} s</text>'
        f'<text x="36" y="24" font-size="12" text-anchor="end">{top}</text></svg>'
    )

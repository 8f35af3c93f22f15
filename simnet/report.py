"""Reports of runs: text for people, JSON for machines, one HTML page with plots for both."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from simnet.trace import Event
from simnet.world import Report

SEQUENCE_EVENTS = 60


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
    views = [(at, view) for at, _, view, _ in report.timeline]
    heights = [(at, height) for at, height, _, _ in report.timeline]
    skipped = [(at, row) for at, _, _, row in report.timeline]
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Simulation, seed {report.seed}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; color: #222 }}
table {{ border-collapse: collapse; margin: .5rem 0 1.5rem }}
th {{ text-align: left; font-weight: 500; padding: .15rem 1.2rem .15rem 0; vertical-align: top }}
td {{ padding: .15rem 1rem .15rem 0; font-variant-numeric: tabular-nums }}
h2 {{ font-size: 1.1rem; margin-top: 2rem }} svg {{ max-width: 100%; height: auto }}
</style>
<h1>Simulation, seed {report.seed}</h1><table>{rows}</table>
<h2>Commit latency (transactions by virtual ms)</h2>{_histogram(report.latencies_ms)}
<h2>Final height (blue) and current view of its epoch (grey) over time</h2>
{_lines([("#1f5fa8", heights), ("#999999", views)])}
<h2>Skipped views in a row (timeouts) over time</h2>{_lines([("#b3261e", skipped)])}
<h2>Last messages</h2>{sequence_svg(report.tail[-SEQUENCE_EVENTS:])}
<h2>Frames and bytes</h2><table>{frames}</table>
<h2>What fired</h2><table>{fired}</table></html>
"""


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


def _lines(series: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> str:
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


def sequence_svg(events: Sequence[Event]) -> str:
    """A message-sequence chart: one column a machine, time downwards."""
    names = sorted({n for e in events for n in (e.source, e.target) if n})
    if not names:
        return "<p>No events were kept.</p>"
    step = max(70, min(160, 700 // len(names)))
    x = {name: 90 + step * i for i, name in enumerate(names)}
    bottom = 40 + 18 * len(events)
    width = max(x.values()) + 330
    parts = [
        f'<text x="{place}" y="16" font-size="12" text-anchor="middle">{html.escape(name)}</text>'
        f'<line x1="{place}" y1="22" x2="{place}" y2="{bottom}" stroke="#cccccc"/>'
        for name, place in x.items()
    ]
    for row, event in enumerate(events):
        y = 36 + 18 * row
        text = html.escape(f"{event.kind} {event.detail}"[:60])
        parts.append(f'<text x="4" y="{y + 4}" font-size="10">{event.at_ms / 1_000:.3f}</text>')
        if event.source and event.target:
            a, b = x[event.source], x[event.target]
            tip = 6 if b < a else -6
            parts.append(
                f'<line x1="{a}" y1="{y}" x2="{b}" y2="{y}" stroke="#1f5fa8"/>'
                f'<path d="M{b} {y} l{tip} -3 v6 z" fill="#1f5fa8"/>'
            )
        elif event.source:
            parts.append(f'<circle cx="{x[event.source]}" cy="{y}" r="4" fill="#b3261e"/>')
        place = max(x.values()) + 14
        parts.append(f'<text x="{place}" y="{y + 4}" font-size="10">{text}</text>')
    body = "".join(parts)
    return f'<svg viewBox="0 0 {width} {bottom}" width="{width}" role="img">{body}</svg>'

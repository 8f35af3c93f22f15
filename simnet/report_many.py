"""Reports of many runs: what a campaign covered, and how costs grow with the validators."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from simnet.campaign import Coverage
from simnet.report import colour_of, legend, page

Rows = Sequence[tuple[str, str, int]]


def campaign_json(coverage: Coverage, rows: Rows) -> dict[str, Any]:
    return {
        "seeds": len(coverage.seeds),
        "failed": coverage.failed,
        "blocks": coverage.blocks,
        "transactions": coverage.transactions,
        "virtual_s": round(coverage.virtual_s),
        "cpu_s": round(coverage.cpu_s),
        "wall_s": round(coverage.wall_s),
        "worst_recovery_views": coverage.worst_recovery_views,
        "coverage": {f"{group} {name}": count for group, name, count in rows},
    }


def campaign_summary(coverage: Coverage) -> list[tuple[str, str]]:
    return [
        ("seeds", f"{len(coverage.seeds):,}, {len(coverage.failed)} failed, none left out"),
        ("blocks", f"{coverage.blocks:,}"),
        ("transactions final", f"{coverage.transactions:,}"),
        ("virtual time", f"{coverage.virtual_s:,.0f} s"),
        ("real time", f"{coverage.wall_s:,.0f} s ({coverage.cpu_s:,.0f} s of one core)"),
        ("worst recovery", f"{coverage.worst_recovery_views} views after the faults stopped"),
    ]


def campaign_html(coverage: Coverage, rows: Rows) -> str:
    facts = "".join(
        f"<tr><th>{what}</th><td>{html.escape(value)}</td></tr>"
        for what, value in campaign_summary(coverage)
    )
    failures = "".join(
        f"<tr><th>seed {seed}</th><td>{html.escape(violation)}</td></tr>"
        for seed, violation in coverage.failed
    )
    top = math.log1p(max((count for _, _, count in rows), default=1) or 1)
    bars = "".join(
        f"<tr><td>{group}</td><th>{html.escape(name)}</th><td>{count:,}</td>"
        f'<td><svg width="300" height="10"><rect width="{300 * math.log1p(count) / top:.0f}" '
        f'height="10" fill="{colour_of(0)}"/></svg></td></tr>'
        for group, name, count in rows
    )
    return page(
        "Campaign",
        f"<table>{facts}</table>{failures and f'<table>{failures}</table>'}"
        f"<h2>How often everything happened (bars: logarithm)</h2><table>{bars}</table>",
    )


def scale_html(rows: Sequence[Mapping[str, Any]], laws: Mapping[str, float]) -> str:
    """Messages and bytes of a block, and latency, against the number of validators."""
    names = list(rows[0]) if rows else []
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{row[name]:,}</td>" for name in names) + "</tr>" for row in rows
    )
    plots = "".join(
        f"<h2>{what.replace('_', ' ')}: n^{exponent:.2f}</h2>"
        + log_plot([(row["nodes"], row[what]) for row in rows])
        for what, exponent in laws.items()
    )
    names_of = ("p50", "p99")
    curves = [[(row["nodes"], row[f"{name}_ms"]) for row in rows] for name in names_of]
    latency = f"<h2>Commit latency, {legend(names_of)} (ms)</h2>{log_plot(*curves)}"
    return page("Growth with validators", f"<table><tr>{head}</tr>{body}</table>{plots}{latency}")


def log_plot(*curves: Sequence[tuple[int, int]]) -> str:
    """Curves over two logarithmic axes, on which a power law is a straight line."""
    points = [(math.log(x), math.log(max(1, y))) for curve in curves for x, y in curve]
    if len(points) < 2:
        return "<p>Too few sizes to plot.</p>"
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    wide, tall = max(1e-9, right - left), max(1e-9, high - low)
    parts = []
    for i, curve in enumerate(curves):
        places = [
            (70 + (math.log(x) - left) * 640 / wide, 165 - (math.log(max(1, y)) - low) * 140 / tall)
            for x, y in curve
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour_of(i)}"/>')
        for (x, y), (size, value) in zip(places, curve, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour_of(i)}"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{y - 7:.1f}" font-size="11" '
                f'text-anchor="middle">{value:,}</text>'
                f'<text x="{x:.1f}" y="190" font-size="11" text-anchor="middle">{size}</text>'
            )
    return f'<svg viewBox="0 0 800 200" role="img">{"".join(parts)}</svg>'

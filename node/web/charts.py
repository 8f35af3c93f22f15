"""Small plots as SVG, drawn on the server: no script is needed to read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 600, 120
_BOTTOM = HEIGHT - 18


def bars(
    values: Sequence[float], label: str, low: str, high: str, top: str, usual: float | None = None
) -> Markup:
    """Bars, the oldest left. `label` is for screen readers; `low`, `high`, `top` name the axes.

    With `usual` a broken line says what is usual, and the bars above it stand out.
    """
    most = max([*values, usual or 0.0]) or 1.0
    step = WIDTH / max(len(values), 1)
    shapes = [
        f'<rect class="{"within" if usual is None or value <= usual else "beyond"}" '
        f'x="{index * step:.1f}" y="{_BOTTOM - tall:.1f}" width="{max(step - 1, 1):.1f}" '
        f'height="{tall:.1f}"/>'
        for index, value in enumerate(values)
        if (tall := (_BOTTOM - 16) * value / most) > 0
    ]
    if usual is not None:
        y = _BOTTOM - (_BOTTOM - 16) * max(usual, 0.0) / most
        shapes.append(f'<line class="usual" x1="0" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}"/>')
    return _plot("bars", "".join(shapes), label, low, high, top)


def pair(value: float, usual: float, label: str) -> Markup:
    """A value as a bar above a thinner one that says what is usual."""
    most = max(value, usual, 0.0) or 1.0
    wide, normal = (WIDTH * max(each, 0.0) / most for each in (value, usual))
    beyond = ' class="beyond"' if value > usual else ""
    return Markup(
        f'<svg class="against" viewBox="0 0 {WIDTH} 20" role="img" aria-label="{escape(label)}" '
        f'preserveAspectRatio="none"><rect{beyond} width="{wide:.1f}" height="12"/>'
        f'<rect class="usual" y="14" width="{max(normal, 2):.1f}" height="5"/></svg>'
    )


def line(values: Sequence[float | None], label: str, low: str, high: str, top: str) -> Markup:
    """A line with gaps where a value is None."""
    known = [value for value in values if value is not None]
    most = max([*known, 0.0]) or 1.0
    step = WIDTH / max(len(values) - 1, 1)
    path, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        place = f"{index * step:.1f} {_BOTTOM - (_BOTTOM - 16) * value / most:.1f}"
        path.append(f"{pen}{place}" + ("h0" if pen == "M" else ""))  # a value alone is a dot
        pen = "L"
    return _plot("line", f'<path d="{"".join(path)}"/>', label, low, high, top)


def ranks(rows: Sequence[tuple[str, int, str]], label: str) -> Markup:
    """Bars with names, the longest first; each is (name, count, the count in words)."""
    most = max(count for _, count, _ in rows)
    parts = [
        f'<text x="0" y="{24 * at + 11}">{escape(name)}</text>'
        f'<text class="count" x="{WIDTH // 2}" y="{24 * at + 11}">{escape(words)}</text>'
        f'<rect x="0" y="{24 * at + 15}" width="{WIDTH / 2 * count / most:.1f}" height="4"/>'
        for at, (name, count, words) in enumerate(rows)
    ]
    return Markup(
        f'<svg class="ranks" viewBox="0 0 {WIDTH // 2} {24 * len(rows)}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _plot(kind: str, shapes: str, label: str, low: str, high: str, top: str) -> Markup:
    return Markup(
        f'<svg class="plot {kind}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}" preserveAspectRatio="none">'
        f'<line class="axis" x1="0" y1="{_BOTTOM}" x2="{WIDTH}" y2="{_BOTTOM}"/>'
        f"{shapes}</svg>"
        f'<div class="axis-names" aria-hidden="true"><span>{escape(low)}</span>'
        f"<span>{escape(top)}</span><span>{escape(high)}</span></div>"
    )


def ring(names: Sequence[tuple[str, str, bool]], centre: str, label: str) -> Markup:
    """A node in the middle of the others; each is (name, note, connected)."""
    half, reach, low = 150, 100, 118
    parts, texts = [], []
    for index, (name, note, connected) in enumerate(names):
        angle = 2 * math.pi * index / max(len(names), 1) - math.pi / 2
        x, y = half + reach * math.cos(angle), low + 0.78 * reach * math.sin(angle)
        state = "up" if connected else "down"
        parts.append(f'<line class="{state}" x1="{half}" y1="{low}" x2="{x:.0f}" y2="{y:.0f}"/>')
        first, second = (-12, -24) if y < low else (20, 32)  # away from the line to the middle
        texts.append(
            f'<g class="{state}"><circle cx="{x:.0f}" cy="{y:.0f}" r="7"/>'
            f'<text x="{x:.0f}" y="{y + first:.0f}">{escape(name)}</text>'
            f'<text class="note" x="{x:.0f}" y="{y + second:.0f}">{escape(note)}</text></g>'
        )
    return Markup(
        f'<svg class="ring" viewBox="0 0 300 236" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}{''.join(texts)}"
        f'<g class="self"><circle cx="{half}" cy="{low}" r="10"/>'
        f'<text x="{half}" y="{low + 26}">{escape(centre)}</text></g></svg>'
    )

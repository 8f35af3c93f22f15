"""Lineage as an SVG picture: layers from left to right, without any tool."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from xml.sax.saxutils import escape, quoteattr

from node.trace.lineage import Graph, layers

BOX_WIDTH, BOX_HEIGHT = 220, 56
GAP_X, GAP_Y, MARGIN = 110, 24, 20
MAX_LETTERS = 30
STYLE = (
    ".lineage text{font:12px sans-serif;fill:#1c1c1c}.lineage .t{font-weight:600}"
    ".lineage .p{font-size:11px;fill:#555}.lineage path{fill:none;stroke:#777}"
    ".lineage marker path{fill:#777}.lineage rect{stroke:#555}.lineage .focus{stroke-width:3}"
    ".lineage .b1{fill:#e3f2e6}.lineage .b2{fill:#e6eef8}"
    ".lineage .b3{fill:#fbf0d9}.lineage .b4{fill:#f8e1e1}"
)
"""What a picture of its own brings along; in a page the page's sheet says how it looks."""


def to_svg(
    graph: Graph, link: Callable[[str, int], str] | None = None, title: str = "Lineage of {}"
) -> str:
    """Return the picture of a lineage; what was asked for has a thick border.

    For a page, `link` gives the address of a version's own lineage, and `title` is in its language.
    """
    places: dict[str, tuple[int, int]] = {}
    rows = layers(graph)
    for column, names in enumerate(rows):
        for row, name in enumerate(names):
            x = MARGIN + column * (BOX_WIDTH + GAP_X)
            places[name] = (x, MARGIN + row * (BOX_HEIGHT + GAP_Y))
    width = 2 * MARGIN + len(rows) * (BOX_WIDTH + GAP_X) - GAP_X
    height = 2 * MARGIN + max(map(len, rows), default=1) * (BOX_HEIGHT + GAP_Y) - GAP_Y
    parts = [
        f'<svg class="lineage" xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="{"group" if link else "img"}">',
        f"<title>{escape(title.format(graph.focus))}</title>",
        "" if link else f"<style>{STYLE}</style>",
        '<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
    ]
    for edge in graph.edges:
        if edge.source not in places or edge.target not in places:
            continue
        (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
        x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
        middle = (x1 + x2) // 2
        parts.append(
            f'<path d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}" marker-end="url(#a)"/>'
            f'<text class="p" x="{middle}" y="{(y1 + y2) // 2 - 5}" text-anchor="middle">'
            f"{_short(edge.process, 16)}</text>"
        )
    for name, (x, y) in places.items():
        found = graph.nodes[name]
        focus = " focus" if name == graph.focus else ""
        box = (
            f'<rect class="b{found["level"]}{focus}" x="{x}" y="{y}" width="{BOX_WIDTH}" '
            f'height="{BOX_HEIGHT}" rx="4"/>'
            f'<text class="t" x="{x + 10}" y="{y + 22}">{_short(name, MAX_LETTERS)}</text>'
            f'<text x="{x + 10}" y="{y + 42}">L{found["level"]} '
            f"{_short(found['title'], MAX_LETTERS - 4)}</text>"
        )
        if link is not None:
            box = f"<a href={quoteattr(link(found['dataset'], found['version']))}>{box}</a>"
        parts.append(box)
    return "\n".join([*parts, "</svg>", ""])


def _short(text: str, length: int) -> str:
    """The beginning of a text that is as wide as so many letters; a Chinese one counts for two."""
    width = 0
    for index, letter in enumerate(text):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > length:
            return escape(text[: index - 1] + "…")
    return escape(text)

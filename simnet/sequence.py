"""Message-sequence pictures: one column a machine, time downwards, as text and as SVG."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from simnet.trace import Event

QUIET_KINDS = frozenset(("status", "have", "want", "transactions"))
COLUMN = 7


def consensus_events(events: Sequence[Event]) -> list[Event]:
    """Leave out what says nothing of votes and blocks."""
    return [event for event in events if event.kind not in QUIET_KINDS]


def _columns(events: Sequence[Event]) -> list[str]:
    return sorted({n for e in events for n in (e.source, e.target) if n})


def sequence_text(events: Sequence[Event]) -> Iterator[str]:
    """Lines of a picture for a terminal: a message is an arrow from column to column."""
    names = _columns(events)
    yield " " * 10 + "".join(name[:COLUMN].center(COLUMN) for name in names)
    for event in events:
        row = list("   |   " * len(names))
        places = [COLUMN * names.index(n) + 3 for n in (event.source, event.target) if n]
        if len(places) == 2:
            low, high = sorted(places)
            row[low + 1 : high] = "-" * (high - low - 1)
            row[places[1]] = ">" if places[1] > places[0] else "<"
        elif places:
            row[places[0]] = "*"
        yield f"{event.at_ms / 1_000:9.3f} {''.join(row)} {event.kind} {event.detail}".rstrip()


def sequence_svg(events: Sequence[Event]) -> str:
    """A message-sequence chart: one column a machine, time downwards."""
    names = _columns(events)
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

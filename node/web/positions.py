"""Where something stands in a JSON text, so that an error can name the line."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]|[^\s"\[\]{},:]+')


def line_of(text: str, path: str) -> int | None:
    """The line, from 1, of what `path` (`bases[0].level`) names in a valid JSON text, or None."""
    outer: list[tuple[str, int | None]] = []  # of each map or array around: its path, and the place
    here, is_key = "", False
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "}" | "]":
                outer.pop()
                is_key = False
            case ":":
                is_key = False
            case ",":
                around, place = outer[-1]
                is_key = place is None
                if place is not None:
                    outer[-1] = around, place + 1
                    here = f"{around}[{place + 1}]"
            case word if is_key:
                around = outer[-1][0]
                here = f"{around}.{json.loads(word)}" if around else json.loads(word)
            case word:
                if here == path:
                    return text.count("\n", 0, token.start()) + 1
                if word in "{[":
                    outer.append((here, None if word == "{" else 0))
                    is_key = word == "{"
                    here = here if is_key else f"{here}[0]"
    return None

"""The sentences that the text classifier is trained from: made up, in Chinese and English.

`tables/corpus.json` holds, for each sharing level, sentences with slots for who, what and when, and
terms that go into frames without a meaning of their own. Everything follows from the seed; nobody
in it exists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from random import Random

SEED, SENTENCES = 20_261_125, 12_000
SHARES = (5, 3, 3, 3)
"""How often sentences of each level are: most of what is written is public."""
HELD_OUT = 4
"""Every so many sentences and terms, one is kept from training to measure with."""


def sentences(
    count: int = SENTENCES, held: bool | None = None, seed: int = SEED
) -> Iterator[tuple[str, int]]:
    """Yield (sentence, level), from what is held out, from what is not, or from all."""
    table = json.loads((files("node.data") / "tables" / "corpus.json").read_text(encoding="utf-8"))
    random = Random(seed)

    def some(rows: list[str]) -> list[str]:
        return [r for i, r in enumerate(rows) if held is None or (i % HELD_OUT == 0) == held]

    told = {(k, int(n)): some(rows) for k in ("zh", "en") for n, rows in table[k].items()}
    terms = {(k, int(n)): some(rows) for k in ("zh", "en") for n, rows in table["terms"][k].items()}
    for _ in range(count):
        (level,) = random.choices((1, 2, 3, 4), SHARES)
        language = "en" if random.random() < 0.3 else "zh"
        slots = {**table["slots"], "t": terms[language, level]}
        framed = random.random() < 0.5
        chosen = random.choice(table["frames"][language] if framed else told[language, level])
        text = chosen
        while match := re.search(r"\{(\w+)\}", text):
            text = text[: match.start()] + random.choice(slots[match[1]]) + text[match.end() :]
        yield text, level

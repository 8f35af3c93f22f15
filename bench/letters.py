"""Made-up letters and notes whose sensitivity lies in what they tell, not in identifiers.

They measure the trained text classifier, so they share no sentence with the corpus that it is
trained from (`node/data/corpus.py`), and were written before it. A letter's level is that of the
worst thing it tells: 1 public, 2 internal to the administration, 3 about a person's affairs,
4 about health, minors, offences, hardship or whereabouts. Everything follows from the seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

TOLD = json.loads(Path(__file__).with_name("letters.json").read_text(encoding="utf-8"))


def letters(seed: int, count: int) -> Iterator[tuple[str, int]]:
    """Yield (text, level): two to five sentences of the level, often beside lower ones."""
    random = Random(seed)
    for _ in range(count):
        level = random.choice((1, 2, 3, 4))
        language = "en" if random.random() < 0.3 else "zh"
        told = TOLD[language]
        lines = random.sample(told[str(level)], random.randrange(2, 5))
        if level > 1 and random.random() < 0.5:
            lines.append(random.choice(told[str(random.randrange(1, level))]))
        lines.append(random.choice(told["plain"]))
        random.shuffle(lines)
        yield (" " if language == "en" else "").join(lines), level

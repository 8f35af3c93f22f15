"""Words that detectors go by: surnames, column names, divisions."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from node.data.rules import pack

SURNAMES = frozenset(pack()["surnames"])
DOUBLE_SURNAMES = frozenset(pack()["double_surnames"])
COLUMN_WORDS: dict[str, list[str]] = pack()["column_words"]
"""Words in a column's name; those in Latin letters match whole words in order."""
_SUFFIXES = (
    "特别行政区", "自治区", "自治州", "自治县", "自治旗", "地区",
    "省", "市", "区", "县", "旗", "盟",
)  # fmt: skip


@lru_cache(maxsize=1)
def divisions() -> frozenset[str]:
    """Return the names of provinces, cities and counties, and short forms of the first two."""
    path = files("node.data") / "tables" / "cn-divisions.json"
    found: set[str] = set()
    for province in json.loads(path.read_text(encoding="utf-8")):
        found |= _forms(province["name"])
        for city in province["children"]:
            found |= _forms(city["name"])
            found |= {county["name"] for county in city["children"] if len(county["name"]) > 2}
    return frozenset(found - {"市辖区", "县", "市辖", "省直辖县级行政区划"})


def _forms(name: str) -> set[str]:
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and len(name) - len(suffix) >= 2:
            return {name, name.removesuffix(suffix)}
    return {name}


def is_person_name(text: str) -> bool:
    """Whether text has the form of a Chinese name: a known surname, or parts joined by a dot."""
    if "·" in text or "•" in text:
        parts = text.replace("•", "·").split("·")
        return all(2 <= len(part) <= 8 and is_han(part) for part in parts)
    if not 2 <= len(text) <= 4 or not is_han(text):
        return False
    return (text[:2] in DOUBLE_SURNAMES and len(text) > 2) or (
        text[0] in SURNAMES and len(text) < 4
    )


def is_han(text: str) -> bool:
    """Whether every character is a Chinese one."""
    return all("一" <= char <= "鿿" or "㐀" <= char <= "䶿" for char in text)

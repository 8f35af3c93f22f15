"""Finding sensitive things in text: one scan for identifiers, one for what Chinese writes.

The interface is Presidio's (github.com/microsoft/presidio): an engine that analyses text into
results with `entity_type`, `start`, `end` and `score`. Patterns run in RE2: linear time whatever
the text, and its `\\b` would not help, since Chinese is written without spaces; what stands beside
a match is looked at instead. Whoever imports this runs in a worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import re2

from node.data import english, identifiers
from node.data.lexicon import (
    DOUBLE_SURNAMES,
    SURNAMES,
    divisions,
    is_han,
)
from node.data.rules import pack

MAX_RUN = 256
MAX_BEFORE_STREET = 40
_PLATE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_CODE = "0-9A-HJ-NPQRTUWXY"


@dataclass(frozen=True, slots=True)
class RecognizerResult:
    """A finding: code points `start` to `end`, and how sure (0 to 1)."""

    entity_type: str
    start: int
    end: int
    score: float


def _is_any(text: str) -> bool:
    return True


def _is_mobile(text: str) -> bool:
    digits = "".join(filter(str.isdigit, text))
    return len(digits) == 11 or digits.startswith("86")


def _is_phone_abroad(text: str) -> bool:
    return 8 <= sum(map(str.isdigit, text)) <= 15


def _is_ip(text: str) -> bool:
    return identifiers.is_ip(text) and text not in ("0.0.0.0", "127.0.0.1")


def _is_ssn(text: str) -> bool:
    from stdnum.us import ssn

    return bool(ssn.is_valid(text))


_KINDS: tuple[tuple[str, str, Callable[[str], bool], float], ...] = (
    ("CN_RESIDENT_ID", r"[1-9]\d{16}[0-9Xx]", identifiers.is_resident_id, 1.0),
    ("CN_CREDIT_CODE", rf"[0-9AYN][0-9]\d{{6}}[{_CODE}]{{10}}", identifiers.is_credit_code, 1.0),
    ("CREDIT_CARD", r"\d{13,19}", identifiers.is_bank_card, 0.9),
    ("CREDIT_CARD", r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,4}(?:[ -]\d{1,3})?",
     identifiers.is_bank_card, 1.0),
    ("PHONE_NUMBER", r"(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}", _is_mobile, 0.9),
    ("PHONE_NUMBER", r"\(?0[1-9]\d{1,2}\)?[ -]?[2-9]\d{2,3}[ -]?\d{4}(?:-\d{1,5})?", _is_any, 0.7),
    ("PHONE_NUMBER", r"[48]00-\d{3}-?\d{4}|[48]00\d{7}", _is_any, 0.7),
    ("US_SSN", r"\d{3}-\d{2}-\d{4}", _is_ssn, 0.9),
    ("PHONE_NUMBER", r"(?:\+?1[ .-]?)?\(?[2-9]\d{2}\)?[ .-]?[2-9]\d{2}[ .-]\d{4}(?:x\d{1,5})?",
     _is_any, 0.7),
    ("PHONE_NUMBER", r"\+[1-9]\d{0,2}[ (.-]{0,2}\d[\d ().-]{5,16}\d", _is_phone_abroad, 0.8),
    ("PHONE_NUMBER", r"00\d{1,3}(?:[ -]\d{2,4}){2,4}(?:x\d{1,5})?", _is_phone_abroad, 0.8),
    ("PHONE_NUMBER", r"\(?\d{2,3}\)?(?:[ -]\d{2,4}){2,4}", _is_phone_abroad, 0.4),
    ("IP_ADDRESS", r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", _is_ip, 0.9),
    ("MAC_ADDRESS", r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}", _is_any, 0.95),
    ("IP_ADDRESS", r"(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,6}", _is_ip, 0.9),
    ("TAX_NUMBER", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]",
     identifiers.is_tax_number, 1.0),
    ("COORDINATES", r"-?\d{1,3}\.\d{4,10} ?[,，] ?-?\d{1,3}\.\d{4,10}", _is_any, 0.8),
    ("IBAN_CODE", r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?",
     identifiers.is_iban, 1.0),
    ("CN_LICENSE_PLATE", rf"[{_PLATE}][A-HJ-Z][·. ]?[A-HJ-NP-Z0-9]{{4,5}}[A-HJ-NP-Z0-9挂学警港澳]",
     lambda text: any(map(str.isdigit, text)), 0.95),
    ("CN_PASSPORT", r"(?:[EGDSP]\d|E[A-HJ-NP-Z])\d{7}", _is_any, 0.5),
    ("CN_TRAVEL_PERMIT", r"[CHM]\d{8}(?:\d{2})?|[CW][A-HJ-NP-Z]\d{7}", _is_any, 0.5),
    ("TAX_NUMBER", r"\d{8}[A-HJ-NP-TV-Z]|\d{11}", identifiers.is_tax_number, 0.5),
    ("US_DRIVER_LICENSE", r"\d{9}", _is_any, 0.4),
)  # fmt: skip
MAX_WHOLE = 64
_WHOLE = [
    # On so short a text backtracking is bounded, and quicker than a call of RE2.
    (name, re.compile(p, re.ASCII).fullmatch, fits, score)
    for name, p, fits, score in _KINDS
]
_LONG_ID = r"\d{14,}[0-9Xx]?"
_OPTIONS = re2.Options()
_OPTIONS.max_mem = 64 << 20
_SCAN = re2.compile(
    "|".join(f"(?:{p})" for p in (_LONG_ID, *(kind[1] for kind in _KINDS[1:]))), _OPTIONS
)
_EMAIL = re2.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}")
_WORDS = "|".join(pack()["before_names"])
_NAMED = re2.compile(
    rf"(?:{_WORDS})(?:名称|姓名)?[为是]?[:： ]{{0,2}}"
    rf"(\p{{Han}}{{2,8}}[·•]\p{{Han}}{{2,8}}|\p{{Han}}{{2,4}})|{'|'.join(pack()['health_words'])}"
)
_STREET = re2.compile(
    r"[路街道巷弄同村镇苑组][0-9]{1,5}号"
    r"(?:[0-9A-Za-z\p{Han}-]{0,24}(?:室|栋|单元|楼|层|幢))?[0-9]{0,5}(?:室)?"
)
_OLD = 0.65
UNSURE = 0.5
"""At this score and below, a word before the match must say what it is."""
_HINTS: dict[str, list[str]] = pack()["hints"]
_DIGITS = "0123456789"
_STOPS = frozenset("的在于与和及或已未为是对将向从等所有到说，。、；：")


def whole(text: str) -> tuple[str, float] | None:
    """Return what kind of identifier the whole text is, if any."""
    if len(text) > 12 and text[:-1].isdigit() and text.isascii():
        return _number(text)
    if len(text) == 11 and text[0] == "1" and text[1] in "3456789" and text.isdigit():
        return "PHONE_NUMBER", 0.9
    if len(text) > MAX_WHOLE:
        return ("EMAIL_ADDRESS", 1.0) if "@" in text and _EMAIL.fullmatch(text) else None
    for name, matches, fits, score in _WHOLE:
        if matches(text) and fits(text):
            return name, score
    if "@" in text and _EMAIL.fullmatch(text):
        return "EMAIL_ADDRESS", 1.0
    return None


def _number(text: str) -> tuple[str, float] | None:
    """What a long number is, which may end with a letter: the common case, without patterns."""
    if identifiers.is_residence_permit(text):
        return "CN_RESIDENCE_PERMIT", 1.0
    if identifiers.is_resident_id(text):
        return "CN_RESIDENT_ID", 1.0 if len(text) == 18 else _OLD
    if identifiers.is_credit_code(text):
        return "CN_CREDIT_CODE", 1.0
    if len(text) == 13 and text[:2] == "86" and text[2] == "1" and text[3] > "2":
        return "PHONE_NUMBER", 0.9
    if identifiers.is_bank_card(text):
        return "CREDIT_CARD", 0.9
    if len(text) == 15 and identifiers.is_tax_number(text):
        return "TAX_NUMBER", UNSURE
    return None


class AnalyzerEngine:
    """Finds entities in text."""

    def analyze(
        self, text: str, language: str = "zh", entities: Iterable[str] | None = None
    ) -> list[RecognizerResult]:
        """Return findings in order, none overlapping; only of `entities`, if they are given."""
        found = list(_identifiers(text))
        if "@" in text:
            found += [
                RecognizerResult("EMAIL_ADDRESS", m.start(), m.end(), 1.0)
                for m in _EMAIL.finditer(text)
            ]
        if english.CAPITAL.search(text):
            found += [RecognizerResult(*each) for each in english.find(text)]
        if not text.isascii():
            found += _chinese(text)
        wanted = None if entities is None else frozenset(entities)
        return [each for each in _disjoint(found) if wanted is None or each.entity_type in wanted]


def _identifiers(text: str) -> Iterator[RecognizerResult]:
    for match in _SCAN.finditer(text):
        start, end = match.span()
        if _touches(text, start, end):
            continue
        part = text[start:end]
        kind = whole(part)
        if kind is not None:
            name, score = kind
            if score <= UNSURE and not _hinted(text, start, name):
                continue
            if score == _OLD and _is_letter(text[start - 1 : start] + text[end : end + 1]):
                continue  # the old identity numbers have no check digit: this is part of a code
            yield RecognizerResult(name, start, end, score)
        elif part[:15].isdigit():
            yield from _inside(part, start)


def _touches(text: str, start: int, end: int) -> bool:
    """Whether the match goes on beyond its ends: part of a longer number is no number."""
    before, after = text[start - 1 : start], text[end : end + 1]
    goes_on = after in _DIGITS or (after == "." and text[end + 1 : end + 2].isdigit())
    if after and goes_on and text[end - 1] in _DIGITS:
        return True
    if not before or not before.isascii():
        return False
    # `1.23` continues a decimal; a letter continues a code that begins or ends with letters.
    if text[start] in _DIGITS:
        return before in _DIGITS or before == "."
    return before.isalpha() and text[start].isalpha()


def _is_letter(text: str) -> bool:
    return any(char.isascii() and char.isalpha() for char in text)


def _hinted(text: str, start: int, name: str) -> bool:
    return any(word in text[max(0, start - 24) : start] for word in _HINTS[name])


def _inside(run: str, offset: int) -> Iterator[RecognizerResult]:
    """Identity numbers in a longer run of digits, and mobile numbers that touch them."""
    place = 0
    run = run[:MAX_RUN]
    while place + 18 <= len(run):
        part = run[place : place + 18]
        if len(run) > 18 and identifiers.is_resident_id(part):
            yield RecognizerResult("CN_RESIDENT_ID", offset + place, offset + place + 18, 0.8)
            place += 18
            tail = run[place : place + 11]
            if len(run) - place == 11 and tail[0] == "1" and tail[1] in "3456789":
                yield RecognizerResult("PHONE_NUMBER", offset + place, offset + place + 11, 0.8)
        else:
            place += 1


def _chinese(text: str) -> Iterator[RecognizerResult]:
    for match in _NAMED.finditer(text):
        start, end = match.span(1)
        if start < 0:
            yield RecognizerResult("HEALTH", match.start(), match.end(), 0.6)
        elif size := _name_length(text[start:end]):
            yield RecognizerResult("PERSON", start, start + size, 0.85)
    if "号" in text:
        for match in _STREET.finditer(text):
            start = _address_start(text, match.start())
            if start < match.start() - 1:
                yield RecognizerResult("ADDRESS", start, match.end(), 0.85)


def _name_length(text: str) -> int:
    """How many of the characters after a word like `contact:` are a name."""
    if "·" in text or "•" in text:
        return len(text)
    surname = 2 if text[:2] in DOUBLE_SURNAMES else 1
    if surname == 1 and text[0] not in SURNAMES:
        return 0
    given = 0
    for char in text[surname : surname + 2]:
        if char in _STOPS:
            break
        given += 1
    return surname + given if given else 0


def _address_start(text: str, street: int) -> int:
    """Where an address begins whose street's name ends at `street`.

    At the first administrative division in the Chinese characters before it, or at their start.
    """
    known = divisions()
    first = street
    while first > max(0, street - MAX_BEFORE_STREET) and is_han(text[first - 1]):
        first -= 1
    for start in range(first, street):
        if any(text[start : start + size] in known for size in range(11, 1, -1)):
            return start
    return first


_START = attrgetter("start")


def _disjoint(found: list[RecognizerResult]) -> list[RecognizerResult]:
    """Keep the surer of findings that overlap, then the longer."""
    found.sort(key=_START)
    if all(a.end <= b.start for a, b in pairwise(found)):
        return found
    kept: list[RecognizerResult] = []
    for each in sorted(found, key=lambda r: (r.start, -r.score, r.start - r.end)):
        if kept and each.start < kept[-1].end:
            last = kept[-1]
            if (each.score, each.end - each.start) > (last.score, last.end - last.start):
                kept[-1] = each
        else:
            kept.append(each)
    return kept

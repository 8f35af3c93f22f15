"""Names, places and addresses in English text: what announces them, and a list of each.

`tables/english.json` has the given names and the commonest surnames of the US census of 1990, names
of places with 100,000 people (GeoNames), countries, states, and words that are also names and so
tell nothing alone. A name or a place that only a list knows counts as unsure. Names of other
peoples are found where something announces them or a listed name stands beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import re2

Found = tuple[str, int, int, float]
"""Entity, first and last code point, and how sure."""
LISTED = 0.5
MAX_WORDS = 4
MAX_NAME, MAX_ADDRESS = 60, 200
_WORD = r"[A-ZÀ-ÖØ-Þ](?:\.|(?:[A-Za-zß-öø-ɏ]|['’-][A-Za-zß-öø-ɏ])*)"
_PARTS = r"(?:de|da|di|del|la|van|von|der|bin|al) "
_RUN = re.compile(rf"{_WORD}(?: (?:{_PARTS}){{0,2}}{_WORD})*")
_TOKEN = re.compile(_WORD)
CAPITAL = re.compile("[A-Z][a-zß-ſ.]")
"""What every name in English has."""
_NAME = r"([A-ZÀ-Þ][a-zß-ſ'’]+(?:[ -][A-ZÀ-Þ][A-Za-zÀ-ſ'’]*\.?){0,3})"
_NAME_OF_TWO = r"([A-ZÀ-Þ][a-zß-ſ'’]+(?:[ -][A-ZÀ-Þ][A-Za-zÀ-ſ'’]*\.?){1,3})"
_PLACE = r"[A-ZÀ-Þ][A-Za-zÀ-ſ'’-]+(?: [A-ZÀ-Þ][A-Za-zÀ-ſ'’-]+){0,2}"
_STREETS = (
    "St|Street|Ave|Avenue|Rd|Road|Blvd|Boulevard|Lane|Ln|Dr|Drive|Court|Ct|Way|Place|Pl|Square|Sq|"
    "Building|Terrace|Ter|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Trail|Alley|Loop|Row|Crescent|Close"
)
_NO_NAMES = frozenset(
    f"{_STREETS}|Inc|Ltd|LLC|Corp|Corporation|Company|Co|Bank|University|College|School|Institute|"
    "Hospital|Clinic|Church|Department|Ministry|Office|Agency|Association|Council|Committee|Court|"
    "County|City|Beach|Park|Island|Islands|River|Lake|Valley|Airport|Station|Center|Centre|Hotel|"
    "Group|Services|Systems|Foundation|Society|Act|Day|Award|Prize|Street's|Bay|Mountain|Bridge|"
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|I|I'm|I've|I'll|I'd".split("|")
)
_PRONOUNS = frozenset(
    ("He", "She", "It", "This", "That", "They", "Who", "One", "Somebody", "Someone")
)
_IN = re.compile(r"(?:\b[Ii]n|[Ff]rom|\b[Aa]t|[Nn]ear|\b[Tt]o|[Vv]isit|[Oo]f) $")


@dataclass(frozen=True, slots=True)
class Lists:
    """Names, and of them those that are no other words; places, and the words they begin with."""

    given: frozenset[str]
    clear_given: frozenset[str]
    surnames: frozenset[str]
    clear_surnames: frozenset[str]
    words: frozenset[str]
    places: frozenset[str]
    first_words: frozenset[str]
    alone: frozenset[str]
    """Every word that is something by itself, and ..."""
    together: frozenset[str]
    """... that may be, with others beside it."""
    states: str


@lru_cache(maxsize=1)
def lists() -> Lists:
    table = json.loads((files("node.data") / "tables" / "english.json").read_text(encoding="utf-8"))
    given, surnames, words = (
        frozenset(table[key].split()) for key in ("given", "surnames", "words")
    )
    places = frozenset(table["places"].split("|"))
    first_words = frozenset(place.split(" ")[0] for place in places)
    return Lists(
        given,
        given - words,
        surnames,
        surnames - words,
        words,
        places,
        first_words,
        (given | surnames) - words | {place for place in places if " " not in place},
        given | surnames | first_words,
        table["states"].replace(" ", "|"),
    )


_KINDS = ("PERSON",) * 4 + ("ADDRESS", "ADDRESS", "LOCATION", "LOCATION")
_SURE = (0.6, 0.6, 0.6, 0.6, 0.7, 0.6, 0.55, LISTED)
_PHRASES = re2.compile(
    r"\b(?:[Mm]rs?|[Mm]s|[Mm]iss|[Dd]r|[Pp]rof|Sir|Madam|Lady|Senator|Judge|Captain|Detective|"
    rf"Professor)\.? {_NAME}"
    r"|\b(?:[Nn]ame is|[Nn]ame:|called|calls? me|[Dd]ear|[Ss]igned|[Pp]atient|[Aa]pplicant|"
    rf"[Tt]enant|[Ee]mployee|[Cc]ontact person|under the name of|[Ss]incerely,?|[Rr]egards,?):?\s"
    rf"{_NAME}"
    rf"|\b(?:I am|I['’]m|[Tt]his is|[Mm]eet|named|married|by) {_NAME_OF_TWO}"
    rf"|{_NAME} (?:lives (?:at|on|in)|was born|is a \d+ year)"
    r"|(\b\d{1,6}[A-Z]? (?:[NSEW]\.? )?(?:[A-Z0-9][A-Za-z0-9'’]+ ){1,4}"
    rf"(?:{_STREETS})\b\.?"
    r"(?:,? (?:Apt|Suite|Ste|Unit|Apartment|#)\.? ?[A-Za-z0-9]{1,6})?"
    r"(?:,? (?:[A-Z][A-Za-z]+ ?){1,4},? [A-Z]{2} \d{5}(?:-\d{4})?)?"
    r"|\b(?:P\. ?O\. ?|PO |P\.O )Box \d{1,6}"
    r"|\b[A-ZÄÖÜ][a-zäöüß-]{2,}(?:stra(?:ße|sse|at)|str\.|weg|gasse|platz|gatan|v[aä]gen|laan|gade|vej)"
    r" \d{1,4}[a-z]?"
    r"|\b(?:Via|Viale|Calle|Rua|Rue|Avenida|Piazza|Plaza|Ulica|ul\.)(?: d[aeiou]l{0,2}a?)? "
    r"[A-ZÀ-Þ][A-Za-zÀ-ſ'’]+(?: [A-ZÀ-Þ][A-Za-zÀ-ſ'’]+){0,2},? \d{1,4}[a-z]?"
    r"|\b\d{1,4},? [Rr]ue (?:d[aeiou]s? )?(?:la )?[A-ZÀ-Þ][A-Za-zÀ-ſ'’]+)"
    r"|(\b[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\b)"
    rf"|({_PLACE},? (?:{lists().states})\b)"
    rf"|(?:lives? in|born in|mov(?:ed|ing) to|located in|based in|resident of) ({_PLACE})"
)


def find(text: str) -> Iterator[Found]:
    """Yield findings in any order; they may overlap."""
    for match in _PHRASES.finditer(text):
        group = match.lastindex
        start, end = match.span(group)
        if text[start:end] not in _PRONOUNS:
            yield _KINDS[group - 1], start, end, _SURE[group - 1]
    known = lists()
    for match in _RUN.finditer(text):
        run, start = match[0], match.start()
        words = run.split(" ")
        if len(words) == 1:
            is_listed = run.removesuffix("'s") in known.alone
        else:
            is_listed = not known.together.isdisjoint(words)
        before = text[start - 1 : start]
        if is_listed and not (before.isalnum() or before in ("@", ".")):
            yield from _listed(text, start, run)


def is_person(text: str) -> bool:
    """Whether the whole text has the form of a name, with a listed given name or surname."""
    match = _RUN.fullmatch(text) if len(text) <= MAX_NAME else None
    words = [word.removesuffix(".") for word in _TOKEN.findall(text)] if match else []
    if not 2 <= len(words) <= MAX_WORDS or not _NO_NAMES.isdisjoint(words):
        return False
    known = lists()
    return words[0] in known.clear_given or words[-1] in known.clear_surnames


def is_address(text: str) -> bool:
    """Whether the text begins with a street and a number."""
    match = _PHRASES.match(text[:MAX_ADDRESS])
    return match is not None and match.lastindex == _KINDS.index("ADDRESS") + 1


def _listed(text: str, start: int, run: str) -> Iterator[Found]:
    """What lists know of words with capitals in a row."""
    known = lists()
    tokens = [(m.start(), m[0].removesuffix("'s").removesuffix("’s")) for m in _TOKEN.finditer(run)]
    words = [word.removesuffix(".") for _, word in tokens]
    at = 0
    while at < len(words):
        place = _place_length(words, at, known)
        person = _person_length(words, at, known, start == 0 or _begins(text, start))
        if place and person == 1 and not _IN.search(text, max(0, start - 8), start):
            place = place if place > 1 else 0
        kind, size = ("PERSON", person) if person > place else ("LOCATION", place)
        if size:
            offset, last = tokens[at + size - 1]
            yield kind, start + tokens[at][0], start + offset + len(last), LISTED
        at += size or 1


def _begins(text: str, start: int) -> bool:
    """Whether a sentence begins here, where every word has a capital."""
    return text[start - 1] == "\n" or text[max(0, start - 2) : start - 1] in (".", "!", "?", ":")


def _place_length(words: list[str], at: int, known: Lists) -> int:
    if words[at] not in known.first_words:
        return 0
    for size in range(min(MAX_WORDS, len(words) - at), 0, -1):
        if " ".join(words[at : at + size]) in known.places:
            return size
    return 0


def _person_length(words: list[str], at: int, known: Lists, is_first: bool) -> int:
    """How many words from `at` on are a person's name."""
    word = words[at]
    if word in _NO_NAMES or (len(word) > 1 and word.isupper()):
        return 0
    more = 0
    for each in words[at + 1 : at + MAX_WORDS]:
        if each in _NO_NAMES or (len(each) > 2 and each.isupper()):
            return 0  # a street, an office or a day that is called after somebody
        more += 1
    is_clear = word not in known.words
    if word in known.given:
        follows = more and (is_clear or words[at + 1] in known.surnames)
        return 1 + more if follows else int(is_clear)
    if is_first and at == 0:
        return 0  # it has its capital for another reason
    if more and words[at + more] in known.clear_surnames:
        return 1 + more if is_clear else 0
    return int(word in known.clear_surnames and not more)

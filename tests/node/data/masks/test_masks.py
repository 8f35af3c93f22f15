"""Every mask: its examples, and what it must never do, whatever the value.

`SHOWN` says in plain Python which places of a value each mask may show; `COMPUTED` what a mask that
makes values coarser must answer. Both are written apart from the masks.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.masks import SPECS, Use, parse
from node.data.masks import MASKS, MaskError, grant_key, mask_array, mask_batch
from node.data.masks.base import HIDDEN
from node.data.types import TYPES

KEY = bytes(range(32))
Span = tuple[int, int]


def uses() -> Iterator[Use]:
    """Every mask with the settings of each of its examples."""
    for mask in MASKS.values():
        seen = {str(dict(e.params)): dict(e.params) for e in mask.examples}
        yield from (parse([mask.id, mask.spec.version, params], "") for params in seen.values())


ALL = list(uses())


def apply(use: Use, *values: str | None, key: bytes = KEY) -> list[str | None]:
    found: list[str | None] = mask_array(pa.array(values, pa.string()), use, key).to_pylist()
    return found


# What values look like: anything, and forms that masks know, broken here and there.

FORMS = [
    r"1[3-9][0-9]{9}", r"\+86 1[3-9][0-9]-[0-9]{4}-[0-9]{4}", r"0[1-9][0-9]-[2-9][0-9]{6,7}",
    r"[1-9][0-9]{16}[0-9Xx]", r"[1-9][0-9]{14}", r"[0-9]{13,19}", r"[0-9]{4}( [0-9]{4}){3}",
    r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,26}", r"[EGDSP][0-9]{8}", r"[HMC][0-9]{8}",
    r"[a-z.]{1,9}@[a-z]{1,8}\.(com|org|cn)", r"[京沪粤][A-HJ-Z]·?[0-9A-Z]{5}",
    r"[王李欧司][阳马小一-龥]{1,3}", r"[A-Z][a-z]{1,6} [A-Z][a-z]{1,6}",
    r"(北京市|浙江省杭州市|广东省|杭州市|吉林省吉林市)(朝阳区|西湖区)?[一-龥]{0,5}[0-9]{0,3}号?",
    r"[1-9][0-9]{5}([0-9]{3})?", r"[0-9]{1,3}(\.[0-9]{1,3}){3}",
    r"[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}",
    r"2001:db8::[0-9a-f]{1,4}", r"[0-9A-F]{2}(:[0-9A-F]{2}){5}",
    r"-?[0-9]{1,3}\.[0-9]{1,7}, ?-?[0-9]{1,3}\.[0-9]{1,7}", r"-?[0-9]{1,16}(\.[0-9]{1,4})?",
    r"[0-2][0-9]{3}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:00Z)?",
    r"[0-9A-Z]{1,8}[-/][0-9A-Za-z]{1,8}", r"[a-z]{0,4}\([a-z0-9]{0,6}\)[a-z]{0,3}", r"[a-z/]{0,12}",
]  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A value of a known form with one character put in, out, or changed."""
    text = draw(st.sampled_from(FORMS).flatmap(lambda form: st.from_regex(form, fullmatch=True)))
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.text(max_size=1)) + text[place + draw(st.integers(0, 1)) :]


formed = st.sampled_from(FORMS).flatmap(lambda form: st.from_regex(form, fullmatch=True))
values = st.one_of(formed, broken(), st.text(max_size=40))
columns = st.lists(values, min_size=1, max_size=12)


# Which places may be shown.


def _ends(value: str, first: int, last: int, length: int) -> list[Span]:
    size = len(value)
    return [(0, first), (size - last, size)] if size >= length else []


def _match(pattern: str, *groups: int) -> Callable[[str, Any], list[Span]]:
    compiled = re.compile(pattern, re.ASCII)

    def find(value: str, params: Any) -> list[Span]:
        found = compiled.fullmatch(value)
        return [found.span(g) for g in groups if found.start(g) >= 0] if found else []

    return find


def _before(value: str, p: Any) -> list[Span]:
    place = value.rfind(p["mark"])
    return [(place, len(value))] if place > 0 else []


def _after(value: str, p: Any) -> list[Span]:
    place = value.find(p["mark"])
    return [(0, place + 1)] if 0 <= place < len(value) - 1 else []


def _between(value: str, p: Any) -> list[Span]:
    start, end = value.find(p["open"]), value.rfind(p["close"])
    return [(0, start + 1), (end, len(value))] if start >= 0 and end > start + 1 else []


def _name(value: str, p: Any) -> list[Span]:
    if re.fullmatch("[㐀-䶿一-鿿]{2,4}", value):
        double = len(value) > 2 and value[:2] in ("欧阳", "司马")
        return [(0, 2 if double else 1)]
    return _match(r"([A-Za-z])[A-Za-z]+([ .'-]{1,2}[A-Za-z]+)*\.?", 1)(value, p)


def _account(pattern: str) -> Callable[[str, Any], list[Span]]:
    def find(value: str, p: Any) -> list[Span]:
        if not re.fullmatch(pattern, re.sub("[ -]", "", value), re.ASCII):
            return []
        places = [i for i, char in enumerate(value) if char not in " -"]
        shown = places[: p["first"]] + places[len(places) - p["last"] :]
        return [(i, i + 1) for i in shown]

    return find


_MOBILE = r"(?:\+?86[ -]?)?(1[3-9][0-9])[ -]?[0-9]{4}[ -]?([0-9]{4})"
_LANDLINE = r"(?:\+?86[ -]?)?\(?(0[1-9][0-9]{1,2})\)?[ -]?[2-9][0-9]{6,7}(?:-[0-9]{1,5})?"
_DOMAIN = r"@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})"

SHOWN: dict[str, Callable[[str, Any], list[Span]]] = {
    "redact": lambda v, p: [],
    "null": lambda v, p: [],
    "fixed": lambda v, p: [],
    "keep-first": lambda v, p: _ends(v, p["count"], 0, p["length"]),
    "truncate": lambda v, p: _ends(v, p["count"], 0, p["length"]),
    "keep-last": lambda v, p: _ends(v, 0, p["count"], p["length"]),
    "keep-ends": lambda v, p: _ends(v, p["first"], p["last"], p["length"]),
    "keep-middle": lambda v, p: [(p["from"] - 1, p["to"])] if len(v) >= p["length"] else [],
    "mask-first": lambda v, p: [(p["count"], len(v))],
    "mask-last": lambda v, p: [(0, max(0, len(v) - p["count"]))],
    "mask-middle": lambda v, p: (
        [(0, p["from"] - 1), (p["to"], len(v))] if len(v) >= p["to"] else []
    ),
    "mask-before": _before,
    "mask-after": _after,
    "mask-between": _between,
    "name": _name,
    "resident-id": _account(r"[1-9][0-9]{16}[0-9Xx]|[1-9][0-9]{14}"),
    "bank-card": _account(r"[0-9]{13,19}|[A-Z]{2}[0-9]{2}[A-Z0-9]{10,26}"),
    "passport": _match(r"([A-Z])[A-Z]?[0-9]{5,8}([0-9]{2})", 1, 2),
    "mobile": _match(_MOBILE, 1, 2),
    "landline": _match(_LANDLINE, 1),
    "phone": lambda v, p: _match(_MOBILE, 1, 2)(v, p) or _match(_LANDLINE, 1)(v, p),
    "email": lambda v, p: (
        _match(rf"([A-Za-z0-9])[A-Za-z0-9._%+-]{{2,63}}{_DOMAIN}", 1, 2)(v, p)
        or _match(rf"[A-Za-z0-9._%+-]{{1,2}}{_DOMAIN}", 1)(v, p)
    ),
    "plate": _match(r"([京沪粤津渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵青藏川宁琼]"
                    r"[A-HJ-Z])[·. ]?"
                    r"[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳]", 1),
    "mac": lambda v, p: [(0, 8)] if re.fullmatch(
        "[0-9A-Fa-f]{2}(([:-])[0-9A-Fa-f]{2})(\\2[0-9A-Fa-f]{2}){4}", v) else [],
}  # fmt: skip
OF_ITSELF = {"plate": "·", "landline": "-", "phone": "-", "email": "@", "mac": ":-"}
"""Characters that a mask writes whether or not they are shown."""


def _hide(value: str, spans: list[Span], is_form: bool) -> str:
    """Replace what may not be shown: by its like where a form counts, else by anything."""
    like = {"d": "7", "u": "Q", "l": "q", "h": "丐"}

    def other(char: str) -> str:
        if not is_form:
            return "☃"
        kind = (
            "d" if char in "0123456789" else "u" if "A" <= char <= "Z"
            else "l" if "a" <= char <= "z" else "h" if "一" <= char <= "鿿" else ""
        )  # fmt: skip
        return like.get(kind, char)

    shown = {place for start, end in spans for place in range(start, end)}
    return "".join(c if i in shown else other(c) for i, c in enumerate(value))


def _shown(use: Use, value: str) -> list[Span]:
    """Which places may be seen; of lists and maps none, since places in them mean nothing."""
    return [] if value.lstrip()[:1] in ("[", "{") else SHOWN[use.id](value, use.params)


BY_PLACE = [use for use in ALL if use.id in SHOWN]
IS_FORM = {"name", "resident-id", "bank-card", "passport", "mobile", "landline", "phone", "email",
           "plate", "mac"}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(columns)
def test_places_that_are_hidden_have_no_effect(column: list[str]) -> None:
    for use in BY_PLACE:
        made = apply(use, *column)
        shown = [_shown(use, value) for value in column]
        is_form = use.id in IS_FORM
        changed = [_hide(v, spans, is_form) for v, spans in zip(column, shown, strict=True)]
        again = apply(use, *changed)
        for case in zip(column, made, shown, changed, again, strict=True):
            _check_places(use, *case)


def _check_places(
    use: Use, value: str, made: str | None, spans: list[Span], changed: str, again: str | None
) -> None:
    if use.id in ("fixed", "null"):
        assert made == use.params.get("text")
        return
    assert made is not None
    if not any(start < end for start, end in spans):
        assert made == HIDDEN, (use, value)
        return
    allowed = {char for start, end in spans for char in value[start:end]}
    assert set(made) <= allowed | set(HIDDEN) | set(OF_ITSELF.get(use.id, "")), (use, value)
    if _shown(use, changed) == spans:
        assert again == made, (use, value, changed)


@pytest.mark.parametrize("use", ALL, ids=str)
def test_lists_and_maps_are_hidden_whole(use: Use) -> None:
    """No mask shows a part of one, however it is written; those under a key show a digest."""
    long = {"name": "Zoë Quist", "phone": "13812345678", "at": ["511 Hart (x) a/b-c.d, z@zed.org"]}
    texts = [json.dumps([long]), json.dumps(long, ensure_ascii=False), ' ["13812345678"]', "[1,"]
    for text, made in zip(texts, apply(use, *texts), strict=True):
        parts = re.findall(r"\w{2,}", text)
        assert made is None or not any(part in made for part in parts), (use, made)


# What coarser values must be.


def _number(value: str) -> int | None:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,40})?", value, re.ASCII):
        return None
    return math.floor(Decimal(value))


def _date(value: str, strict: bool = False) -> str | None:
    time = r"([T ][0-9:.+Z-]{1,40})?"
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])" + time, value, re.ASCII):
        return None
    return value[:10]


def _coarse_number(value: str, p: Any) -> str | None:
    number = _number(value)
    if number is None:
        return None
    size = p.get("step") or p["width"]
    low = number - number % size
    return str(low) if "step" in p else f"[{low}, {low + size})"


def _band(value: str, p: Any) -> str | None:
    day = _date(value)
    age = -1 if day is None else p["year"] - int(day[:4])
    if not 0 <= age <= 150:
        return None
    low = age - age % p["width"]
    return f"{low}-{low + p['width'] - 1}"


def _network(value: str, p: Any) -> str | None:
    if ":" in value:
        try:
            return str(ipaddress.IPv6Network((value, p["v6-bits"]), strict=False))
        except ValueError:
            return None
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", value, re.ASCII):
        return None
    plain = ".".join(str(int(part)) for part in value.split("."))
    try:
        return str(ipaddress.IPv4Network((plain, p["v4-bits"]), strict=False))
    except ValueError:
        return None


def _grid(value: str, p: Any) -> str | None:
    number = r"-?[0-9]{1,3}(?:\.[0-9]{1,15})?"
    found = re.fullmatch(rf"({number}) ?[,，;] ?({number})", value, re.ASCII)
    if found is None:
        return None
    axes = [int(Decimal(each) * 10**6) for each in found.groups()]
    if any(abs(axis) > 180 * 10**6 for axis in axes):
        return None
    cells = [axis // (p["grid"] * 1_000) * p["grid"] for axis in axes]
    return ",".join(f"{Decimal(cell) / 1000:.3f}" for cell in cells)


COMPUTED: dict[str, Callable[[str, Any], str | None]] = {
    "round": _coarse_number,
    "range": _coarse_number,
    "date-month": lambda v, p: (d := _date(v)) and d[:7],
    "date-year": lambda v, p: (d := _date(v)) and d[:4],
    "age-band": _band,
    "ip": _network,
    "coordinates": _grid,
}


@settings(max_examples=60, deadline=None)
@given(columns)
def test_coarser_values_are_what_they_should_be(column: list[str]) -> None:
    for use in ALL:
        if use.id in COMPUTED:
            wanted = [COMPUTED[use.id](value, use.params) for value in column]
            hidden = [HIDDEN if each is None else each for each in wanted]
            assert apply(use, *column) == hidden, (use, column)


# What is keyed or looked up.

_DIVISION = re.compile("[㐀-䶿一-鿿]+")
OUTPUT = {
    "hmac": r"[0-9a-f]+",
    "pseudonym": r"p-[a-z2-7]{16}",
    "token": r"[0-9A-Za-z ./-]+",
    "offset": r"-?[0-9]+",
    "date-shift": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "division": r"[1-9][0-9]{3}00",
    "region": _DIVISION.pattern,
    "address": _DIVISION.pattern + re.escape(HIDDEN),
}


@settings(max_examples=60, deadline=None)
@given(columns)
def test_keyed_masks_tell_a_form_and_no_more(column: list[str]) -> None:
    for use in ALL:
        for value, made in zip(column, apply(use, *column), strict=True):
            if use.id in OUTPUT:
                _check_keyed(use, value, made)


def _check_keyed(use: Use, value: str, made: str | None) -> None:
    assert made is not None
    assert made == HIDDEN or re.fullmatch(OUTPUT[use.id], made), (use, value)
    match use.id:
        case "token" if made != HIDDEN:
            marks = [(i, c) for i, c in enumerate(value) if c in " ./-"]
            assert [(i, c) for i, c in enumerate(made) if c in " ./-"] == marks
            assert len(made) == len(value)

        case "offset" if made != HIDDEN:
            number = _number(value)
            assert number is not None
            assert abs(int(made) - number) <= use.params["most"]
        case "date-shift" if made != HIDDEN:
            first = datetime.date.fromisoformat(value[:10])
            moved = abs((datetime.date.fromisoformat(made) - first).days)
            assert moved <= use.params["days"]
        case "region" | "address" if made != HIDDEN:
            # Only names of the table pass, and a street's name is none.
            assert made.removesuffix(HIDDEN)[:2] in ("北京", "浙江", "广东", "吉林") or (
                value[:2] == made[:2]
            )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), values), max_size=12))
def test_no_mask_raises_and_a_value_is_masked_alike_wherever_it_stands(
    column: list[str | None],
) -> None:
    for use in ALL:
        together = apply(use, *column)
        assert together == apply(use, *column)
        assert together[::-1] == apply(use, *column[::-1]), use
        assert together[:1] == apply(use, *column[:1]), use
        for value, made in zip(column, together, strict=True):
            if value is None:
                wanted = {"redact": HIDDEN, "fixed": use.params.get("text")}.get(use.id)
                assert made == wanted
            else:
                assert (made is None) == (use.id == "null")


def test_every_mask_is_under_test() -> None:
    known = SHOWN.keys() | COMPUTED.keys() | OUTPUT.keys() | {"free-text"}
    assert MASKS.keys() == SPECS.keys() == known
    assert len(MASKS) >= 28


@pytest.mark.parametrize("name", list(MASKS))
def test_examples(name: str) -> None:
    mask = MASKS[name]
    assert mask.examples
    for example in mask.examples:
        use = parse([name, mask.spec.version, example.params], "")
        assert apply(use, example.value, key=bytes(32)) == [example.result]


def test_findings_in_text_are_replaced() -> None:
    text = "联系人：王小明，电话13812345678，邮箱wang@example.org，家住北京市朝阳区建国路88号。"
    (made,) = apply(parse(["free-text", 1, {}], ""), text)
    assert made is not None
    for part in ("王小明", "13812345678", "wang@example.org", "建国路88号"):
        assert part not in made


def test_types_that_masks_name_exist_and_defaults_fit_their_types() -> None:
    for mask in MASKS.values():
        assert mask.types <= TYPES.keys()
    for known in TYPES.values():
        if known.mask is not None:
            assert not MASKS[known.mask].types or known.name in MASKS[known.mask].types


def test_a_batch_is_masked_by_plan_with_a_key_for_each_field() -> None:
    batch = pa.record_batch({"a": ["x", "y"], "b": ["x", "y"], "c": ["1", None]})
    pseudonym = parse(["pseudonym", 1, {}], "")
    key = grant_key(bytes(32), b"\1" * 32, 7)
    made = mask_batch(batch, [("a", pseudonym), ("b", pseudonym)], key)
    assert made.column("c").equals(batch.column("c"))
    assert set(made.column("a").to_pylist()).isdisjoint(made.column("b").to_pylist())
    again = mask_batch(batch, [("a", pseudonym)], key)
    assert again.column("a").equals(made.column("a"))
    other = mask_batch(batch, [("a", pseudonym)], grant_key(bytes(32), b"\1" * 32, 8))
    assert not other.column("a").equals(made.column("a"))
    with pytest.raises(MaskError, match="no column 'd'"):
        mask_batch(batch, [("d", pseudonym)], key)


def test_a_mask_of_another_version_is_refused() -> None:
    with pytest.raises(MaskError, match="version 2 is not known here"):
        mask_array(pa.array(["x"]), Use("redact", 2), KEY)

"""Methods of strings and byte strings.

Positions count code points. Letters, digits, blanks and case are those of ASCII; other characters
are none of these and stay as they are, so that no edition of Unicode can change a result.
"""

from __future__ import annotations

from collections.abc import Callable

from contracts.starlark.binding import bind, expect_type
from contracts.starlark.errors import StarlarkError
from contracts.starlark.formatting import format_braces, join, search_cost
from contracts.starlark.operators import items_of
from contracts.starlark.thread import Thread
from contracts.starlark.values import Arguments, List, Named, Value

Method = Callable[[Thread, Value, Arguments, Named], Value]

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TO_LOWER = str.maketrans(_UPPER, _LOWER)
_TO_UPPER = str.maketrans(_LOWER, _UPPER)
_DIGITS = frozenset("0123456789")
_LETTERS = frozenset(_LOWER + _UPPER)
_BLANKS = " \t\n\r\f\v"


def _text(what: str, value: Value) -> str:
    return expect_type(what, value, str, "a string")  # type: ignore[no-any-return]


def _count(what: str, value: Value, default: int) -> int:
    if value is None:
        return default
    found: int = expect_type(what, value, int, "an int")
    return max(-(1 << 31), min(found, 1 << 31))


def _window(
    thread: Thread, name: str, text: str, args: Arguments, named: Named, *, backwards: bool = False
) -> tuple[str, int, int]:
    """(what is looked for, start, end) of a search, charged."""
    sub, start, end = bind(name, args, named, "sub", "start", "end", least=1)
    low, high, _ = slice(_bound(name, start), _bound(name, end)).indices(len(text))
    wanted = _text(f"{name}: sub", sub)
    thread.charge(search_cost(max(high - low, 0), len(wanted), backwards=backwards))
    return wanted, low, high


def _bound(name: str, value: Value) -> int | None:
    return None if value is None else expect_type(f"{name}: a bound", value, int, "an int")


def _find(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    return text.find(*_window(thread, "find", text, args, named))


def _rfind(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    return text.rfind(*_window(thread, "rfind", text, args, named, backwards=True))


def _index(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    return _found(text.find(*_window(thread, "index", text, args, named)))


def _rindex(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    return _found(text.rfind(*_window(thread, "rindex", text, args, named, backwards=True)))


def _found(place: int) -> int:
    if place < 0:
        raise StarlarkError("the substring is not there")
    return place


def _count_sub(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    return text.count(*_window(thread, "count", text, args, named))


def _affix(name: str, test: Callable[[str, tuple[str, ...]], bool]) -> Method:
    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        (wanted,) = bind(name, args, named, "sub", least=1)
        options = wanted if type(wanted) is tuple else (wanted,)
        for option in options:
            thread.charge((len(_text(f"{name}: sub", option)) >> 6) + 1)
        return test(text, options)

    return run


def _remove_affix(name: str, test: Callable[[str, str], str]) -> Method:
    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        (wanted,) = bind(name, args, named, "sub", least=1)
        thread.charge_text(len(text))
        return test(text, _text(f"{name}: sub", wanted))

    return run


def _replace(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    old, new, limit = bind("replace", args, named, "old", "new", "count", least=2)
    _text("replace: old", old)
    _text("replace: new", new)
    most = _count("replace: count", limit, -1)
    thread.charge(2 * search_cost(len(text), len(old)))
    times = text.count(old)
    times = times if most < 0 else min(times, most)
    thread.charge(times >> 1)
    thread.charge_text(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, most)


def _split(name: str, split: Callable[[str, str | None, int], list[str]]) -> Method:
    backwards = name == "rsplit"

    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        sep, limit = bind(name, args, named, "sep", "maxsplit")
        most = _count(f"{name}: maxsplit", limit, -1)
        if sep is None:
            thread.charge(len(text) + 1)
            return List(_split_blanks(text, most, backwards))
        if not _text(f"{name}: sep", sep):
            raise StarlarkError(f"{name}: sep is empty")
        thread.charge(2 * search_cost(len(text), len(sep), backwards=backwards))
        pieces = text.count(sep) + 1
        thread.charge_text(len(text))
        thread.charge_items(pieces if most < 0 else min(pieces, most + 1))
        return List(list(split(text, sep, most)))

    return run


def _split_blanks(text: str, most: int, backwards: bool) -> list[str]:
    """Split at runs of ASCII blanks; Python's own split knows blanks of Unicode too."""
    words: list[tuple[int, int]] = []
    start = None
    for place, char in enumerate(text + " "):
        if char not in _BLANKS:
            start = place if start is None else start
        elif start is not None:
            words.append((start, place))
            start = None
    rest = len(words) - most
    if most < 0 or rest <= 0:
        return [text[low:high] for low, high in words]
    if backwards:
        tail = words[rest:]
        return [text[words[0][0] : words[rest - 1][1]], *(text[low:high] for low, high in tail)]
    head = words[:most]
    return [*(text[low:high] for low, high in head), text[words[most][0] : words[-1][1]]]


def _split_lines(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    (keep,) = bind("splitlines", args, named, "keepends")
    thread.charge_text(len(text))
    thread.charge_items(text.count("\n") + 1)
    rows = text.split("\n")
    last = rows.pop()
    found = [row + "\n" for row in rows] if keep is True else rows
    return List([*found, last] if last else found)


def _partition(name: str, part: Callable[[str, str], tuple[str, str, str]]) -> Method:
    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        (sep,) = bind(name, args, named, "sep", least=1)
        if not _text(f"{name}: sep", sep):
            raise StarlarkError(f"{name}: sep is empty")
        thread.charge(search_cost(len(text), len(sep), backwards=name == "rpartition"))
        thread.charge_text(len(text))
        return part(text, sep)

    return run


def _strip(name: str, strip: Callable[[str, str], str]) -> Method:
    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        (chars,) = bind(name, args, named, "chars")
        wanted = _BLANKS if chars is None else _text(f"{name}: chars", chars)
        # Each character of the text is looked for among `wanted`.
        thread.charge((len(text) * len(wanted) >> 6) + 1)
        thread.charge_text(len(text))
        return strip(text, wanted)

    return run


def _join(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    (parts,) = bind("join", args, named, "elements", least=1)
    items = items_of(thread, parts)
    for item in items:
        _text("join: each element", item)
    return join(thread, items, text)


def _translate(name: str, table: dict[int, int]) -> Method:
    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        bind(name, args, named)
        thread.charge(len(text) >> 2)
        thread.charge_text(len(text))
        return text.translate(table)

    return run


def _consists(name: str, allowed: frozenset[str]) -> Method:
    """Whether the text is not empty and has characters of `allowed` only."""

    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        bind(name, args, named)
        thread.charge(len(text) >> 2)
        return bool(text) and allowed.issuperset(text)

    return run


def _is_case(name: str, wanted: frozenset[str], other: frozenset[str]) -> Method:
    def run(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
        bind(name, args, named)
        thread.charge(len(text) >> 1)
        return other.isdisjoint(text) and not wanted.isdisjoint(text)

    return run


def _format(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    return format_braces(thread, text, args, named)


def _elems(thread: Thread, text: str, args: Arguments, named: Named) -> Value:
    """The characters, one by one."""
    bind("elems", args, named)
    thread.charge_items(len(text))
    return List(list(text))


def _hex(thread: Thread, data: bytes, args: Arguments, named: Named) -> Value:
    bind("hex", args, named)
    thread.charge_text(2 * len(data))
    return data.hex()


def _decode(thread: Thread, data: bytes, args: Arguments, named: Named) -> Value:
    """The text that the bytes are in UTF-8."""
    bind("decode", args, named)
    thread.charge_text(len(data))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise StarlarkError("the bytes are not UTF-8") from None


def _byte_elems(thread: Thread, data: bytes, args: Arguments, named: Named) -> Value:
    bind("elems", args, named)
    thread.charge_items(len(data))
    return List(list(data))


_A, _Z = frozenset(_LOWER), frozenset(_UPPER)
TEXT_METHODS: dict[str, Method] = {
    "count": _count_sub,
    "elems": _elems,
    "endswith": _affix("endswith", str.endswith),
    "find": _find,
    "format": _format,
    "index": _index,
    "isalnum": _consists("isalnum", _LETTERS | _DIGITS),
    "isalpha": _consists("isalpha", _LETTERS),
    "isdigit": _consists("isdigit", _DIGITS),
    "islower": _is_case("islower", _A, _Z),
    "isspace": _consists("isspace", frozenset(_BLANKS)),
    "isupper": _is_case("isupper", _Z, _A),
    "join": _join,
    "lower": _translate("lower", _TO_LOWER),
    "lstrip": _strip("lstrip", str.lstrip),
    "partition": _partition("partition", str.partition),
    "removeprefix": _remove_affix("removeprefix", str.removeprefix),
    "removesuffix": _remove_affix("removesuffix", str.removesuffix),
    "replace": _replace,
    "rfind": _rfind,
    "rindex": _rindex,
    "rpartition": _partition("rpartition", str.rpartition),
    "rsplit": _split("rsplit", str.rsplit),
    "rstrip": _strip("rstrip", str.rstrip),
    "split": _split("split", str.split),
    "splitlines": _split_lines,
    "startswith": _affix("startswith", str.startswith),
    "strip": _strip("strip", str.strip),
    "upper": _translate("upper", _TO_UPPER),
}
BYTES_METHODS: dict[str, Method] = {"decode": _decode, "elems": _byte_elems, "hex": _hex}

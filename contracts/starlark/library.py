"""Functions that every module has: those of the language, and a few for keys and hashes."""

from __future__ import annotations

from hashlib import sha256

from contracts.starlark.binding import bind, expect_type
from contracts.starlark.containers import fill
from contracts.starlark.errors import LimitReached, StarlarkError
from contracts.starlark.formatting import join, parse_int, render, text_of
from contracts.starlark.functions import call
from contracts.starlark.operators import compare, items_of
from contracts.starlark.thread import MAX_TEXT, Thread, checked_int
from contracts.starlark.values import (
    Arguments,
    Builtin,
    Dict,
    List,
    Named,
    Value,
    truth,
    type_name,
)

_MAX_RANGE = 1 << 62
_HEX = {char: value for value, char in enumerate("0123456789abcdef")}
NUMBER_KEY_DIGITS = 20


def _abs(thread: Thread, args: Arguments, named: Named) -> Value:
    (value,) = bind("abs", args, named, "x", least=1)
    return checked_int(abs(expect_type("abs: x", value, int, "an int")))


def _any(thread: Thread, args: Arguments, named: Named) -> Value:
    return any(truth(item) for item in _elements("any", thread, args, named))


def _all(thread: Thread, args: Arguments, named: Named) -> Value:
    return all(truth(item) for item in _elements("all", thread, args, named))


def _elements(name: str, thread: Thread, args: Arguments, named: Named) -> Arguments:
    (source,) = bind(name, args, named, "elements", least=1)
    return items_of(thread, source)


def _bool(thread: Thread, args: Arguments, named: Named) -> Value:
    (value,) = bind("bool", args, named, "x")
    return truth(value)


def _bytes(thread: Thread, args: Arguments, named: Named) -> Value:
    """A string in UTF-8, or a sequence of ints from 0 to 255."""
    (value,) = bind("bytes", args, named, "x", least=1)
    if type(value) is bytes:
        return value
    if type(value) is str:
        thread.charge_text(len(value))
        made = value.encode("utf-8")
        if len(made) > MAX_TEXT:
            raise LimitReached(f"a byte string may have {MAX_TEXT} bytes at most")
        return made
    items = items_of(thread, value)
    if not all(type(item) is int and 0 <= item <= 255 for item in items):
        raise StarlarkError("bytes are made of ints from 0 to 255")
    return bytes(items)


def _dict(thread: Thread, args: Arguments, named: Named) -> Value:
    (pairs,) = bind("dict", args, {}, "pairs")
    made = Dict()
    fill(thread, made, pairs, named)
    return made


def _enumerate(thread: Thread, args: Arguments, named: Named) -> Value:
    source, start = bind("enumerate", args, named, "elements", "start", least=1)
    first = 0 if start is None else expect_type("enumerate: start", start, int, "an int")
    items = items_of(thread, source)
    checked_int(first + len(items))
    thread.charge_items(2 * len(items))
    return List(list(enumerate(items, first)))


def _int(thread: Thread, args: Arguments, named: Named) -> Value:
    """An int from a bool, an int or ASCII text; base 2 to 16."""
    value, base = bind("int", args, named, "x", "base", least=1)
    if type(value) is int or type(value) is bool:
        return value + 0
    text = expect_type("int: x", value, str, "a string, an int or a bool")
    radix = 10 if base is None else expect_type("int: base", base, int, "an int")
    if not 2 <= radix <= 16:
        raise StarlarkError("int: base is from 2 to 16")
    if len(text) > 257:
        raise LimitReached("int: the text is too long")
    thread.charge(len(text))
    found = parse_int(text, radix)
    if found is None:
        raise StarlarkError("int: the text is no number")
    return checked_int(found)


def _len(thread: Thread, args: Arguments, named: Named) -> Value:
    (value,) = bind("len", args, named, "x", least=1)
    kind = type(value)
    if kind is List or kind is Dict:
        return len(value.items)
    if kind in (str, bytes, tuple, range):
        return len(value)
    raise StarlarkError(f"a {type_name(value)} has no length")


def _list(thread: Thread, args: Arguments, named: Named) -> Value:
    (source,) = bind("list", args, named, "elements")
    return List([] if not args and not named else items_of(thread, source))


def _tuple(thread: Thread, args: Arguments, named: Named) -> Value:
    (source,) = bind("tuple", args, named, "elements")
    return () if not args and not named else tuple(items_of(thread, source))


def _extreme(name: str, wanted: int) -> Builtin:
    def run(thread: Thread, args: Arguments, named: Named) -> Value:
        rest = dict(named)
        key = rest.pop("key", None)
        if rest:
            raise StarlarkError(f"{name} has no parameter {next(iter(rest))}")
        items = items_of(thread, args[0]) if len(args) == 1 else args
        if not items:
            raise StarlarkError(f"{name} of nothing")
        thread.charge(3 * len(items))
        best, best_key = items[0], _key(thread, key, items[0])
        for item in items[1:]:
            found = _key(thread, key, item)
            if compare(thread, found, best_key) == wanted:
                best, best_key = item, found
        return best

    return Builtin(name, run)


def _key(thread: Thread, key: Value, item: Value) -> Value:
    return item if key is None else call(thread, key, [item], {})


def _print(thread: Thread, args: Arguments, named: Named) -> Value:
    """For tests: on the ledger the text goes nowhere."""
    text = join(thread, [text_of(thread, item) for item in args], " ")
    if thread.printed is not None:
        thread.printed.append(text)
    return None


def _range(thread: Thread, args: Arguments, named: Named) -> Value:
    first, second, third = bind("range", args, named, "start", "stop", "step", least=1)
    start, stop = (0, first) if second is None else (first, second)
    step = 1 if third is None else third
    for part in (start, stop, step):
        if not -_MAX_RANGE <= expect_type("range: a bound", part, int, "an int") <= _MAX_RANGE:
            raise LimitReached("range: a bound is too large")
    if step == 0:
        raise StarlarkError("range: step is not 0")
    if abs(stop - start) >= _MAX_RANGE:
        raise LimitReached("range: the bounds are too far apart")
    return range(start, stop, step)


def _repr(thread: Thread, args: Arguments, named: Named) -> Value:
    (value,) = bind("repr", args, named, "x", least=1)
    return render(thread, value, quoted=True)


def _str(thread: Thread, args: Arguments, named: Named) -> Value:
    (value,) = bind("str", args, named, "x", least=1)
    return text_of(thread, value)


def _type(thread: Thread, args: Arguments, named: Named) -> Value:
    (value,) = bind("type", args, named, "x", least=1)
    return type_name(value)


def _reversed(thread: Thread, args: Arguments, named: Named) -> Value:
    return List(_elements("reversed", thread, args, named)[::-1])


def _sorted(thread: Thread, args: Arguments, named: Named) -> Value:
    """Stable; `key` is called once for each element, `reverse` keeps the order of equal ones."""
    source, key, reverse = bind("sorted", args, named, "elements", "key", "reverse", least=1)
    items = items_of(thread, source)
    thread.charge(4 * len(items) * len(items).bit_length())
    pairs = [(_key(thread, key, item), item) for item in items]
    wanted = -1 if truth(reverse) else 1
    return List([item for _, item in _merge_sort(thread, pairs, wanted)])


_Pairs = list[tuple[Value, Value]]


def _merge_sort(thread: Thread, pairs: _Pairs, wanted: int) -> _Pairs:
    """Sort from the bottom up.

    Python's own sort compares in an order, and a number of times, that its editions change; here
    both decide about gas and about which fault is found first.
    """
    width = 1
    while width < len(pairs):
        merged: _Pairs = []
        for low in range(0, len(pairs), 2 * width):
            left, right = pairs[low : low + width], pairs[low + width : low + 2 * width]
            i = j = 0
            while i < len(left) and j < len(right):
                if compare(thread, left[i][0], right[j][0]) == wanted:
                    merged.append(right[j])
                    j += 1
                else:
                    merged.append(left[i])
                    i += 1
            merged += left[i:]
            merged += right[j:]
        pairs = merged
        width *= 2
    return pairs


def _zip(thread: Thread, args: Arguments, named: Named) -> Value:
    bind("zip", [], named)
    columns = [items_of(thread, source) for source in args]
    rows = min((len(column) for column in columns), default=0)
    thread.charge_items(rows)
    thread.charge(rows * len(columns))
    return List(list(zip(*columns, strict=False)))


def _sha256(thread: Thread, args: Arguments, named: Named) -> Value:
    (data,) = bind("sha256", args, named, "data", least=1)
    expect_type("sha256: data", data, bytes, "bytes")
    thread.charge(10 + (len(data) >> 4))
    return sha256(data).digest()


def _from_hex(thread: Thread, args: Arguments, named: Named) -> Value:
    (text,) = bind("from_hex", args, named, "text", least=1)
    expect_type("from_hex: text", text, str, "a string")
    thread.charge(len(text))
    if len(text) % 2 or not all(char in _HEX for char in text):
        raise StarlarkError("from_hex: the text is not pairs of 0-9 and a-f")
    return bytes(_HEX[a] << 4 | _HEX[b] for a, b in zip(text[::2], text[1::2], strict=True))


def _number_key(thread: Thread, args: Arguments, named: Named) -> Value:
    """Decimal digits of fixed width, so that keys sort as the numbers do."""
    (value,) = bind("number_key", args, named, "n", least=1)
    if not 0 <= expect_type("number_key: n", value, int, "an int") < 10**NUMBER_KEY_DIGITS:
        raise StarlarkError("number_key: n must be from 0, of 20 digits at most")
    return str(value).rjust(NUMBER_KEY_DIGITS, "0")


UNIVERSAL: dict[str, Value] = {
    "None": None,
    "True": True,
    "False": False,
    "max": _extreme("max", 1),
    "min": _extreme("min", -1),
} | {
    name: Builtin(name, run)
    for name, run in (
        ("abs", _abs), ("all", _all), ("any", _any), ("bool", _bool), ("bytes", _bytes),
        ("dict", _dict), ("enumerate", _enumerate), ("from_hex", _from_hex), ("int", _int),
        ("len", _len), ("list", _list), ("number_key", _number_key), ("print", _print),
        ("range", _range), ("repr", _repr), ("reversed", _reversed), ("sha256", _sha256),
        ("sorted", _sorted), ("str", _str), ("tuple", _tuple), ("type", _type), ("zip", _zip),
    )
}  # fmt: skip

"""Values as text: str, repr, `%` and `format`. Nothing here looks into the Unicode tables."""

from __future__ import annotations

from contracts.starlark.errors import LimitReached, StarlarkError
from contracts.starlark.thread import MAX_NESTING, MAX_TEXT, Thread
from contracts.starlark.values import Arguments, Dict, List, Named, Value, type_name

_ESCAPES = {chr(n): f"\\x{n:02x}" for n in (*range(0x20), 0x7F)} | {
    "\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\",
}  # fmt: skip
_ESCAPE_TABLE = str.maketrans(_ESCAPES)
_BYTE = tuple(_ESCAPES.get(chr(n)) or (chr(n) if n < 0x80 else f"\\x{n:02x}") for n in range(256))
_HEX = "0123456789abcdef"
_RADIX = {"d": 10, "x": 16, "X": 16, "o": 8}


def search_cost(length: int, wanted: int, *, backwards: bool = False) -> int:
    """What looking for a text of `wanted` characters in one of `length` costs at worst.

    Python searches backwards without the precaution against patterns that nearly match
    everywhere; forwards it takes it from about 2,000 characters on.
    """
    hard = wanted if backwards else min(wanted, 2_048)
    return (length >> 4) + (length * hard >> 8) + 1


def text_of(thread: Thread, value: Value) -> str:
    """str(): a string is itself."""
    return value if type(value) is str else render(thread, value, quoted=True)


def render(thread: Thread, value: Value, *, quoted: bool) -> str:
    """repr(), if `quoted`; a text that no value of another kind or content has."""
    if type(value) is str and not quoted:
        return value
    writer = _Writer(thread)
    writer.write(value, 0)
    return "".join(writer.parts)


class _Writer:
    """Collects the text of a value. What is collected is charged and bounded as it grows."""

    def __init__(self, thread: Thread) -> None:
        self.thread = thread
        self.parts: list[str] = []
        self.length = 0

    def put(self, text: str) -> None:
        self.length += len(text)
        if self.length > MAX_TEXT:
            raise LimitReached(f"a string may have {MAX_TEXT} characters at most")
        self.parts.append(text)

    def write(self, value: Value, depth: int) -> None:
        thread, kind = self.thread, type(value)
        if kind is str:
            thread.charge((len(value) >> 3) + 1)
            self.put('"' + value.translate(_ESCAPE_TABLE) + '"')
        elif kind is bytes:
            thread.charge(len(value) + 1)
            self.put('b"' + "".join(_BYTE[byte] for byte in value) + '"')
        elif kind in (List, tuple, Dict):
            if depth >= MAX_NESTING:
                raise LimitReached(f"values nested deeper than {MAX_NESTING} are not shown")
            if kind is Dict:
                self.write_dict(value, depth)
            else:
                self.write_sequence(value.items if kind is List else value, kind is List, depth)
        else:
            thread.charge(2)
            self.put(_plain(value))

    def write_sequence(self, items: Arguments, is_list: bool, depth: int) -> None:
        self.thread.charge(4 + 6 * len(items))
        self.put("[" if is_list else "(")
        for index, item in enumerate(items):
            self.put(", " if index else "")
            self.write(item, depth + 1)
        self.put("]" if is_list else ",)" if len(items) == 1 else ")")

    def write_dict(self, value: Dict, depth: int) -> None:
        self.thread.charge(4 + 12 * len(value.items))
        self.put("{")
        for index, (key, item) in enumerate(value.items.values()):
            self.put(", " if index else "")
            self.write(key, depth + 1)
            self.put(": ")
            self.write(item, depth + 1)
        self.put("}")


def _plain(value: Value) -> str:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return str(value)
    if kind is range:
        step = f", {value.step}" if value.step != 1 else ""
        return f"range({value.start}, {value.stop}{step})"
    name = value.code.name if hasattr(value, "code") else value.name
    return f"<{type_name(value)} {name}>"


def join(thread: Thread, parts: list[str], glue: str = "") -> str:
    thread.charge(len(parts))
    thread.charge_text(sum(len(part) for part in parts) + len(glue) * max(len(parts) - 1, 0))
    return glue.join(parts)


def in_radix(value: int, kind: str) -> str:
    """Return an integer in decimal (d), hexadecimal (x, X) or octal (o)."""
    radix = _RADIX[kind]
    if radix == 10:
        return str(value)
    rest, digits = abs(value), ""
    while rest or not digits:
        digits = _HEX[rest % radix] + digits
        rest //= radix
    if kind == "X":
        digits = digits.translate(_UPPER_HEX)
    return ("-" if value < 0 else "") + digits


_UPPER_HEX = str.maketrans("abcdef", "ABCDEF")


def format_percent(thread: Thread, template: str, arguments: Value) -> str:
    """The operator `%`: %s, %r, %d, %x, %X, %o and %%."""
    thread.charge(len(template) + 1)
    values = list(arguments) if type(arguments) is tuple else [arguments]
    parts: list[str] = []
    at = used = 0
    while (found := template.find("%", at)) >= 0:
        parts.append(template[at:found])
        kind = template[found + 1 : found + 2]
        at = found + 2
        if kind == "%":
            parts.append("%")
            continue
        if used == len(values):
            raise StarlarkError("there are fewer values than the format asks for")
        parts.append(_convert(thread, kind, values[used]))
        used += 1
    if used != len(values):
        raise StarlarkError("there are more values than the format asks for")
    parts.append(template[at:])
    return join(thread, parts)


def _convert(thread: Thread, kind: str, value: Value) -> str:
    if kind in ("s", "r"):
        return render(thread, value, quoted=True) if kind == "r" else text_of(thread, value)
    if kind and kind in _RADIX:
        if type(value) is not int:
            raise StarlarkError(f"%{kind} needs an int, not {type_name(value)}")
        thread.charge(8)
        return in_radix(value, kind)
    raise StarlarkError("the format has % before something that is no conversion")


def format_braces(thread: Thread, template: str, args: Arguments, named: Named) -> str:
    """str.format: {}, {0} and {name}, with !s or !r; {{ and }} for braces."""
    thread.charge(len(template) + 1)
    parts: list[str] = []
    at = counted = 0
    opening = closing = -1
    while True:
        # Each brace is looked for once, so that the work is linear.
        opening = _next(template, "{", opening, at)
        closing = _next(template, "}", closing, at)
        brace = min(opening, closing)
        parts.append(template[at:brace])
        if brace == len(template):
            return join(thread, parts)
        at = brace + 1
        if template[at : at + 1] == template[brace]:
            parts.append(template[brace])
            at += 1
            continue
        if brace == closing:
            raise StarlarkError("a single } in the format")
        if closing == len(template):
            raise StarlarkError("a { in the format is never closed")
        field, mark, conversion = template[at:closing].partition("!")
        at = closing + 1
        if not field:
            field, counted = str(counted), counted + 1
        if mark and conversion not in ("s", "r"):
            raise StarlarkError("a conversion in the format is !s or !r")
        value = _field(field, args, named)
        parts.append(render(thread, value, quoted=conversion == "r" or type(value) is not str))


def _next(text: str, brace: str, known: int, at: int) -> int:
    """Where `brace` is next from `at` on, or the length; `known` is the place before."""
    if known >= at:
        return known
    found = text.find(brace, at)
    return len(text) if found < 0 else found


def _field(field: str, args: Arguments, named: Named) -> Value:
    place = parse_int(field, 10) if len(field) <= 4 else None
    if place is not None and field[0] not in "+-":
        if place >= len(args):
            raise StarlarkError(f"the format asks for argument {place}")
        return args[place]
    if field not in named:
        raise StarlarkError("the format asks for a name that is not given")
    return named[field]


def parse_int(text: str, base: int) -> int | None:
    """Return the integer that ASCII `text` writes in `base` 2 to 16, or None."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not digits:
        return None
    value = 0
    for char in digits:
        digit = _VALUES.get(char, 99)
        if digit >= base:
            return None
        value = value * base + digit
    return -value if text[0] == "-" else value


_VALUES = {char: n for n, char in enumerate(_HEX)} | {c: n for n, c in enumerate("ABCDEF", 10)}

"""What operators do. Each charges by the sizes of its operands before it works."""

from __future__ import annotations

from collections.abc import Callable

from contracts.starlark.errors import LimitReached, StarlarkError
from contracts.starlark.formatting import format_percent, render, search_cost
from contracts.starlark.thread import (
    MAX_INT,
    MAX_INT_BITS,
    MAX_ITEMS,
    MAX_NESTING,
    MIN_INT,
    Thread,
    checked_int,
)
from contracts.starlark.values import Arguments, Dict, List, Value, check_mutable, type_name

Operator = Callable[[Thread, Value, Value], Value]
_SMALL = 1 << 60
"""Integers below are their own hash; larger ones could be chosen so that all hashes are equal."""


def wrong_operands(op: str, left: Value, right: Value) -> StarlarkError:
    return StarlarkError(f"{type_name(left)} {op} {type_name(right)} has no meaning")


def _pair(kind: type, left: Value, right: Value) -> bool:
    return type(left) is kind and type(right) is kind


# Arithmetic


def add(thread: Thread, left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            made = left + right
            return made if MIN_INT <= made <= MAX_INT else checked_int(made)
        if kind is str or kind is bytes:
            thread.charge_text(len(left) + len(right))
            return left + right
        if kind is List:
            thread.charge_items(len(left.items) + len(right.items))
            return List(left.items + right.items)
        if kind is tuple:
            thread.charge_items(len(left) + len(right))
            return left + right
    raise wrong_operands("+", left, right)


def subtract(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return checked_int(left - right)
    raise wrong_operands("-", left, right)


def multiply(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return checked_int(left * right)
    if type(left) is int:
        left, right = right, left
    if type(right) is int:
        # Beyond any gas, and within what Python takes as a factor, also where nothing is repeated.
        times = min(max(right, 0), 1 << 62)
        kind = type(left)
        if kind is str or kind is bytes:
            thread.charge_text(len(left) * times)
            return left * times
        if kind is tuple:
            thread.charge_items(len(left) * times)
            return left * times
        if kind is List:
            thread.charge_items(len(left.items) * times)
            return List(left.items * times)
    raise wrong_operands("*", left, right)


def floor_divide(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        if right == 0:
            raise StarlarkError("division by zero")
        return checked_int(left // right)
    raise wrong_operands("//", left, right)


def modulo(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        if right == 0:
            raise StarlarkError("division by zero")
        return left % right
    if type(left) is str:
        return format_percent(thread, left, right)
    raise wrong_operands("%", left, right)


def bit_and(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return left & right
    raise wrong_operands("&", left, right)


def bit_or(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return left | right
    if _pair(Dict, left, right):
        thread.charge_items(len(left.items) + len(right.items))
        return Dict({**left.items, **right.items})
    raise wrong_operands("|", left, right)


def bit_xor(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return left ^ right
    raise wrong_operands("^", left, right)


def shift_left(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return checked_int(left << _shift(right))
    raise wrong_operands("<<", left, right)


def shift_right(thread: Thread, left: Value, right: Value) -> Value:
    if _pair(int, left, right):
        return left >> _shift(right)
    raise wrong_operands(">>", left, right)


def _shift(count: int) -> int:
    if not 0 <= count <= MAX_INT_BITS:
        raise LimitReached(f"a shift goes over 0 to {MAX_INT_BITS} bits")
    return count


# Equality, order, membership


def equal(thread: Thread, left: Value, right: Value, depth: int = 0) -> bool:
    """Whether two values are equal; values of different types never are."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is str or kind is bytes:
        if len(left) != len(right):
            return False
        thread.charge(len(left) >> 6)
        return bool(left == right)
    if kind is int or kind is bool or kind is range:
        return bool(left == right)
    if kind is List or kind is Dict:
        if left is right:
            return True
        left, right = left.items, right.items
    elif kind is not tuple:
        return left is right
    if len(left) != len(right):
        return False
    if depth >= MAX_NESTING:
        raise LimitReached(f"values nested deeper than {MAX_NESTING} are not compared")
    thread.charge(4 + 5 * len(left))
    if kind is Dict:
        return all(
            key in right and equal(thread, pair[1], right[key][1], depth + 1)
            for key, pair in left.items()
        )
    return all(equal(thread, a, b, depth + 1) for a, b in zip(left, right, strict=True))


def compare(thread: Thread, left: Value, right: Value, depth: int = 0) -> int:
    """-1, 0 or 1; for two values of the same type that has an order."""
    kind = type(left)
    if kind is type(right):
        if kind in (int, str, bytes, bool):
            if kind is str or kind is bytes:
                thread.charge(min(len(left), len(right)) >> 6)
            return -1 if left < right else 1 if left > right else 0
        if kind is List:
            left, right, kind = left.items, right.items, tuple
        if kind is tuple:
            if depth >= MAX_NESTING:
                raise LimitReached(f"values nested deeper than {MAX_NESTING} are not compared")
            thread.charge(4 + 5 * min(len(left), len(right)))
            for a, b in zip(left, right, strict=False):
                if not equal(thread, a, b, depth + 1):
                    return compare(thread, a, b, depth + 1)
            return (len(left) > len(right)) - (len(left) < len(right))
    raise StarlarkError(f"{type_name(left)} and {type_name(right)} have no order")


def contains(thread: Thread, item: Value, collection: Value) -> bool:
    kind = type(collection)
    if kind is Dict:
        return key_of(thread, item) in collection.items
    if kind is List or kind is tuple:
        items = collection.items if kind is List else collection
        thread.charge(2 * len(items))
        return any(equal(thread, item, other) for other in items)
    if kind is str and type(item) is str:
        thread.charge(search_cost(len(collection), len(item)))
        return item in collection
    if kind is bytes and type(item) in (bytes, int):
        if type(item) is int:
            if not 0 <= item <= 255:
                raise StarlarkError("a byte is from 0 to 255")
            item = bytes((item,))
        thread.charge(search_cost(len(collection), len(item)))
        return item in collection
    if kind is range:
        return type(item) is int and item in collection
    raise wrong_operands("in", item, collection)


def key_of(thread: Thread, key: Value) -> object:
    """Return what stands for `key` in a table: equal for equal keys, and never else.

    Python takes True for 1, and lets a caller choose integers and tuples with one hash, which
    would make a table slow; such keys are replaced by text, whose hash nobody can foresee.
    """
    kind = type(key)
    if kind is str or kind is bytes:
        thread.charge(len(key) >> 6)
        return key
    if key is None or (kind is int and -_SMALL < key < _SMALL):
        return key
    if kind in (bool, int, tuple):
        thread.charge(6)
        _check_hashable(thread, key, 0)
        return (render(thread, key, quoted=True),)
    raise StarlarkError(f"a {type_name(key)} cannot be a key")


def _check_hashable(thread: Thread, key: Value, depth: int) -> None:
    if type(key) is tuple:
        if depth >= MAX_NESTING:
            raise LimitReached(f"a key nested deeper than {MAX_NESTING}")
        thread.charge(len(key))
        for item in key:
            _check_hashable(thread, item, depth + 1)
    elif key is not None and type(key) not in (bool, int, str, bytes):
        raise StarlarkError(f"a {type_name(key)} cannot be part of a key")


# Parts


def _place(index: Value, length: int) -> int:
    if type(index) is not int:
        raise StarlarkError(f"an index is an int, not {type_name(index)}")
    place: int = index + length if index < 0 else index
    if not 0 <= place < length:
        raise StarlarkError(f"index {index} is out of range for length {length}")
    return place


def get_item(thread: Thread, collection: Value, index: Value) -> Value:
    kind = type(collection)
    if kind is Dict:
        pair = collection.items.get(key_of(thread, index))
        if pair is None:
            thread.charge(16)
            raise StarlarkError(f"the dict has no key {shown(index)}")
        return pair[1]
    if kind is List:
        return collection.items[_place(index, len(collection.items))]
    if kind in (str, bytes, tuple, range):
        return collection[_place(index, len(collection))]
    raise StarlarkError(f"a {type_name(collection)} has no items")


def set_item(thread: Thread, collection: Value, index: Value, value: Value) -> None:
    kind = type(collection)
    if kind is Dict:
        check_mutable(collection)
        insert(thread, collection.items, index, value)
    elif kind is List:
        check_mutable(collection)
        collection.items[_place(index, len(collection.items))] = value
    else:
        raise StarlarkError(f"items of a {type_name(collection)} cannot be assigned")


def insert(
    thread: Thread, table: dict[object, tuple[Value, Value]], key: Value, value: Value
) -> None:
    """Set an entry of a dict; a key that is there keeps its place and form."""
    found = key_of(thread, key)
    old = table.get(found)
    if old is None:
        thread.charge(4)
        if len(table) >= MAX_ITEMS:
            raise LimitReached(f"a dict has {MAX_ITEMS} entries at most")
        table[found] = (key, value)
    else:
        table[found] = (old[0], value)


def get_slice(thread: Thread, collection: Value, start: Value, stop: Value, step: Value) -> Value:
    for part in (start, stop, step):
        if part is not None and type(part) is not int:
            raise StarlarkError(f"a slice is made with ints, not {type_name(part)}")
    if step == 0:
        raise StarlarkError("a slice's step is not 0")
    cut = slice(start, stop, step)
    kind = type(collection)
    if kind is List:
        items = collection.items
        thread.charge_items(len(range(*cut.indices(len(items)))))
        return List(items[cut])
    if kind is tuple:
        thread.charge_items(len(range(*cut.indices(len(collection)))))
        return collection[cut]
    if kind is str or kind is bytes:
        thread.charge_text(len(range(*cut.indices(len(collection)))))
        return collection[cut]
    if kind is range:
        return collection[cut]
    raise StarlarkError(f"a {type_name(collection)} cannot be sliced")


def items_of(thread: Thread, value: Value) -> Arguments:
    """Return what a loop over `value` gives, as a list of its own, charged by its length."""
    kind = type(value)
    if kind is List or kind is Dict:
        thread.charge_items(len(value.items))
        if kind is List:
            return list(value.items)
        return [pair[0] for pair in value.items.values()]
    if kind is tuple or kind is range:
        thread.charge_items(len(value))
        return list(value)
    raise StarlarkError(f"a {type_name(value)} cannot be iterated over")


def shown(value: Value) -> str:
    """Return a short form of a key for messages."""
    if type(value) is str:
        return '"' + value[:32] + '"'
    if type(value) is int:
        return str(value)
    return f"of type {type_name(value)}"


# In place


def add_in_place(thread: Thread, left: Value, right: Value) -> Value:
    """`+=`: a list grows, everything else becomes a new value."""
    if type(left) is not List:
        return add(thread, left, right)
    extend(thread, left, right)
    return left


def extend(thread: Thread, target: List, source: Value) -> None:
    check_mutable(target)
    items = items_of(thread, source)
    if len(target.items) + len(items) > MAX_ITEMS:
        raise LimitReached(f"a list has {MAX_ITEMS} items at most")
    target.items += items


def or_in_place(thread: Thread, left: Value, right: Value) -> Value:
    """`|=`: a dict grows."""
    if not _pair(Dict, left, right):
        return bit_or(thread, left, right)
    check_mutable(left)
    thread.charge_items(len(left.items) + len(right.items))
    for key, pair in right.items.items():
        old = left.items.get(key)
        left.items[key] = pair if old is None else (old[0], pair[1])
    return left


BINARY: dict[str, Operator] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "//": floor_divide,
    "%": modulo,
    "&": bit_and,
    "|": bit_or,
    "^": bit_xor,
    "<<": shift_left,
    ">>": shift_right,
    "==": equal,
    "!=": lambda thread, left, right: not equal(thread, left, right),
    "<": lambda thread, left, right: compare(thread, left, right) < 0,
    ">": lambda thread, left, right: compare(thread, left, right) > 0,
    "<=": lambda thread, left, right: compare(thread, left, right) <= 0,
    ">=": lambda thread, left, right: compare(thread, left, right) >= 0,
    "in": contains,
    "not in": lambda thread, left, right: not contains(thread, left, right),
}
IN_PLACE: dict[str, Operator] = {**BINARY, "+": add_in_place, "|": or_in_place}


def unary(op: str, value: Value) -> Value:
    if type(value) is int:
        if op == "-":
            return checked_int(-value)
        return ~value if op == "~" else value
    raise StarlarkError(f"{op} {type_name(value)} has no meaning")

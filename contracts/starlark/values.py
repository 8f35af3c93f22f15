"""Values of a running contract.

None, bool, int, str, bytes, tuple and range are Python's own. Lists and dicts are wrapped, for
they freeze when their module is loaded and may not change while a loop goes over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contracts.starlark.errors import StarlarkError
from contracts.starlark.thread import Thread

Value = Any
"""Any of the values above or of the classes below."""


class Unset:
    """Stands in a slot that has no value yet."""


UNSET = Unset()


class Cell:
    """A variable that two functions share."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


class List:
    __slots__ = ("frozen", "items", "loops")

    def __init__(self, items: list[Value]) -> None:
        self.items = items
        self.frozen = False
        self.loops = 0


class Dict:
    """`items` maps the hashable form of a key (see `operators.key_of`) to key and value."""

    __slots__ = ("frozen", "items", "loops")

    def __init__(self, items: dict[Any, tuple[Value, Value]] | None = None) -> None:
        self.items = {} if items is None else items
        self.frozen = False
        self.loops = 0

    @classmethod
    def of_texts(cls, pairs: Mapping[str, Value]) -> Dict:
        """A dict whose keys are strings, which are their own hashable form."""
        return cls({key: (key, value) for key, value in pairs.items()})


class Function:
    """A function with what it was made in. `code` is the same for all made by one `def`."""

    __slots__ = ("cells", "code", "defaults", "frozen")

    def __init__(self, code: Any, defaults: tuple[Value, ...], cells: tuple[Cell, ...]) -> None:
        self.code = code
        self.defaults = defaults
        self.cells = cells
        self.frozen = False


Arguments = list[Value]
Named = dict[str, Value]


class Builtin:
    """A function of the language or of the ledger."""

    __slots__ = ("name", "run")

    def __init__(self, name: str, run: Callable[[Thread, Arguments, Named], Value]) -> None:
        self.name = name
        self.run = run


class Namespace:
    """Something with attributes that are computed when asked for."""

    __slots__ = ("attributes", "name")

    def __init__(self, name: str, attributes: Mapping[str, Callable[[Thread], Value]]) -> None:
        self.name = name
        self.attributes = attributes


_TYPE_NAMES: dict[type, str] = {
    type(None): "NoneType",
    bool: "bool",
    int: "int",
    str: "string",
    bytes: "bytes",
    tuple: "tuple",
    range: "range",
    List: "list",
    Dict: "dict",
    Function: "function",
    Builtin: "builtin_function_or_method",
}


def type_name(value: Value) -> str:
    return _TYPE_NAMES.get(type(value)) or str(value.name)


def truth(value: Value) -> bool:
    """Zero, nothing and what is empty are false; everything else is true."""
    kind = type(value)
    if kind is List or kind is Dict:
        return bool(value.items)
    if kind in (bool, int, str, bytes, tuple, range):
        return bool(value)
    return value is not None


def check_mutable(value: List | Dict) -> None:
    """Raises StarlarkError if `value` may not be changed now."""
    if value.frozen:
        raise StarlarkError(f"this {type_name(value)} belongs to a loaded module and is frozen")
    if value.loops:
        raise StarlarkError(f"this {type_name(value)} may not change while a loop goes over it")


def freeze(root: Value) -> None:
    """Make everything that can be reached from `root` immutable."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind is tuple:
            waiting += value
        elif kind in (List, Dict, Function) and not value.frozen:
            value.frozen = True
            if kind is List:
                waiting += value.items
            elif kind is Dict:
                # Keys are immutable, and what they hold is too.
                waiting += [pair[1] for pair in value.items.values()]
            else:
                waiting += value.defaults
                waiting += [cell.value for cell in value.cells]

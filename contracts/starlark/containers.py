"""Methods of lists and dicts."""

from __future__ import annotations

from contracts.starlark.binding import bind, expect_type
from contracts.starlark.errors import LimitReached, StarlarkError
from contracts.starlark.operators import equal, extend, insert, items_of, key_of, shown
from contracts.starlark.strings import Method
from contracts.starlark.thread import MAX_ITEMS, Thread
from contracts.starlark.values import Arguments, Dict, List, Named, Value, check_mutable


def _append(thread: Thread, target: List, args: Arguments, named: Named) -> Value:
    (item,) = bind("append", args, named, "item", least=1)
    check_mutable(target)
    if len(target.items) >= MAX_ITEMS:
        raise LimitReached(f"a list has {MAX_ITEMS} items at most")
    target.items.append(item)
    return None


def _extend(thread: Thread, target: List, args: Arguments, named: Named) -> Value:
    (items,) = bind("extend", args, named, "items", least=1)
    extend(thread, target, items)
    return None


def _insert(thread: Thread, target: List, args: Arguments, named: Named) -> Value:
    index, item = bind("insert", args, named, "index", "item", least=2)
    expect_type("insert: index", index, int, "an int")
    check_mutable(target)
    if len(target.items) >= MAX_ITEMS:
        raise LimitReached(f"a list has {MAX_ITEMS} items at most")
    thread.charge(len(target.items) >> 6)
    target.items.insert(max(min(index, MAX_ITEMS), -MAX_ITEMS), item)
    return None


def _pop_list(thread: Thread, target: List, args: Arguments, named: Named) -> Value:
    (index,) = bind("pop", args, named, "index")
    place = -1 if index is None else expect_type("pop: index", index, int, "an int")
    check_mutable(target)
    length = len(target.items)
    if not -length <= place < length:
        raise StarlarkError(f"index {place} is out of range for length {length}")
    thread.charge(length >> 6)
    return target.items.pop(place)


def _index(thread: Thread, target: List, args: Arguments, named: Named) -> Value:
    item, start, end = bind("index", args, named, "item", "start", "end", least=1)
    for bound in (start, end):
        if bound is not None:
            expect_type("index: a bound", bound, int, "an int")
    window = range(len(target.items))[start:end]
    thread.charge(2 * len(window))
    for place in window:
        if equal(thread, target.items[place], item):
            return place
    raise StarlarkError("the item is not in the list")


def _remove(thread: Thread, target: List, args: Arguments, named: Named) -> Value:
    (item,) = bind("remove", args, named, "item", least=1)
    check_mutable(target)
    place = _index(thread, target, [item], {})
    thread.charge(len(target.items) >> 6)
    del target.items[place]
    return None


def _clear(thread: Thread, target: List | Dict, args: Arguments, named: Named) -> Value:
    bind("clear", args, named)
    check_mutable(target)
    target.items.clear()
    return None


def _get(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    key, default = bind("get", args, named, "key", "default", least=1)
    pair = target.items.get(key_of(thread, key))
    return default if pair is None else pair[1]


def _keys(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    bind("keys", args, named)
    return List(items_of(thread, target))


def _values(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    bind("values", args, named)
    thread.charge_items(len(target.items))
    return List([pair[1] for pair in target.items.values()])


def _items(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    bind("items", args, named)
    thread.charge_items(len(target.items))
    return List(list(target.items.values()))


def _pop_dict(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    """`pop(key)` fails if there is no such key, `pop(key, default)` does not."""
    key, default = bind("pop", args, named, "key", "default", least=1)
    check_mutable(target)
    pair = target.items.pop(key_of(thread, key), None)
    if pair is not None:
        return pair[1]
    if len(args) + len(named) < 2:
        raise StarlarkError(f"the dict has no key {shown(key)}")
    return default


def _set_default(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    key, default = bind("setdefault", args, named, "key", "default", least=1)
    pair = target.items.get(key_of(thread, key))
    if pair is not None:
        return pair[1]
    check_mutable(target)
    insert(thread, target.items, key, default)
    return default


def _update(thread: Thread, target: Dict, args: Arguments, named: Named) -> Value:
    """`update(pairs, name = value...)`: pairs are a dict or a list of pairs."""
    (pairs,) = bind("update", args, {}, "pairs")
    check_mutable(target)
    fill(thread, target, pairs, named)
    return None


def fill(thread: Thread, target: Dict, pairs: Value, named: Named) -> None:
    """Insert pairs (a dict, or what gives sequences of two) and named values."""
    if type(pairs) is Dict:
        thread.charge_items(len(pairs.items))
        for key, value in list(pairs.items.values()):
            insert(thread, target.items, key, value)
    elif pairs is not None:
        for pair in items_of(thread, pairs):
            entry = items_of(thread, pair)
            if len(entry) != 2:
                raise StarlarkError("a dict is made of pairs")
            insert(thread, target.items, *entry)
    for name, value in named.items():
        insert(thread, target.items, name, value)


LIST_METHODS: dict[str, Method] = {
    "append": _append,
    "clear": _clear,
    "extend": _extend,
    "index": _index,
    "insert": _insert,
    "pop": _pop_list,
    "remove": _remove,
}
DICT_METHODS: dict[str, Method] = {
    "clear": _clear,
    "get": _get,
    "items": _items,
    "keys": _keys,
    "pop": _pop_dict,
    "setdefault": _set_default,
    "update": _update,
    "values": _values,
}

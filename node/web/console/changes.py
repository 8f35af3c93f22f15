"""What a proposal would change: each value before and after, and a contract's source as a diff."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consensus.genesis import PURPOSES

Query = Callable[[str, str, dict[str, Any]], Any]
MOST = 200
"""Rows of changes, and 10 times as many lines of a diff, that are shown."""
_MEMBER_STATUS = {"suspend": "suspended", "reinstate": "active", "expel": "expelled"}


@dataclass(frozen=True, slots=True)
class Change:
    """One value: where it stands, what it was (None: nothing), what it would be."""

    place: str
    before: Any
    after: Any


def changes_of(query: Query, kind: str, args: Mapping[str, Any]) -> list[Change]:
    """What a proposal of `kind` would change, as far as the state stands now; MOST at most."""
    before, after = _sides(query, kind, args)
    was, would = dict(_flat("", before)), dict(_flat("", after))
    places = [*would, *(place for place in was if place not in would)]
    found = [
        Change(place, was.get(place), would.get(place))
        for place in places if was.get(place) != would.get(place)
    ]  # fmt: skip
    return found[:MOST]


def _sides(query: Query, kind: str, args: Mapping[str, Any]) -> tuple[Any, Any]:
    """What stands, and what would stand, of what a proposal is about."""
    match kind:
        case "parameters":
            known = query("members", "parameters", {})
            return {name: known.get(name) for name in args["changes"]}, args["changes"]
        case "rule":
            share, window = query("governance", "rules", {}).get(args["kind"], (None, None))
            names = ("threshold_bp", "window_ms")
            return {"threshold_bp": share, "window_ms": window}, {n: args[n] for n in names}
        case "suspend" | "reinstate" | "expel":
            record = query("members", "get", {"name": args["member"]}) or {}
            return {"status": record.get("status")}, {"status": _MEMBER_STATUS[kind]}
        case "change":
            record = query("members", "get", {"name": args["member"]}) or {}
            wanted = {name: value for name, value in args.items() if name != "member"}
            return {name: record.get(name) for name in wanted}, wanted
        case "admit" | "rotate":
            card = args["card"]
            record = query("members", "get", {"name": card["name"]}) or {}
            keys = {f"{p} key": key for p, key in zip(PURPOSES, card["keys"], strict=True)}
            more = {name: value for name, value in args.items() if name != "card"}
            was = {f"{p} key": record.get(f"{p}_key") for p in PURPOSES} if record else {}
            return was, {**keys, **more}
        case "deploy" | "upgrade" | "retire":
            head = query("contracts", "get", {"name": args["name"]}) or {}
            status = "retired" if kind == "retire" else "active"
            version = head.get("version", 0) + (kind != "retire")
            return ({"status": head.get("status"), "version": head.get("version")},
                    {"status": status, "version": version})  # fmt: skip
        case "version":
            return {"version": query("members", "parameters", {})["version"]}, args
        case "access":
            return query("access", "rules", {}), args["rules"]
        case "ladder":
            return query("sanctions", "ladder", {}), args
        case "deliveries":
            return query("deliveries", "limits", {}), args
        case "pack":
            known = query("governance", "pack", {"name": args["name"]}) or (None, None)
            names = ("version", "digest")
            return dict(zip(names, known, strict=True)), {name: args[name] for name in names}
        case "statute":
            return query("governance", "statute", {"statute": args["statute"]}), args
        case _:  # of a newer release
            return {}, args


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each value within maps and lists, with where it stands."""
    if isinstance(value, Mapping):
        parts = [(str(name), part) for name, part in value.items()]
    elif isinstance(value, list) and any(isinstance(part, list | dict) for part in value):
        parts = [(_label(part, number), part) for number, part in enumerate(value, 1)]
    else:
        if value is not None:
            yield place, value
        return
    for name, part in parts:
        yield from _flat(f"{place}.{name}" if place else name, part)


def _label(part: Any, number: int) -> str:
    """How an entry of a list is called: by its name where it has one."""
    name = part.get("name") if isinstance(part, dict) else None
    return name if isinstance(name, str) else str(number)


def source_diff(before: str, after: str) -> list[str]:
    """Lines of a unified diff of two sources."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return list(lines)[2 : 10 * MOST]

"""How requests and decisions on them are found and shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from node.cli.common import Refused, ask, moment, pairs, table
from node.exchange.reasons import basis_text

NUMBER = click.argument("number", metavar="ID", type=click.IntRange(1))


def query_of(home: Path) -> Callable[[str, str, dict[str, Any]], Any]:
    return lambda contract, method, args: ask(home, contract, method, args)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def find_request(home: Path, number: int) -> dict[str, Any]:
    found = ask(home, "access", "request", {"request": number})
    if found is None:
        raise Refused(f"there is no request {number}; list them with: muniment request list")
    return dict(found)


def show_decision(decision: dict[str, Any], names: Sequence[str]) -> None:
    """Print an outcome with what is behind it: level, reviewers, plan, reasons."""
    from node.exchange.asking import show_hours

    head: list[tuple[str, object]] = [
        ("outcome", decision["outcome"].lower()),
        ("level", f"L{decision['level']}, {decision['class']}"),
    ]
    if decision["raised"]:
        head.append(("raised by", ", ".join(decision["raised"])))
    if decision["reviewers"]:
        head.append(("reviews by", ", ".join(decision["reviewers"])))
    head.append(("delivery", decision["mode"] + (", marked" if decision["watermark"] else "")))
    if decision["k"]:
        head.append(("groups of", f"{decision['k']} at least"))
    head += [("hours", show_hours(window)) for window in decision["hours"]]
    pairs(head)
    show_fields(decision["fields"], names)
    show_reasons(decision["reasons"], names)


def show_fields(fields: Sequence[Any], names: Sequence[str]) -> None:
    """Print which fields are delivered, and how each is masked."""
    rows = [(names[index], "-" if mask is None else _mask_text(mask)) for index, mask in fields]
    table(("field", "masked by"), rows)


def _mask_text(mask: Sequence[Any]) -> str:
    name, version, params = mask
    shown = ", ".join(f"{word}={value}" for word, value in params.items())
    return f"{name} v{version}" + (f" ({shown})" if shown else "")


def show_reasons(reasons: Sequence[Any], names: Sequence[str]) -> None:
    """Print what each rule said, the strictest first, and what would change it."""
    from node.exchange.reasons import change_text, rule_text

    ranks = ("DENY", "REVIEW", "APPROVE")
    ordered = sorted(reasons, key=lambda row: ranks.index(row[1]))
    rows = [
        (rule, outcome.lower(), rule_text(rule), change_text(change, names))
        for rule, outcome, change in ordered
    ]
    table(("rule", "says", "because", "would change it"), rows)


def show_briefs(rows: Sequence[dict[str, Any]]) -> None:
    """Print requests as a table."""
    cells = [
        (r["id"], r["recipient"], r["dataset"], f"L{r['level']}", r["purpose"], r["status"],
         ", ".join(r["waits_for"]) or r["rule"])
        for r in rows
    ]  # fmt: skip
    table(("id", "by", "dataset", "level", "purpose", "status", "waits for / rule"), cells)


def print_request(d: dict[str, Any], names: Sequence[str]) -> None:
    from node.exchange.asking import show_hours

    args, sealed = d["args"], d.get("sealed")
    rows: list[tuple[str, object]] = [
        ("request", f"{d['id']}, revision {d['revision']}"),
        ("by", d["recipient"] + (f"/{d['by']}" if d["by"] else "")),
        ("dataset", f"{args['dataset']}, version {args['version'] or 'any (series)'}"),
        ("fields", ", ".join(names[index] for index in args["fields"])),
    ]
    if args["key"] is not None:
        rows.append(("look-up by", names[args["key"]]))
    rows += [("filter", text) for text in _filter_texts(args, sealed, names)]
    rows += [
        ("purpose", f"{args['purpose']}, on the basis of {basis_text(args)}"),
        ("rows", args["rows"]),
        ("from", moment(args["from"])),
        ("until", moment(args["until"])),
        ("kept for", f"{args['retention_days']} days" + (", onward" if args["onward"] else "")),
        ("delivery", args["mode"]),
    ]
    if args["hours"] is not None:
        rows.append(("hours", show_hours(args["hours"])))
    if sealed and sealed["text"]:
        rows.append(("text", sealed["text"]))
    rows += [("level", f"L{d['level']}"), ("status", f"{d['status']} ({d['rule']})")]
    if d["waits_for"]:
        rows += [("waits for", ", ".join(d["waits_for"])), ("deadline", moment(d["deadline"]))]
    rows += [
        (f"  {kind}", f"{outcome} by {member}{'/' + person if person else ''} at height {height}")
        for kind, (member, person, outcome, height, _) in d["reviews"].items()
    ]
    pairs(rows)


def _filter_texts(args: dict[str, Any], sealed: Any, names: Sequence[str]) -> list[str]:
    from node.exchange.terms import SHOWN

    texts = []
    for place, (index, operator) in enumerate(args["filter"]):
        values = sealed["filter"][place] if sealed else ["..."]
        texts.append(f"{names[index]} {SHOWN[operator]} {', '.join(values)}")
    return texts

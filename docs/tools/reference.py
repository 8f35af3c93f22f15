"""Writes the manual's reference from the code: commands, settings, RPC, contracts, codes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import click

import config.settings
import node
from config.settings import Settings
from contracts.codes import NAMES, Code
from contracts.system import VERSIONS
from node import contract_docs
from node.cli import _COMMANDS, _SECTIONS, cli
from node.errors import MunimentError
from node.render import SENTENCES
from node.service import TOPICS, Service

OTHERS = "Others"
Pages = dict[str, str]


def pages() -> Pages:
    """All pages of the reference, by their path below `reference/`."""
    return {
        **command_pages(),
        "settings.md": settings_page(),
        "rpc.md": rpc_page(),
        **contract_pages(),
        "codes.md": codes_page(),
    }


def write(folder: Path) -> None:
    """Write the pages below `folder`."""
    for name, text in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


# Commands


def command_pages() -> Pages:
    """A page for each section of `muniment --help`."""
    named = {name for names in _SECTIONS.values() for name in names}
    sections = {**_SECTIONS, OTHERS: tuple(name for name in _COMMANDS if name not in named)}
    context = click.Context(cli, info_name="muniment")
    return {
        f"commands/{slug(title)}.md": _command_page(context, title, names)
        for title, names in sections.items()
        if names
    }


def _command_page(context: click.Context, title: str, names: Iterable[str]) -> str:
    parts = [f"# {title}\n"]
    for name in names:
        command = cli.get_command(context, name)
        assert command is not None
        parts += _command(click.Context(command, context, name), 2)
    return "\n".join(parts)


def _command(context: click.Context, depth: int) -> Iterator[str]:
    command = context.command
    yield f"{'#' * min(depth, 4)} {context.command_path}\n"
    yield _code(command.get_usage(context).removeprefix("Usage: ")) + "\n"
    yield _help(command.help or "") + "\n"
    rows = []
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is not None and record[1] and "--help" not in param.opts:
            rows.append((f"`{record[0]}`", record[1]))
    if rows:
        yield _table(("option", "what it does"), rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _command(click.Context(found, context, name), depth + 1)


def _help(text: str) -> str:
    """Click's help as Markdown: what stands after a `\\b` keeps its lines."""
    parts = []
    for part in inspect.cleandoc(text).split("\n\n"):
        parts.append(_code(part.partition("\n")[2]) if part.startswith("\b") else _escape(part))
    return "\n\n".join(parts)


# Settings


def settings_page() -> str:
    """Every key of `settings.toml`, with type and default."""
    parts = ["# Settings\n", "`HOME/settings.toml`; every key may be left out but `node.name`.\n"]
    hints = get_type_hints(Settings)
    for table in fields(Settings):
        kind = hints[table.name]
        assert is_dataclass(kind)
        parts += [f"## {table.name}\n", _escape(inspect.getdoc(kind) or "") + "\n"]
        rows = []
        for key in fields(kind):
            name = f"{table.name}.{key.name}"
            default = getattr(kind(), key.name)
            shown = "" if default in ("", (), {}) else f"`{_toml(default)}`"
            rows.append((f"`{name}`", _bounds(name, key.type), shown))
        parts.append(_table(("key", "value", "default"), rows))
    return "\n".join(parts)


def _bounds(name: str, kind: Any) -> str:
    if name in config.settings._BOUNDS:
        low, high = config.settings._BOUNDS[name]
        return f"{low} to {high}"
    if name in config.settings._CHOICES:
        return ", ".join(config.settings._CHOICES[name])
    if name in config.settings._FORMS:
        return config.settings._FORMS[name][1]
    return {"bool": "true or false", "str": "text"}.get(str(kind), "a list of texts")


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


# RPC


def rpc_page() -> str:
    """The node's methods, as their code tells of them."""
    blank = object.__new__(Service)
    rows = [
        (f"`{name}`", _escape(inspect.getdoc(handler) or ""))
        for name, handler in blank.methods.items()
    ]
    topics = ", ".join(f"`{topic}`" for topic in TOPICS)
    return "\n".join([
        "# RPC\n",
        "JSON-RPC 2.0 on the Unix socket `HOME/rpc.sock`, one object a line, open to the node's",
        "own user. Byte strings are hexadecimal. An error has a stable name, `error.data.code`.\n",
        _table(("method", "what it does"), rows),
        f"Topics of `subscribe`: {topics}.\n",
    ])  # fmt: skip


# Contracts


def contract_pages() -> Pages:
    """A page for each of the ledger's own contracts, by the latest rules."""
    latest = VERSIONS[max(VERSIONS)]
    return {f"contracts/{name}.md": _contract(name) for name in sorted(latest)}


def _contract(name: str) -> str:
    contract = contract_docs.own(name)
    assert contract is not None
    found = contract_docs.describe(contract)
    parts = [f"# {name}\n", _escape(found["doc"]) + "\n"]
    for title, kind in (("Methods", "methods"), ("Queries", "queries")):
        if found[kind]:
            parts.append(f"## {title}\n")
        for part in found[kind]:
            parts += [f"### {name}.{part['name']}\n", _escape(part["doc"]) + "\n"]
            if part.get("duties"):
                duties = ", ".join(f"`{duty}`" for duty in part["duties"])
                parts.append(f"For operators with one of the duties {duties}.\n")
            rows = [
                (f"`{a['name']}`", _escape(a["type"]), "may be left out" if a["optional"] else "")
                for a in part["arguments"]
            ]
            if rows:
                parts.append(_table(("argument", "is", ""), rows))
    if found["events"]:
        parts += ["## Events\n", ", ".join(f"`{event}`" for event in found["events"])]
        parts.append("and, where records have a status, one named as each new status.\n")
    return "\n".join(parts)


# Codes


def codes_page() -> str:
    """Result codes of transactions, then the codes of errors that people and machines get."""
    results = [
        (str(int(code)), f"`{NAMES[code]}`", _escape(SENTENCES.get(code, "").replace("{}", "…")))
        for code in Code
    ]
    errors = [(f"`{code}`", _escape(doc)) for code, doc in sorted(_errors().items())]
    return "\n".join([
        "# Error codes\n",
        "## Results of transactions\n",
        "A number never changes its meaning; it stands in the receipt.\n",
        _table(("code", "name", "sentence"), results),
        "## Errors of commands, the node and pages\n",
        "The name stands in `error.data.code` of the RPC. Exit status: 0 done, 1 refused or",
        "failed, 2 wrong usage.\n",
        _table(("code", "when"), errors),
    ])  # fmt: skip


def _errors() -> dict[str, str]:
    """Code and first paragraph of each error's class; the most general where several share one."""
    for module in pkgutil.walk_packages(node.__path__, "node."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: dict[str, str] = {}
    waiting: list[type[MunimentError]] = [MunimentError]
    while waiting:
        kind = waiting.pop(0)
        paragraph = (inspect.getdoc(kind) or "").partition("\n\n")[0]
        found.setdefault(kind.code, " ".join(paragraph.split()))
        waiting += sorted(kind.__subclasses__(), key=lambda each: each.__qualname__)
    return found


# Markdown


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _escape(text: str) -> str:
    """Text that Markdown and HTML leave as it is, outside code between backticks."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([<>*_\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _code(text: str) -> str:
    return f"```\n{text}\n```"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    cells = (
        " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) for row in lines
    )
    return "".join(f"| {line} |\n" for line in cells)

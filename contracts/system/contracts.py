"""Contracts that members have deployed: their source, and the way to their methods.

`deploy`, `upgrade` and `retire` are effects of a vote: the ledger's own code calls them, and no
method does. A contract's state stays when it is upgraded or retired; a retired contract answers
queries and takes no calls. Its name is never given again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from consensus.codec import Value
from consensus.crypto import sha256
from contracts import checks
from contracts.api import Args, Context, Contract, Failure, QuerySignature, Reader, fail, plain
from contracts.codes import Code
from contracts.starlark.errors import StarlarkError
from contracts.starlark.module import Declared, Module
from contracts.starlark.runtime import contract_of, load_module, run_hook
from contracts.state import StateReader

NAME = "contracts"
MAX_CONTRACTS = 256
"""Names that may ever be given."""
MAX_CONTRACT_NAME = 32
PAGE = 100
MAX_LOADED = 256
_HEAD = b"head/"
_SOURCE = b"source/"
_COUNT = b"count"
_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME_REST = _NAME_FIRST | frozenset("0123456789-")

_Loaded = tuple[Module, Contract]
_loaded: dict[tuple[str, bytes], _Loaded] = {}
"""Modules by name and digest of source: what loading gives is a function of these alone."""


def deploy(ctx: Context, name: str, source: str, title: str = "") -> None:
    """Add a contract, and run its `setup()` if it has one. Raises Failure and changes nothing."""
    mine = ctx.as_contract(CONTRACT)
    check(name, source)
    if name in ctx.contracts or mine.get(_HEAD + name.encode("ascii")) is not None:
        fail(Code.EXISTS, name)
    count = mine.get(_COUNT) or 0
    if count >= MAX_CONTRACTS:
        fail(Code.TOO_MANY_CONTRACTS, MAX_CONTRACTS)
    _install(ctx, name, source, title, 1, "setup", {})
    mine.put(_COUNT, count + 1)
    mine.emit("deployed", [name, 1, sha256(source.encode("utf-8"))])


def upgrade(ctx: Context, name: str, source: str) -> None:
    """Replace a contract's code, keep its state, and run its `migrate(version)` if it has one.

    `version` is the version that is replaced. Raises Failure and changes nothing.
    """
    mine = ctx.as_contract(CONTRACT)
    check(name, source)
    head = _active(mine, name)
    version = head["version"] + 1
    _install(ctx, name, source, head["title"], version, "migrate", {"version": version - 1})
    mine.emit("upgraded", [name, version, sha256(source.encode("utf-8"))])


def retire(ctx: Context, name: str) -> None:
    """Let a contract take no more calls. Raises Failure."""
    mine = ctx.as_contract(CONTRACT)
    head = _active(mine, name)
    mine.put(_HEAD + name.encode("ascii"), {**head, "status": "retired"})
    mine.emit("retired", [name, head["version"]])


def check(name: str, source: str) -> Contract:
    """Return what `source` declares. Raises Failure if it cannot be deployed under `name`."""
    if not 0 < len(name) <= MAX_CONTRACT_NAME or name[0] not in _NAME_FIRST:
        fail(Code.BAD_ARGUMENT, "name: must begin with a letter and have 1 to 32 bytes")
    if not _NAME_REST.issuperset(name):
        fail(Code.BAD_ARGUMENT, "name: must be of a-z, 0-9 and '-'")
    return _load(name, source)[1]


def _load(name: str, source: str) -> _Loaded:
    key = (name, sha256(source.encode("utf-8")))
    found = _loaded.get(key)
    if found is None:
        try:
            module = load_module(name, source)
        except StarlarkError as error:
            where = f"{name}:{error.trace[0].line}: " if error.trace else ""
            fail(Code.BAD_SOURCE, plain(where + error.message))
        if not module.methods and not module.queries:
            fail(Code.BAD_SOURCE, f"{name}: no method and no query is declared")
        if not module.doc:
            fail(Code.BAD_SOURCE, f"{name}:1: the source begins with no docstring")
        found = module, contract_of(module, find)
        if len(_loaded) >= MAX_LOADED:
            del _loaded[next(iter(_loaded))]
        _loaded[key] = found
    return found


def _active(mine: Context, name: str) -> Any:
    head = mine.get(_HEAD + name.encode("utf-8"))
    if head is None:
        fail(Code.NOT_FOUND, plain(name))
    if head["status"] != "active":
        fail(Code.RETIRED, name)
    return head


def _install(
    ctx: Context, name: str, source: str, title: str, version: int, hook: str, args: Args
) -> None:
    """Store code and head, then let the new code prepare the state; all of it or nothing."""
    mark = ctx.mark()
    mine = ctx.as_contract(CONTRACT)
    module, contract = _load(name, source)
    key = name.encode("ascii")
    digest = sha256(source.encode("utf-8"))
    mine.put(_SOURCE + key, source)
    mine.put(
        _HEAD + key,
        {
            "name": name,
            "title": title,
            "version": version,
            "digest": digest,
            "status": "active",
            "height": ctx.block.height,
        },
    )
    try:
        inner = ctx.as_contract(contract, gas=ctx.block.parameters.max_gas)
        run_hook(inner, module, contract, find, hook, args)
    except Failure:
        ctx.roll_back(mark)
        raise


def find(state: StateReader, name: str) -> Contract | None:
    """Return a deployed contract by name, or None. The methods of a retired one refuse."""
    reader = Reader(state, NAME)
    head = reader.get(_HEAD + name.encode("utf-8"))
    if head is None:
        return None
    found = _loaded.get((name, head["digest"]))
    if found is None:
        found = _load(name, reader.get(_SOURCE + name.encode("utf-8")))
    contract = found[1]
    if head["status"] != "active":
        closed = {word: replace(made, run=_refuse) for word, made in contract.methods.items()}
        return replace(contract, methods=closed)
    return contract


def _refuse(ctx: Context, args: Args) -> None:
    fail(Code.RETIRED, ctx.contract)


def describe(module: Module) -> dict[str, Value]:
    """Return what a contract declares: its methods and queries, their arguments and types."""
    return {
        "name": module.name,
        "doc": module.doc,
        "methods": [_describe(name, found) for name, found in module.methods.items()],
        "queries": [_describe(name, found) for name, found in module.queries.items()],
    }


def _describe(name: str, declared: Declared) -> Value:
    return {
        "name": name,
        "doc": declared.doc,
        "arguments": [
            {"name": word, "type": found.text, "optional": found.is_optional}
            for word, found in declared.arguments
        ],
    }


def _query_list(state: StateReader, args: Args) -> Value:
    """Heads of contracts by name, above `after`."""
    start = _HEAD + args["after"].encode("utf-8") if "after" in args else b""
    return [head for _, head in Reader(state, NAME).scan(_HEAD, start, PAGE)]


def _query_get(state: StateReader, args: Args) -> Value:
    """A contract's head and source, or None."""
    reader = Reader(state, NAME)
    key = args["name"].encode("ascii")
    head = reader.get(_HEAD + key)
    return None if head is None else {**head, "source": reader.get(_SOURCE + key)}


def _query_describe(state: StateReader, args: Args) -> Value:
    """A contract's methods and queries with arguments and types, or null."""
    reader = Reader(state, NAME)
    key = args["name"].encode("ascii")
    head = reader.get(_HEAD + key)
    if head is None:
        return None
    module, _ = _load(args["name"], reader.get(_SOURCE + key))
    return {**describe(module), "version": head["version"], "status": head["status"]}


_BY_NAME = {"name": checks.slug}
CONTRACT = Contract(
    NAME,
    methods={},
    queries={
        "list": QuerySignature(_query_list, {"after": checks.slug}, frozenset(("after",))),
        "get": QuerySignature(_query_get, _BY_NAME),
        "describe": QuerySignature(_query_describe, _BY_NAME),
    },
)

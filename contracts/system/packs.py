"""Packs of rules that members apply off the chain, such as those that grade data: which one counts.

The chain names a pack by version and digest; nodes get its text by other ways and check it.
"""

from __future__ import annotations

from collections.abc import Mapping

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Checker, Context, QuerySignature, Reader, fail
from contracts.codes import Code
from contracts.state import StateReader

NAMES = ("classification",)
_PACK = b"pack/"
_NAME: Mapping[str, Checker] = {"name": checks.one_of(*NAMES)}
ARGUMENTS: Mapping[str, Checker] = {
    **_NAME,
    "version": checks.integer(1, 1 << 32),
    "digest": checks.data(32),
}


def activate(ctx: Context, args: Args) -> None:
    """The effect of a vote: from now on this version counts. Versions only grow."""
    key = _PACK + args["name"].encode("ascii")
    known = ctx.get(key)
    if known is not None and args["version"] <= known[0]:
        fail(Code.WRONG_VERSION, known[0])
    ctx.put(key, [args["version"], args["digest"]])
    ctx.emit("pack", [args["name"], args["version"], args["digest"]])


def query(contract: str) -> QuerySignature:
    """Return the question to `contract`, which keeps the packs: [version, digest] or null."""

    def run(state: StateReader, args: Args) -> Value:
        """A pack of rules by name, or null."""
        found: Value = Reader(state, contract).get(_PACK + args["name"].encode("ascii"))
        return found

    return QuerySignature(run, _NAME)

"""What a network of honest nodes promises whatever happens to them, checked through RPC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from node.devnet import Devnet
from node.errors import MunimentError
from node.perturb.operator import Operator
from node.rpc.client import Client

TIMEOUT_S = 90.0


class BrokenPromiseError(MunimentError):
    """A promise does not hold; the message says which, and where."""

    code = "promise"


def check_reports(operators: Iterable[Operator]) -> dict[str, int]:
    """Agreement of all that was reported so far; returns what is final, with heights."""
    blocks: dict[int, tuple[str, str]] = {}
    final: dict[str, int] = {}
    for operator in operators:
        seen = operator.seen
        if seen.problems:
            raise BrokenPromiseError(f"{operator.name}: {seen.problems[0]}")
        for height, digest in seen.blocks.copy().items():
            known, by = blocks.setdefault(height, (digest, operator.name))
            if known != digest:
                raise BrokenPromiseError(
                    f"height {height} differs between {by} and {operator.name}"
                )
        for txid, height in seen.final.copy().items():
            if final.setdefault(txid, height) != height:
                raise BrokenPromiseError(f"{txid[:12]} is final at two heights")
    return final


def check_end(net: Devnet, operators: Sequence[Operator]) -> dict[str, int]:
    """All that must hold once trouble and load have ended; returns counts of what was checked.

    Every node has the same chain and state; what was reported final is in it, once; what a node
    that still runs has accepted is final or refused; nobody contradicted itself.
    """
    names = net.names
    for name in names:
        net.wait(name, lambda s: not s["mempool"]["count"], timeout_s=TIMEOUT_S)
    rows = _level(net, names)
    if len({row["state_root"] for row in rows}) != 1:
        raise BrokenPromiseError("state roots differ at one height")
    for row in rows:
        if row["evidence"]:
            raise BrokenPromiseError(f"{row['name']} holds evidence against an honest node")
    top = rows[0]["height"]
    chains = [_read_chain(net, name, top) for name in names]
    for name, chain in zip(names, chains, strict=True):
        if chain != chains[0]:
            raise BrokenPromiseError(f"{name} has another chain than {names[0]}")
    reported = check_reports(operators)
    for txid, height in reported.items():
        if chains[0].get(txid) != height:
            raise BrokenPromiseError(f"{txid[:12]}, reported final at {height}, is not there")
    pids = {row["name"]: row["pid"] for row in rows}
    for operator in operators:
        _check_accepted(net, operator, pids[operator.name], chains[0])
    votes = check_votes([net.home(name).path / "votes.log" for name in names])
    accepted = sum(len(operator.accepted) for operator in operators)
    return {
        "accepted": accepted,
        "final": len(chains[0]),
        "reported": len(reported),
        "height": top,
        "votes": votes,
    }


def _level(net: Devnet, names: Sequence[str]) -> list[dict[str, Any]]:
    """Wait until all stand at one height; with nothing to do the chain rests there."""
    while True:
        top = max(row["height"] for row in net.status())
        rows = [net.wait(n, partial(_stands_at, top), timeout_s=TIMEOUT_S) for n in names]
        if len({row["height"] for row in rows}) == 1:
            return rows


def _stands_at(height: int, status: dict[str, Any]) -> bool:
    return bool(status["height"] >= height)


def _read_chain(net: Devnet, name: str, top: int) -> dict[str, int]:
    """Height of every transaction in the node's chain."""
    heights: dict[str, int] = {}
    with Client(net.home(name).socket) as client:
        for height in range(1, top + 1):
            for row in client.call("block.get", height=height)["transactions"]:
                if row["txid"] in heights:
                    raise BrokenPromiseError(f"{row['txid'][:12]} is in the chain twice")
                heights[row["txid"]] = height
    return heights


def _check_accepted(net: Devnet, operator: Operator, pid: int, chain: dict[str, int]) -> None:
    with Client(net.home(operator.name).socket) as client:
        for txid, taken_by in operator.accepted.items():
            if txid in chain or taken_by != pid:
                continue  # a process that ended took what waited with it, as its operator knows
            state = client.call("tx.get", txid=txid)["state"]
            if state in ("pending", "unknown"):
                raise BrokenPromiseError(f"{operator.name} lost {txid[:12]}, which it accepted")


def check_votes(files: Iterable[Path]) -> int:
    """Look for two votes by one key that contradict each other; returns how many votes differ."""
    statements: dict[tuple[str, str, str, str], tuple[str, str]] = {}
    for file in files:
        for line in file.read_text().splitlines() if file.exists() else ():
            fields = line.split()
            if len(fields) != 7:
                continue  # a kill cut the line short
            epoch, view, kind, signer, parent, digest, _ = fields
            said = (parent, digest)
            if statements.setdefault((epoch, view, kind, signer), said) != said:
                raise BrokenPromiseError(f"validator {signer} contradicts itself in view {view}")
    for epoch, view, kind, signer in statements:
        if kind == "FINALIZE" and (epoch, view, "NULLIFY", signer) in statements:
            raise BrokenPromiseError(f"validator {signer} contradicts itself in view {view}")
    return len(statements)

"""What a unit of gas costs, and a call of a deployed contract.

    python -m bench.starlark [--rounds 3] [--json]

Each program uses up the default gas of a transaction; the figures are CPU milliseconds for that
much gas, the best of the rounds. The last row is a small method, in microseconds of CPU for one
transaction, without signature.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time

from bench.contracts import Chain
from consensus.validators import Parameters
from contracts.api import Context, Execution, Failure
from contracts.engine import execute_block
from contracts.envelope import Call
from contracts.state import Overlay
from contracts.system import VERSIONS, contracts

_SMALL = '''"""A counter."""

def add(by):
    """Add to the count."""
    n = state.get("n", 0) + by
    state.put("n", n)
    emit("added", n)

method(add, by = integer(0, 1000))
'''
PROGRAMS = {
    "integers": "x = 0\nfor i in range(1 << 60):\n    x = (x * 31 + i) % 65537",
    "empty loop": "for i in range(1 << 60):\n    pass",
    "calls": "for i in range(1 << 60):\n    _same(i)",
    "builtins": "x = 'a,b'\nfor i in range(1 << 60):\n    len(x.split(','))",
    "dicts": "d = {}\nfor i in range(1 << 60):\n    d[str(i % 1000)] = i",
    "lists": "for i in range(1 << 60):\n    x = [i, i + 1, (i, 'a')]",
    "strings": "x = 'a' * 5000\nfor i in range(1 << 60):\n    y = x + x",
    "formatting": "for i in range(1 << 60):\n    x = '%s %d' % ('abc', i)",
    "sorting": "x = list(range(3000))\nfor i in range(1 << 60):\n    sorted(x, key = _same)",
    "equality": "x = [[1, 2], {'a': [3]}]\ny = [[1, 2], {'a': [3]}]\n"
    "for i in range(1 << 60):\n    x == y",
    "deep values": "x = [1]\nfor i in range(40):\n    x = [x, x]\nstr(x)",
    "comprehensions": "for i in range(1 << 60):\n    x = [j * 2 for j in range(50) if j % 3]",
    "reading state": "state.put('k', [1, 2, 3])\nfor i in range(1 << 60):\n    state.get('k')",
    "writing state": "for i in range(1 << 60):\n    state.put('k%d' % i, [i, 'value'])",
    "scanning state": "for i in range(50):\n    state.put('k%d' % i, i)\n"
    "for i in range(1 << 60):\n    state.scan('k')",
    "events": "for i in range(1000):\n    emit('e', [i, 'a' * 600])",
}


def _program(body: str) -> str:
    rows = "\n".join("    " + row for row in body.split("\n"))
    return (
        '"""A program."""\n\ndef _same(x):\n    return x\n\ndef go():\n    """Go."""\n'
        + rows
        + "\n\nmethod(go)\n"
    )


def _deploy(chain: Chain, name: str, source: str) -> None:
    overlay = Overlay(chain.state)
    shared = (chain.context(1), overlay, VERSIONS[1], contracts.find)
    execution = Execution(*shared, "land", bytes(32), bytes(32), 0)
    contracts.deploy(Context(execution, contracts.CONTRACT, 0, None), name, source)
    chain.state.apply(overlay.changes)


def measure(rounds: int) -> dict[str, tuple[float, int]]:
    """Return, by program, milliseconds of CPU for the default gas, and the gas that was used."""
    chain = Chain()
    limit = Parameters().max_gas
    found: dict[str, tuple[float, int]] = {}
    for number, (name, body) in enumerate(PROGRAMS.items()):
        _deploy(chain, f"p{number}", _program(body))
        figures = []
        for _ in range(rounds):
            shared = (chain.context(2), Overlay(chain.state), VERSIONS[1], contracts.find)
            execution = Execution(*shared, "land", bytes(32), bytes(32), limit)
            started = time.process_time()
            with contextlib.suppress(Failure):  # most go on until their gas is used up
                execution.run(0, None, f"p{number}", "go", {})
            figures.append(time.process_time() - started)
        used = execution.thread.used
        found[name] = (round(min(figures) * 1e3 * limit / used, 1), used)
    return found


def measure_small(rounds: int, transactions: int = 500) -> float:
    """Return microseconds of CPU for a transaction that calls a small method."""
    chain = Chain()
    _deploy(chain, "counter", _SMALL)
    calls = [chain.sign(n, (Call("counter", "add", {"by": 1}),)) for n in range(transactions)]
    figures = []
    for _ in range(rounds):
        started = time.process_time()
        result = execute_block(chain.state, chain.context(2), calls)
        figures.append((time.process_time() - started) * 1e6 / transactions)
        if any(receipt.code for receipt in result.receipts):
            raise RuntimeError(f"a call failed: {result.receipts[0]}")
    return round(min(figures), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.starlark")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.rounds)
    small = measure_small(options.rounds)
    if options.json:
        print(json.dumps({"ms for the default gas": figures, "small method, us": small}))
        return
    for name, (ms, used) in figures.items():
        print(f"{name:<16}{ms:>8.1f} ms for the default gas{used:>12,} used")
    print(f"small method    {small:>8.1f} us a transaction")


if __name__ == "__main__":
    main()

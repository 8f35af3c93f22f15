"""Random contracts: none may escape, and time and memory stay within what gas says.

    python -m bench.fuzz [--programs 100000] [--seed 1] [--gas 100000]

Each contract is loaded and its method called twice, on the same state; results, gas, changes and
events must be equal, and a call that fails must change nothing. Reported are outcomes, the slowest
in nanoseconds of CPU for a unit of gas (of those that used at least half of the gas; loading
included), the peak of resident memory, and a digest of all: the same on every machine.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import time
from collections import Counter
from random import Random

from bench.contracts import Chain
from consensus.codec import encode
from contracts.api import Contract, Execution, Failure
from contracts.starlark.errors import StarlarkError
from contracts.starlark.runtime import contract_of, load_module
from contracts.state import Overlay, StateReader
from contracts.system import VERSIONS

_NAMES = {"int": ("i", "j"), "str": ("s", "t"), "list": ("x", "y"), "dict": ("d", "e")}
_ATOMS = {
    "int": ("0", "1", "-1", "2", "7", "300", "(1 << 60)", "((1 << 255) - 1)", "True"),
    "str": ("''", "'ab'", "'a b,c'", "'%s'", "'{}'", "('é' * 999)", "('ab' * 9999)"),
    "list": ("[]", "[3, 1, 2]", "([0] * 999)", "range(9)", "range(99999)", "(1, (2, 'x'))"),
    "dict": ("{}", "{'a': 1, 2: [3]}", "{(1, True): {}}"),
}
_KINDS = tuple(_ATOMS)
_FORMS = {
    "int": (
        "({int} + {int})", "({int} * {int})", "({int} - {int})", "({int} // {int})",
        "({int} % {int})", "({int} << {int})", "({int} | {int})", "len({list})", "len({str})",
        "len({dict})", "({any} == {any})", "({int} < {int})", "({any} in {list})",
        "({str} in {str})", "{str}.count({str})", "{str}.find({str})", "{str}.rfind({str})",
        "hash_of({str})", "max([{int}, {int}])", "abs({int})", "({any} or {int})",
        "(lambda i, *a: {int})({int}, *{list})", "twice({int})", "sum_of({list})",
    ),
    "str": (
        "({str} + {str})", "({str} * {int})", "str({any})", "repr({any})", "('%s' % ({any},))",
        "{str}.replace({str}, {str})", "'{{}}{{}}'.format({any}, {any})", "{str}.upper()",
        "{str}.strip({str})", "{str}[{int}:]", "{str}[::{int}]", "type({any})",
        "{str}.join({list})",
        "({str} if {any} else {str})", "'x'.join([str(i) for i in {list}])", "{str}.lower()",
    ),
    "list": (
        "({list} + {list})", "(list({list}) * {int})", "list({list})", "sorted({list})",
        "sorted({list}, key = lambda i: {any})", "{list}[{int}:{int}]", "{str}.split({str})",
        "{str}.split()", "{str}.rsplit({str})", "{str}.elems()", "{str}.splitlines()",
        "[{any} for i in {list}]", "[{any} for i in {list} for j in {list} if {any}]",
        "{dict}.keys()", "{dict}.items()", "{dict}.values()", "list(zip({list}, {list}))",
        "enumerate({list})", "reversed({list})", "[{any}, {any}]", "[{list}, {list}]",
    ),
    "dict": (
        "({dict} | {dict})", "dict({dict})", "{{{int}: {any}}}", "{{{str}: {any}}}",
        "{{i: {any} for i in {list}}}", "{{str(i): {any} for i in {list}}}", "dict(s = {any})",
    ),
}  # fmt: skip
_STATEMENTS = (
    "i = {int}", "j += {int}", "s = {str}", "t += {str}", "x = list({list})", "y += {list}",
    "d = {dict}", "e |= {dict}", "d[{str}] = {any}", "e[{int}] = {any}", "x.append({any})",
    "x.extend({list})", "x.insert({int}, {any})", "d.update({dict})", "e.setdefault({int}, {any})",
    "x = [x, x]", "s = s + s", "y += y", "i = i * i", "return {any}", "print({any})",
    "state.put('k%s' % {str}[:9], {any})", "d = state.get('k%s' % {str}[:9], {dict})",
    "state.delete({str})", "x = state.scan({str}[:1], limit = {int})", "emit('e', {any})",
    "emit('e', [i, s])", "s = str(ctx.member({str}))", "fail('word', {int})",
    "x = [call('f', 'go')]", "d = ask('members', 'get', name = {str})",
    "i += ask('f', 'look', at = {str})", "s = ctx.sender", "i = ctx.time + ctx.height",
)  # fmt: skip
_HEADS = (
    "if {any}:", "for i in {list}:", "for j in range({int}):", "for j in range(99999):",
    "for t in {str}.elems():", "for s in [{str}]:",
)  # fmt: skip
_START = """\
'Fuzz.'
def twice(n): return n * 2
def hash_of(s): return sha256(bytes(s))[0]
def sum_of(items):
  n = 0
  for i in items: n += 1
  return n
def look(at):
  'Look.'
  return len(str(state.get(at)))
def go():
  'Go.'
  i, j, s, t, x, y, d, e = 1, 2, 'a', 'b c', [1], [], {}, {1: 2}
"""
_END = "method(go)\nquery(look, at = text(200))\n"


class Writer:
    """Writes programs from a seed. Most operands fit, so that most programs get somewhere."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def expression(self, kind: str, depth: int) -> str:
        pick = self.random.choice
        if kind == "any" or self.random.random() < 0.01:
            kind = pick(_KINDS)
        if depth == 0 or self.random.random() < 0.3:
            return pick(_NAMES[kind] * 3 + _ATOMS[kind])
        return self.fill(pick(_FORMS[kind]), depth - 1)

    def fill(self, form: str, depth: int) -> str:
        """Replace each kind in braces by an expression of that kind."""
        for kind in (*_KINDS, "any"):
            while (place := form.find("{" + kind + "}")) >= 0:
                inner = self.expression(kind, depth).replace("{", "\x01").replace("}", "\x02")
                form = form[:place] + inner + form[place + len(kind) + 2 :]
        form = form.replace("{{", "\x01").replace("}}", "\x02")
        return form.replace("\x01", "{").replace("\x02", "}")

    def block(self, depth: int, indent: str) -> list[str]:
        rows: list[str] = []
        for _ in range(self.random.randint(1, 4)):
            rows += self.statement(depth, indent)
        return rows

    def statement(self, depth: int, indent: str) -> list[str]:
        if depth and self.random.random() < 0.35:
            head = self.fill(self.random.choice(_HEADS), 2)
            return [indent + head, *self.block(depth - 1, indent + "  ")]
        return [indent + self.fill(self.random.choice(_STATEMENTS), 3)]

    def program(self) -> str:
        return _START + "\n".join(self.block(3, "  ")) + "\n" + _END


Outcome = tuple[str, object, int, bytes]


def execute(chain: Chain, source: str, gas: int) -> Outcome:
    """Return the kind of outcome, its details, the gas, and what was changed and announced."""
    try:
        module = load_module("f", source)
    except StarlarkError as error:
        return f"not loaded: {type(error).__name__}", error.message, 0, b""
    contract = contract_of(module, lambda state, name: found(state, name))

    def found(state: StateReader, name: str) -> Contract | None:
        return contract if name == "f" else None

    overlay = Overlay(chain.state)
    overlay.put(b"star/f/k1", encode([1, "one"]))
    overlay.begin()
    before = dict(overlay.changes)
    shared = (chain.context(2), overlay, VERSIONS[1], found)
    execution = Execution(*shared, "land", bytes(32), bytes(32), gas)
    used = execution.thread
    try:
        result = execution.run(0, None, "f", "go", {})
    except Failure as failure:
        overlay.roll_back()
        if overlay.changes != before:
            raise RuntimeError(f"a call that failed has changed the state:\n{source}") from failure
        return failure.code.name, failure.details, used.used, b""
    rows = [[key, value] for key, value in sorted(overlay.changes.items())]
    events = [[event.name, event.data] for event in execution.events]
    return "done", result, used.used, encode([rows, events])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz")
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gas", type=int, default=100_000)
    options = parser.parse_args()
    chain = Chain()
    outcomes: Counter[str] = Counter()
    slowest: list[tuple[float, int]] = []
    digest = hashlib.sha256()
    for number in range(options.programs):
        source = Writer(options.seed * 1_000_003 + number).program()
        first = execute(chain, source, options.gas)
        started = time.process_time()
        second = execute(chain, source, options.gas)
        spent = time.process_time() - started
        if first != second:
            raise RuntimeError(f"program {number} ended differently:\n{source}\n{first}\n{second}")
        outcomes[first[0]] += 1
        digest.update(repr(first).encode())
        if first[2] >= options.gas // 2:
            slowest = sorted([*slowest, (spent * 1e9 / first[2], number)], reverse=True)[:5]
    for kind, count in outcomes.most_common():
        print(f"{kind:<28}{count:>10,}")
    for rate, number in slowest:
        print(f"program {number:<8}{rate:>8.0f} ns for a unit of gas, loading included")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"peak of memory  {peak:>8} MB")
    print(f"digest of all   {digest.hexdigest()}")


if __name__ == "__main__":
    main()

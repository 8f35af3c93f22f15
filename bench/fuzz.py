"""Random contracts: none may escape, and time and memory stay within what gas says.

    python -m bench.fuzz [--programs 100000] [--seed 1] [--gas 100000]

Each program runs twice; results and gas must be equal. Reported are outcomes, the slowest programs
in nanoseconds of CPU for a unit of gas (of those that used at least half of the gas), the peak of
resident memory, and a digest of all outcomes: the same on every machine and edition of Python.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import time
from collections import Counter
from random import Random

from contracts.starlark.errors import StarlarkError
from contracts.starlark.expressions import Builder
from contracts.starlark.library import UNIVERSAL
from contracts.starlark.parser import parse
from contracts.starlark.resolver import resolve
from contracts.starlark.statements import run_module
from contracts.starlark.thread import Thread
from contracts.starlark.values import UNSET

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
)  # fmt: skip
_HEADS = (
    "if {any}:", "for i in {list}:", "for j in range({int}):", "for j in range(99999):",
    "for t in {str}.elems():", "for s in [{str}]:",
)  # fmt: skip
_START = """\
def twice(n): return n * 2
def hash_of(s): return sha256(bytes(s))[0]
def sum_of(items):
  n = 0
  for i in items: n += 1
  return n
def main():
  i, j, s, t, x, y, d, e = 1, 2, 'a', 'b c', [1], [], {}, {1: 2}
"""


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
        return _START + "\n".join(self.block(3, "  ")) + "\nmain()\n"


def execute(source: str, gas: int) -> tuple[str, str, int]:
    """Return the kind of outcome, its message, and the gas."""
    thread = Thread(gas)
    try:
        body = parse(source)
        resolved = resolve(body, UNIVERSAL)
        builder = Builder("fuzz", resolved, UNIVERSAL, [UNSET] * len(resolved.globals))
        run_module(builder, body, thread)
    except StarlarkError as error:
        return type(error).__name__, error.message, thread.used
    return "value", "", thread.used


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz")
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gas", type=int, default=100_000)
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    slowest: list[tuple[float, int]] = []
    digest = hashlib.sha256()
    for number in range(options.programs):
        source = Writer(options.seed * 1_000_003 + number).program()
        first = execute(source, options.gas)
        started = time.process_time()
        second = execute(source, options.gas)
        spent = time.process_time() - started
        if first != second:
            raise RuntimeError(f"program {number} ended differently:\n{source}\n{first}\n{second}")
        outcomes[first[0]] += 1
        digest.update(repr(first).encode())
        if first[2] >= options.gas // 2:
            slowest = sorted([*slowest, (spent * 1e9 / first[2], number)], reverse=True)[:5]
    for kind, count in outcomes.most_common():
        print(f"{kind:<16}{count:>10,}")
    for rate, number in slowest:
        print(f"program {number:<8}{rate:>8.0f} ns for a unit of gas, compiling included")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"peak of memory  {peak:>8} MB")
    print(f"digest of all   {digest.hexdigest()}")


if __name__ == "__main__":
    main()

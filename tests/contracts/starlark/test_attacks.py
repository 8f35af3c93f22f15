"""Programs that take more than their share end soon, with one of our errors, in little memory."""

from __future__ import annotations

import contextlib
import sys
import tracemalloc

import pytest

from contracts.starlark.errors import LimitReached, OutOfGas, StarlarkError, SyntaxFault
from contracts.starlark.parser import parse
from contracts.starlark.thread import MAX_NESTING, MAX_TEXT
from tests.contracts.starlark.support import GAS, fault, run

MEMORY_CAP = 96 << 20


def loop(first: str, body: str, times: int = 1_000_000) -> str:
    return f"def f():\n    {first}\n    for i in range({times}):\n        {body}\nf()"


def grown(first: str, step: str, last: str, times: int = 50) -> str:
    """Two values that grow alike, and what is done with them at the end."""
    return (
        f"def f():\n    x = {first}\n    y = {first}\n    for i in range({times}):\n"
        f"        x = {step.format('x')}\n        y = {step.format('y')}\n    return {last}\nf()"
    )


ATTACKS = {
    "list of a range": "list(range(20000000))",
    "list of the largest range": "list(range(1 << 61))",
    "sorted range": "sorted(range(20000000))",
    "range beyond": "range(1 << 100)",
    "membership in a range times": loop("r = range(1 << 61)", "(1 << 60) in r"),
    "doubling a string": loop("x = 'a'", "x = x + x", 28),
    "doubling a list": loop("x = [1]", "x = x + x", 28),
    "doubling a list in place": loop("x = [1]", "x += x", 28),
    "doubling bytes": loop("x = b'a'", "x += x", 28),
    "repeating a string": "'a' * 1000000000",
    "repeating a list": "[0] * 1000000000",
    "repeating by the largest": "(1,) * ((1 << 255) - 1)",
    "repeating often": loop("x = []", "x.append('\\U0001F600' * 260000)"),
    "squaring": loop("x = 3", "x = x * x", 40),
    "shifting": "1 << 100000000",
    "shifting on": loop("x = 1", "x = x << 200", 100),
    "growing a list": loop("x = []", "x.append(i)"),
    "growing a dict": loop("x = {}", "x[i] = i"),
    "growing lists": loop("x = []", "x.append([i] * 60)"),
    "inserting in front": loop("x = list(range(60000))", "x.insert(0, x.pop())"),
    "comprehension": "[0 for i in range(1 << 40)]",
    "nested comprehension": "[0 for a in range(9999) for b in range(9999) for c in range(9999)]",
    "empty comprehension": "[0 for a in range(1 << 40) if False]",
    "dict comprehension": "{i: 0 for i in range(1 << 40)}",
    "sorting with key": "sorted([i for i in range(60000)], key=lambda x: [x] * 1000)",
    "sorting long equal strings": loop("x = ['a' * 1000 + str(i) for i in range(50)]", "sorted(x)"),
    "sorting": loop("x = list(range(5000))", "sorted(x)"),
    "max": loop("x = list(range(5000))", "max(x)"),
    "percent": "'%s' % ('a' * 200000) + '%s' % ('a' * 200000)",
    "percent often": loop("x = 'a' * 100000", "'%s%s' % (x, x)"),
    "percent of a large tuple": "('%s' * 60000) % tuple(['a' * 1000] * 60000)",
    "format": loop("x = 'a' * 100000", "'{0}{0}'.format(x)"),
    "format template": loop("x = '}}' * 100000", "x.format()"),
    "repr": loop("x = '\\\\n' * 100000", "repr(x)"),
    "repr of repr": loop("x = '\"'", "x = repr(x)", 100),
    "str of a tree": grown("[]", "[{0}, {0}]", "str(x)"),
    "equality of trees": grown("[1]", "[{0}, {0}]", "x == y"),
    "order of trees": grown("[1]", "[{0}, {0}]", "x < y"),
    "key of a tree": grown("(1,)", "({0}, {0})", "{x: 1}"),
    "deep list shown": grown("[]", "[{0}]", "str(x)", 1_000),
    "deep list compared": grown("[]", "[{0}]", "x == y", 1_000),
    "deep tuple as key": grown("()", "({0},)", "{x: 1}", 1_000),
    "deep list kept": loop("x = []", "x = [x]"),
    "list in itself shown": "x = []\nx.append(x)\nstr(x)",
    "lists in themselves compared": "x = []\ny = [x]\nx.append(y)\nx == y",
    "dict in itself shown": "x = {}\nx['x'] = x\nstr(x)",
    "replace": "('a' * 200000).replace('a', 'b' * 200000)",
    "replace nothing": "('a' * 100000).replace('', 'b' * 1000)",
    "replace often": loop("x = 'a' * 100000", "x.replace('a', 'b')"),
    "replace by nothing": loop("x = 'ab' * 100000", "x.replace('a', '')"),
    "nearly matching": loop("x = 'a' * 2400\n    y = 'a' * 1200 + 'b'", "x.find(y)"),
    "nearly matching backwards": loop("x = 'a' * 200000\n    y = 'b' + 'a' * 100000", "x.rfind(y)"),
    "nearly matching count": loop("x = 'a' * 200000\n    y = 'a' * 90 + 'b'", "x.count(y)"),
    "nearly matching in": loop("x = 'a' * 200000\n    y = 'a' * 90 + 'b'", "y in x"),
    "split": loop("x = ',' * 60000", "x.split(',')"),
    "split at blanks": loop("x = 'a ' * 100000", "x.split()"),
    "split once": loop("x = 'a ' * 100000", "x.split(None, 1)"),
    "split nearly": loop("x = 'a' * 100000\n    y = 'b' + 'a' * 50000", "x.rsplit(y)"),
    "splitlines": loop("x = '\\n' * 60000", "x.splitlines()"),
    "join": loop("x = ['a' * 1000] * 200", "''.join(x)"),
    "join too long": "'x'.join(['a' * 1000] * 60000)",
    "strip": loop("x = 'ab' * 50000\n    y = 'a' * 1000 + 'b'", "x.strip(y)"),
    "upper": loop("x = 'é' * 100000", "x.upper()"),
    "elems": loop("x = 'a' * 60000", "x.elems()"),
    "slices": loop("x = 'a' * 200000", "x[1:]"),
    "list slices": loop("x = [0] * 60000", "x[:]"),
    "list index": loop("x = [0] * 60000", "1 in x"),
    "dict copies": loop("x = {i: i for i in range(5000)}", "dict(x)"),
    "dict unions": loop("x = {i: i for i in range(5000)}", "x | x"),
    "zip": loop("x = [0] * 5000", "zip(x, x, x, x)"),
    "enumerate": loop("x = [0] * 5000", "enumerate(x)"),
    "extend": loop("x = []\n    y = [0] * 100", "x.extend(y)"),
    "sha256": loop("x = b'a' * 200000", "sha256(x)"),
    "hex": loop("x = b'a' * 100000", "x.hex()"),
    "bytes": loop("x = 'é' * 100000", "bytes(x)"),
    "decode": loop("x = b'a' * 200000", "x.decode()"),
    "int": loop("x = '1' * 70", "int(x)"),
    "large int": "int('1' * 200)",
    "colliding ints": loop("d = {}", "d[i * ((1 << 61) - 1)] = i"),
    "colliding large ints": loop("d = {}", "d[(1 << 200) + i * ((1 << 61) - 1)] = i"),
    "colliding tuples": loop("d = {}", "d[(i * ((1 << 61) - 1),)] = i"),
    "calls": "def g(): pass\n" + loop("x = 1", "g()"),
    "calls with many arguments": "def g(*a, **k): pass\n" + loop("x = [0] * 5000", "g(*x)"),
    "calls with many names": "def g(**k): pass\n" + loop(
        "x = {'k%d' % i: i for i in range(5000)}", "g(**x)"
    ),
    "many locals": "def g():\n" + "\n".join(f"    a{i} = 0" for i in range(1_000)) + "\n" + loop(
        "x = 1", "g()"
    ),
    "chain of calls": "\n".join(
        ["def f0(): return 0"] + [f"def f{i}(): return f{i - 1}()" for i in range(1, 400)]
    ) + "\nf399()",
    "chain through sorted": "\n".join(
        ["def f0(x): return 0"]
        + [f"def f{i}(x): return sorted([1], key=f{i - 1})" for i in range(1, 400)]
    ) + "\nf399(0)",
    "print": loop("x = 'a' * 100000", "print(x)"),
    "a long expression": "x = " + "+".join(["1"] * 10_000),
    "a long boolean": "x = " + " or ".join(["0"] * 5_000),
    "brackets": "[" * 200_000,
    "brackets below the size": "[" * 30_000,
    "parentheses": "(" * 30_000 + ")" * 1_000,
    "braces": "x = " + "{1:" * 5_000,
    "calls of calls": "len" + "()" * 10_000,
    "dots": "x = len" + ".a" * 10_000,
    "signs": "x = " + "-" * 30_000 + "1",
    "nots": "x = " + "not " * 7_000 + "1",
    "conditionals": "x = " + "1 if 1 else " * 2_000 + "1",
    "lambdas": "x = " + "lambda: " * 3_000 + "1",
    "precedence": "x = " + "1 or 1 and 1 == 1 | 1 ^ 1 & 1 << 1 + 1 * (" * 60 + "1" + ")" * 60,
    "blocks": "def f():\n" + "".join(" " * i + "if 1:\n" for i in range(1, 200)),
    "definitions": "".join(" " * i + f"def f{i}():\n" for i in range(200)),
    "clauses": "[0 " + "for x in [0] " * 1_000 + "]",
    "a long source": "x = 1\n" * 20_000,
    "a long string": "x = '" + "a" * 40_000 + "'",
    "nested targets": "def f():\n    for " + "(" * 70 + "x" + ",)" * 70 + " in []: pass",
    "a long number": "x = " + "9" * 30_000,
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_with_our_error_in_bounded_memory(name: str) -> None:
    tracemalloc.start()
    try:
        found = fault(ATTACKS[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, OutOfGas | LimitReached | SyntaxFault), found
    assert peak < MEMORY_CAP


@pytest.mark.parametrize("name", ATTACKS)
def test_what_an_attack_uses_is_the_same_each_time(name: str) -> None:
    def outcome() -> tuple[str, str, object]:
        found = fault(ATTACKS[name], GAS // 10)
        return type(found).__name__, found.message, found.trace

    assert outcome() == outcome()


def test_nesting_up_to_the_limit_needs_no_deep_stack() -> None:
    """The deepest source is parsed, run and shown with half of Python's stack taken already."""
    depth = MAX_NESTING - 4
    sources = [
        "x = " + "[" * depth + "1" + "]" * depth,
        "x = " + "(1 + " * (depth // 2) + "1" + ")" * (depth // 2),
        "x = " + "[0 for y in " * (depth // 4) + "[1]" + "]" * (depth // 4) + "\nrepr(x)",
    ]

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        else:
            for source in sources:
                run(source)

    deeper(sys.getrecursionlimit() // 2 - 100)


def test_calls_up_to_the_limit_need_no_deep_stack() -> None:
    def source(count: int, body: str) -> str:
        rows = ["def f0(x): return x"]
        rows += [f"def f{i}(x): return " + body.format(f"f{i - 1}") for i in range(1, count)]
        return "\n".join(rows) + f"\nf{count - 1}(0)"

    def deeper(left: int) -> None:
        if left:
            return deeper(left - 1)
        for body in ("{}(x)", "sorted([x], key={})[0]", "[{}(y) for y in [x]][0]"):
            reached = 0
            for count in range(2, 60):
                try:
                    run(source(count, body))
                    reached = count
                except LimitReached:
                    break
            assert 10 < reached < 59
        return None

    deeper(sys.getrecursionlimit() // 2 - 100)


@pytest.mark.parametrize(
    ("expression", "is_fine"),
    [
        (f"len('a' * {MAX_TEXT})", True),
        (f"len('a' * {MAX_TEXT + 1})", False),
        ("(1 << 254) + ((1 << 254) - 1)", True),
        ("(1 << 254) + (1 << 254)", False),
        ("-(1 << 254) - (1 << 254)", True),
        ("-(1 << 254) * 2 - 1", False),
        ("-(-(1 << 254) * 2)", False),
        ("(-(1 << 254) * 2) // -1", False),
        ("abs(-(1 << 254) * 2)", False),
    ],
)
def test_limits_are_where_they_are_said_to_be(expression: str, is_fine: bool) -> None:
    if is_fine:
        run(expression)
    else:
        assert isinstance(fault(expression), LimitReached)


WITH_INTEGERS = (
    "{v}[{n}]", "{v}[{n}:]", "{v}[:{n}]", "{v}[::{n}]", "{v} * {n}", "{n} * {v}", "{n} in {v}",
    "{v}.insert({n}, 1)", "{v}.pop({n})", "{v}.index(1, {n})", "{v}.index('a', {n}, {n})",
    "{v}.find('a', {n})", "{v}.rfind('a', 0, {n})", "{v}.count('a', {n})", "{v}.split(',', {n})",
    "{v}.split(None, {n})", "{v}.rsplit(',', {n})", "{v}.replace('a', 'b', {n})",
    "enumerate({v}, {n})", "range({n})[{n}]", "range(0, {n}, {n})", "1 << {n}", "1 >> {n}",
    "'%d %x %o %s' % ({n}, {n}, {n}, {n})", "bytes([{n}])", "int('1', {n})", "number_key({n})",
)  # fmt: skip


@pytest.mark.parametrize(
    "value", ["'ab,c'", "''", "b'ab'", "[1]", "[]", "()", "{1: 2}", "range(5)"]
)
def test_integers_beyond_those_of_the_machine_do_no_harm(value: str) -> None:
    """What Python refuses with errors of its own would stop every node."""
    for form in WITH_INTEGERS:
        for number in ("(1 << 254)", "-(1 << 254)", "(1 << 63)", "-(1 << 63)"):
            with contextlib.suppress(StarlarkError):
                run("x = " + form.replace("{v}", value).replace("{n}", number))


def test_out_of_gas_comes_before_the_work() -> None:
    """A list that would not be affordable is not begun."""
    tracemalloc.start()
    with pytest.raises(OutOfGas):
        run("list(range(60000))", gas=50_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_every_error_is_one_of_ours() -> None:
    assert issubclass(SyntaxFault, StarlarkError)
    with pytest.raises(StarlarkError):
        parse("\ud800")

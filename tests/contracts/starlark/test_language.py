"""The language is Starlark: what its specification says about values, scopes and functions."""

from __future__ import annotations

import pytest

from contracts.starlark.errors import SyntaxFault
from contracts.starlark.parser import parse
from tests.contracts.starlark.support import fault, printed, run, shown


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7 // -2", "-4"),
        ("1 << 10 | 5 & 4 ^ 1", "1029"),
        ("~5", "-6"),
        ("0x1F + 0o17", "46"),
        ("not 1 == 2", "True"),
        ("1 if [] else 2", "2"),
        ("None or 3", "3"),
        ("0 and 1 // 0", "0"),
        ("True == 1", "False"),
        ("1 in [True]", "False"),
        ("[1, 2] + [3]", "[1, 2, 3]"),
        ("(1,) * 3", "(1, 1, 1)"),
        ("2 * 'ab'", '"abab"'),
        ("'a' < 'b' and [1, 2] < [1, 3] and (1,) < (1, 0)", "True"),
        ("{'a': 1} | {'b': 2, 'a': 3}", '{"a": 3, "b": 2}'),
        ("{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", "True"),
        ("{1: 'int', True: 'bool', (1,): 't', (True,): 'u'}[True]", '"bool"'),
        ("{1: 2}.get((True,), 'none')", '"none"'),
        ("'hello'[1:4], 'hello'[::-2], [1, 2, 3][-1], (1, 2, 3)[1:]", '("ell", "olh", 3, (2, 3))'),
        ("range(10)[2:8:3], 5 in range(0, 10, 5), len(range(10, 0, -3))",
         "(range(2, 8, 3), True, 4)"),
        ("b'ab\\xff'[2], b'ab'[0:1], 98 in b'ab', b'a' + b'b'", '(255, b"a", True, b"ab")'),
        ("[x * y for x in range(3) for y in range(x) if y != x]", "[0, 0, 2]"),
        ("{k: v for k, v in [('a', 1), ('b', 2)]}", '{"a": 1, "b": 2}'),
        ("(lambda x, y=2, *z, **w: (x, y, z, w))(1, 3, 4, k=5)", '(1, 3, (4,), {"k": 5})'),
        ("[f(1) for f in [lambda x: x + 1]]", "[2]"),
        ("'%s-%r-%d-%x-%o-%%' % ('a', 'b', 3, 255, 8)", '"a-\\"b\\"-3-ff-10-%"'),
        ("'{}{}-{1}-{x!r}-{{}}'.format(1, 2, x='q')", '"12-2-\\"q\\"-{}"'),
        ("' a  b '.split(), 'a,b,c'.split(',', 1), 'a,b,c'.rsplit(',', 1)",
         '(["a", "b"], ["a", "b,c"], ["a,b", "c"])'),
        ("' a  b c'.split(None, 1), ' a  b c '.rsplit(None, 1)",
         '(["a", "b c"], ["a  b", "c"])'),
        ("'a\\nb\\n'.splitlines(), 'a\\nb'.splitlines(True)", '(["a", "b"], ["a\\n", "b"])'),
        ("'a-b-c'.partition('-'), 'a-b-c'.rpartition('-')",
         '(("a", "-", "b-c"), ("a-b", "-", "c"))'),
        ("'banana'.count('an'), 'banana'.find('an', 2), 'banana'.rfind('an'), 'x'.find('y')",
         "(2, 3, 3, -1)"),
        ("'banana'.replace('an', 'AN', 1), 'ab'.replace('', '-')", '("bANana", "-a-b-")'),
        ("'x'.join(['a', 'b']), '--a-'.strip('-'), 'prefix'.removeprefix('pre')",
         '("axb", "a", "fix")'),
        ("'abc'.startswith(('x', 'a')), 'abc'.endswith('bc')", "(True, True)"),
        ("sorted([3, 1, 2]), sorted(['b', 'a'], reverse=True)", '([1, 2, 3], ["b", "a"])'),
        ("sorted(['bb', 'a', 'cc'], key=len)", '["a", "bb", "cc"]'),
        ("sorted(['bb', 'a', 'cc'], key=len, reverse=True)", '["bb", "cc", "a"]'),
        ("max([1, 3, 2]), min('b', 'a'), max(['a', 'bbb'], key=len)", '(3, "a", "bbb")'),
        ("list(enumerate('ab'.elems(), 1)), list(zip([1, 2], 'ab'.elems()))",
         '([(1, "a"), (2, "b")], [(1, "a"), (2, "b")])'),
        ("any([0, 1]), all([]), reversed([1, 2]), abs(-3), bool('')",
         "(True, True, [2, 1], 3, False)"),
        ("int('-12'), int('ff', 16), int(True), str(12), str(None), str('a')",
         '(-12, 255, 1, "12", "None", "a")'),
        ("type(1), type(''), type(None), type([]), type(len), type(range(1))",
         '("int", "string", "NoneType", "list", "builtin_function_or_method", "range")'),
        ("dict([('a', 1)], b=2), dict(a=1), list({'x': 1}), tuple([1])",
         '({"a": 1, "b": 2}, {"a": 1}, ["x"], (1,))'),
        ("sha256(b'abc').hex()[:8], from_hex('00ff'), bytes('é'), b'\\xc3\\xa9'.decode()",
         '("ba7816bf", b"\\x00\\xff", b"\\xc3\\xa9", "é")'),
        ("number_key(42)", '"00000000000000000042"'),
        ("'\\x41\\u00e9\\U0001F600'", '"Aé😀"'),
        ("r'a\\nb', '''x\ny'''", '("a\\\\nb", "x\\ny")'),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_of_the_specification(expression: str, value: str) -> None:
    assert shown(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'STRASSE'.lower(), 'straße'.upper(), 'ÀÉ'.lower()", '("strasse", "STRAßE", "ÀÉ")'),
        ("'٣'.isdigit(), 'é'.isalpha(), '\\u00a0'.isspace(), 'é'.islower()",
         "(False, False, False, False)"),
        ("'a\\u00a0b \\u2003c'.split(), '\\u00a0 a'.strip()",
         '(["a\u00a0b", "\u2003c"], "\u00a0 a")'),
        ("len('e\\u0301'), 'a\\u0085b'.splitlines()", '(2, ["a\u0085b"])'),
    ],
)  # fmt: skip
def test_characters_beyond_ascii_have_no_case_nor_are_blanks(expression: str, value: str) -> None:
    assert shown(expression) == value


@pytest.mark.parametrize("text", ["'٣'", "'1_0'", "' 1'", "'1.0'", "''", "'-'", "'0x10'"])
def test_only_plain_ascii_digits_make_an_int(text: str) -> None:
    assert "no number" in fault(f"int({text})").message


def test_functions_see_the_variables_around_them() -> None:
    source = """
def counter():
    count = [0]
    def step(by = 1):
        count[0] += by
        return count[0]
    return step
a, b = counter(), counter()
a()
a(5)
print(a(), b())
def late():
    fs = [lambda: i for i in range(3)]
    x = 1
    get = lambda: x
    x = 2
    return [f() for f in fs], get()
print(late())
"""
    assert printed(source) == ["7 1", "([2, 2, 2], 2)"]


def test_a_comprehension_keeps_its_variables_to_itself() -> None:
    assert printed("x = 7\ny = [x for x in [1, 2]]\nprint(x, y)") == ["7 [1, 2]"]


def test_loops_jump() -> None:
    source = """
def f():
    out = []
    for a in range(5):
        for b in range(5):
            if b == 2:
                break
            if a == 1:
                continue
            out.append((a, b))
        if a == 2:
            return out
print(f())
"""
    assert printed(source) == ["[(0, 0), (0, 1), (2, 0), (2, 1)]"]


def test_augmented_assignment_changes_lists_in_place_and_evaluates_once() -> None:
    source = """
def f():
    x = [1]
    y = x
    x += (2,)
    calls = []
    def at():
        calls.append(1)
        return 0
    y[at()] += 10
    d = {"a": 1}
    e = d
    d |= {"b": 2}
    t = (1,)
    u = t
    t += (2,)
    return x, calls, e, u
print(f())
"""
    assert printed(source) == ['([11, 2], [1], {"a": 1, "b": 2}, (1,))']


def test_unpacking() -> None:
    assert printed("a, (b, [c]) = 1, (2, [3])\nprint(a, b, c)") == ["1 2 3"]
    assert "3 values for 2 targets" in fault("a, b = 1, 2, 3").message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = nope", "nope is not defined"),
        ("x = 1\nx = 2", "x is defined already"),
        ("len = 1", "len is defined already"),
        ("x = y\ny = 1", "y is used before it has a value"),
        ("def f():\n    x += 1\nf()", "x is used before it has a value"),
        ("def f():\n    return f()\nf()", "there is no recursion"),
        ("def f(): return g()\ndef g(): return f()\nf()", "there is no recursion"),
        ("def f(g): return g(g)\nf(f)", "there is no recursion"),
        ("1 + 'a'", "int + string has no meaning"),
        ("[1] < ['a']", "int and string have no order"),
        ("None < None", "NoneType and NoneType have no order"),
        ("sorted([1, 'a'])", "have no order"),
        ("{[]: 1}", "a list cannot be a key"),
        ("{([],): 1}", "a list cannot be part of a key"),
        ("{'a': 1, 'a': 2}", "a key stands twice"),
        ("{}['x']", 'the dict has no key "x"'),
        ("[][0]", "out of range"),
        ("1 // 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("'a'.nope()", "a string has no method nope"),
        ("(1)()", "a int cannot be called"),
        ("len(1)", "a int has no length"),
        ("[x for x in 'ab']", "a string cannot be iterated over"),
        ("(lambda x: x)()", "needs the argument x"),
        ("(lambda x: x)(1, 2)", "takes 1 arguments by place, not 2"),
        ("(lambda x: x)(y=1)", "needs the argument x"),
        ("(lambda x=1: x)(y=1)", "has no parameter y"),
        ("(lambda x: x)(1, x=2)", "is given x twice"),
        ("(lambda x: x)(x=1, **{'x': 2})", "given twice"),
        ("len()", "len needs x"),
        ("'%d' % 'a'", "%d needs an int"),
        ("'%s' % (1, 2)", "more values"),
        ("'%s%s' % 1", "fewer values"),
        ("'%z' % 1", "no conversion"),
        ("'{'.format()", "never closed"),
        ("'{0}'.format()", "argument 0"),
        ("b'\\xff'.decode()", "not UTF-8"),
        ("'a'.split('')", "sep is empty"),
    ],
)
def test_a_fault_has_a_clear_message(source: str, message: str) -> None:
    assert message in fault(source).message


@pytest.mark.parametrize(
    "body",
    [
        "x.append(1)", "x.pop()", "x[0] = 1", "x += [1]", "x.clear()", "x.insert(0, 1)",
        "x.remove(1)", "x.extend([])",
    ],
)  # fmt: skip
def test_a_list_may_not_change_while_a_loop_goes_over_it(body: str) -> None:
    source = f"def f():\n    x = [1, 2]\n    for i in x:\n        {body}\nf()"
    assert "while a loop goes over it" in fault(source).message
    after = f"def f():\n    x = [1, 2]\n    for i in x:\n        break\n    {body}\nf()"
    run(after)


@pytest.mark.parametrize("body", ["d['c'] = 1", "d.pop('a')", "d.update(a=1)", "d |= {}"])
def test_a_dict_may_not_change_while_a_loop_goes_over_it(body: str) -> None:
    source = f"def f():\n    d = {{'a': 1}}\n    for k in d:\n        {body}\nf()"
    assert "while a loop goes over it" in fault(source).message


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("x = 1\nwhile True:\n    pass", 2, "while is not part"),
        ("load('x', 'y')", 1, "load is not part"),
        ("import os", 1, "import is not part"),
        ("x = 1.5", 1, "no floats"),
        ("x = 1e5", 1, "no floats"),
        ("x = 1 / 2", 1, "no floats"),
        ("x = 012", 1, "0o"),
        ("x = 1 < 2 < 3", 1, "chained"),
        ("if True:\n    pass", 1, "in functions only"),
        ("for x in []:\n    pass", 1, "in functions only"),
        ("return 1", 1, "in functions only"),
        ("def f():\n    break", 2, "in loops only"),
        ("def f():\n    for x in []:\n        def g():\n            break", 4, "in loops only"),
        ("def f(a, a): pass", 1, "same name"),
        ("def f(a=1, b): pass", 1, "no default"),
        ("def f(**k, a): pass", 1, "nothing may follow"),
        ("f(a=1, 2)", 1, "order"),
        ("f(a=1, a=2)", 1, "twice"),
        ("1 = 2", 1, "cannot be assigned"),
        ("x, y += 1", 1, "cannot be assigned"),
        ("def f():\n\tpass", 2, "tabs"),
        ("x = '\u202e'", 1, "direction marks"),
        ("def f():\n    x = 1\n  y = 2", 3, "fits no block"),
        ("x = (1,\n2", 1, "never closed"),
        ("x = )", 1, "closes nothing"),
        ("x = 'a\n'", 1, "never closed"),
        ("x = '\\ud800'", 1, "no Unicode character"),
        ("x = '\\q'", 1, "unknown escape"),
        ("x = 1 @ 2", 1, "unexpected character @"),
        ("ж = 1", 1, "unexpected character U+0436"),
        ("x = 9" + "9" * 100, 1, "too large"),
        ("x +", 1, "an expression is expected"),
        ("x = 1 2", 1, "end of line is expected"),
    ],
)
def test_bad_source_is_refused_with_its_line(source: str, line: int, message: str) -> None:
    found = fault(source)
    assert isinstance(found, SyntaxFault)
    assert message in found.message
    assert found.line == line


def test_a_trace_names_each_call() -> None:
    found = fault("def f(x):\n    return g(x)\n\ndef g(x):\n    y = 1\n    return x[y]\n\nf([])\n")
    assert [(p.function, p.line) for p in found.trace] == [("g", 6), ("f", 2), ("<module>", 8)]


def test_lines_are_counted_through_strings_and_continuations() -> None:
    found = fault("x = '''a\nb'''\ny = [\n1,\n]\nz = 1 + \\\n  2\n[][0]\n")
    assert found.trace[0].line == 8


def test_a_carriage_return_before_the_end_of_line_is_taken() -> None:
    assert len(parse("x = 1\r\ny = 2\r\n")) == 2

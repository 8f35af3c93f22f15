"""Any source gives a result or one of our errors, and uses the same gas each time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.starlark.errors import StarlarkError, SyntaxFault
from contracts.starlark.expressions import METHODS
from contracts.starlark.library import UNIVERSAL
from contracts.starlark.parser import parse
from tests.contracts.starlark.support import run

_NAMES = st.sampled_from(["a", "b", "c", "f", "g"])
_METHODS = sorted({name for table in METHODS.values() for name in table})
_ATOMS = st.one_of(
    _NAMES,
    st.integers(-3, 300).map(str),
    st.sampled_from(["1 << 200", "(1 << 255) - 1", "10000", "True", "None", "[]", "{}", "()"]),
    st.sampled_from(["'ab'", "'a b\\n'", "'%s%d'", "'{}{a}'", "'é' * 999", "b'\\xff'", "'-1f'"]),
    st.sampled_from(["range(9)", "[3, 1, 2]", "{'a': 1, 2: [3]}", "('x', (1, True))"]),
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def join(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda found: template.format(*found))

    binary = st.sampled_from(
        ["+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", ">=", "in",
         "not in", "and", "or"]
    )  # fmt: skip
    return st.one_of(
        join("({} {} {})", inner, binary, inner),
        join("({} {})", st.sampled_from(["not", "-", "~"]), inner),
        join("({} if {} else {})", inner, inner, inner),
        join("[{}, {}]", inner, inner),
        join("{{{}: {}}}", inner, inner),
        join("({},)", inner),
        join("{}[{}]", inner, inner),
        join("{}[{}:{}]", inner, inner, inner),
        join("[{} for {} in {} if {}]", inner, _NAMES, inner, inner),
        join("{{{}: {} for {} in {}}}", inner, inner, _NAMES, inner),
        join("(lambda {}: {})", _NAMES, inner),
        join("{}({}, *{})", inner, inner, inner),
        join("{}({})", st.sampled_from(sorted(UNIVERSAL)), inner),
        join("{}({}, {})", st.sampled_from(sorted(UNIVERSAL)), inner, inner),
        join("{}.{}({})", inner, st.sampled_from(_METHODS), inner),
        join("{}.{}()", inner, st.sampled_from(_METHODS)),
        join("{}.{}({}, {})", inner, st.sampled_from(_METHODS), inner, inner),
        join("sorted({}, key=lambda {}: {})", inner, _NAMES, inner),
    )


EXPRESSIONS = st.recursive(_ATOMS, _grow, max_leaves=12)


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> list[str]:
    rows: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        value = draw(EXPRESSIONS)
        name = draw(_NAMES)
        kind = draw(st.integers(0, 8 if depth < 3 else 4))
        if kind <= 1:
            rows.append(f"{name} = {value}")
        elif kind == 2:
            rows.append(f"{name} {draw(st.sampled_from(['+', '*', '|', '%', '-']))}= {value}")
        elif kind == 3:
            rows.append(f"{name}[{draw(EXPRESSIONS)}] = {value}")
        elif kind == 4:
            rows.append(draw(st.sampled_from([f"return {value}", value, "pass"])))
        else:
            head = {
                5: f"if {value}:",
                6: f"for {name} in {value}:",
                7: f"def {name}({draw(_NAMES)}, *args):",
                8: f"for {name} in range(99999):",
            }[kind]
            rows.append(head)
            rows += ["    " + row for row in draw(blocks(depth + 1))]
    return rows


def outcome(source: str) -> tuple[object, ...]:
    try:
        thread = run(source, 20_000)
    except SyntaxFault as fault:
        return "syntax", fault.message, fault.line
    except StarlarkError as error:
        return type(error).__name__, error.message, tuple(error.trace)
    assert 0 <= thread.left < thread.limit
    return "done", thread.used, tuple(thread.printed or ())


@settings(max_examples=400, deadline=None)
@given(blocks())
def test_a_program_ends_alike_each_time_with_a_value_or_our_error(rows: list[str]) -> None:
    body = "\n    ".join(rows)
    source = (
        "def main(a, b, c):\n    f, g = len, lambda x: x\n    " + body + "\n"
        "print(main(1, [2], {'k': 'v'}))\n"
    )
    assert outcome(source) == outcome(source)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_an_expression_ends_alike_each_time(expression: str) -> None:
    source = f"a, b, c = 1, 'x', [2]\ndef f(x = 1): return x\ng = f\nprint({expression})\n"
    assert outcome(source) == outcome(source)


_SOUP = st.lists(
    st.sampled_from(
        ["def ", "f", "(", ")", ":", "\n", "    ", "if ", "else", "for ", " in ", "[", "]", "{",
         "}", "'", '"""', "\\", "lambda ", "1", "0x", "*", "**", ",", "=", "==", "+", "-", "not ",
         ".", "return ", "and ", "b'", "r'", "#", "é", "\t", "\x00", "\u202e", "while ", "e", ";"]
    ),
    max_size=60,
).map("".join)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=200), _SOUP))
def test_any_text_parses_or_is_refused(text: str) -> None:
    found = None
    try:
        parse(text)
    except SyntaxFault as fault:
        found = fault.line
    assert found is None or 1 <= found <= text.count("\n") + 2

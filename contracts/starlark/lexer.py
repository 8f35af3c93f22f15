"""Source to tokens. Size, bracket depth and block depth are bounded here, before parsing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.starlark.errors import SyntaxFault
from contracts.starlark.thread import MAX_INT, MAX_NESTING, MAX_SOURCE_BYTES
from contracts.text import HIDDEN

NAME, INT, STRING, BYTES, NEWLINE, INDENT, DEDENT, END = (
    "name", "integer", "string", "bytes", "end of line", "indentation", "end of block",
    "end of file",
)  # fmt: skip
KEYWORDS = frozenset(
    (
        "and", "break", "continue", "def", "elif", "else", "for", "if", "in", "lambda", "not",
        "or", "pass", "return",
    )
)  # fmt: skip
RESERVED = frozenset(
    (
        "as", "assert", "async", "await", "class", "del", "except", "finally", "from", "global",
        "import", "is", "load", "nonlocal", "raise", "try", "while", "with", "yield",
    )
)  # fmt: skip
_OPERATORS = (
    "//=", "<<=", ">>=", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=", "%=",
    "&=", "|=", "^=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "=", "(", ")", "[",
    "]", "{", "}", ",", ":", ".", ";",
)  # fmt: skip
_DIGITS = {c: n for n, c in enumerate("0123456789abcdef")} | {
    c: n for n, c in enumerate("ABCDEF", 10)
}
_DECIMAL = frozenset("0123456789")
_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME_REST = _NAME_START | _DECIMAL
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "\n": ""}
_BASES = {"x": 16, "X": 16, "o": 8, "O": 8}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is one of the kinds above, or the keyword or operator itself."""

    kind: str
    value: str | int | bytes
    line: int


def tokenize(source: str) -> list[Token]:
    """Return the tokens of `source`, the last of kind END. Raises SyntaxFault."""
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        raise SyntaxFault(f"the source has more than {MAX_SOURCE_BYTES} bytes", 1)
    text = source.replace("\r\n", "\n")
    for number, row in enumerate(text.split("\n"), 1):
        if not HIDDEN.isdisjoint(row):
            raise SyntaxFault("tabs, control characters and direction marks are refused", number)
    return list(_Lexer(text + "\n").tokens())


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.open: list[Token] = []
        self.indents = [0]

    def fault(self, message: str) -> SyntaxFault:
        return SyntaxFault(message, self.line)

    def tokens(self) -> Iterator[Token]:
        while self.at < len(self.text):
            yield from self._indentation()
            yield from self._line()
        if self.open:
            raise SyntaxFault(f"{self.open[-1].kind} is never closed", self.open[-1].line)
        for _ in self.indents[1:]:
            yield Token(DEDENT, "", self.line)
        yield Token(END, "", self.line)

    def _indentation(self) -> Iterator[Token]:
        """Skip to the next line that says something; tell how its depth differs."""
        while self.at < len(self.text):
            start = self.at
            while self.text[self.at] == " ":
                self.at += 1
            if self.text[self.at] == "#":
                self.at = self.text.index("\n", self.at)
            if self.text[self.at] != "\n":
                break
            self.at += 1
            self.line += 1
        else:
            return
        width = self.at - start
        if width > self.indents[-1]:
            self.indents.append(width)
            if len(self.indents) > MAX_NESTING:
                raise self.fault(f"blocks are nested deeper than {MAX_NESTING}")
            yield Token(INDENT, "", self.line)
        while width < self.indents[-1]:
            self.indents.pop()
            yield Token(DEDENT, "", self.line)
        if width != self.indents[-1]:
            raise self.fault("the indentation fits no block around it")

    def _line(self) -> Iterator[Token]:
        """The rest of a logical line: up to an end of line outside of brackets."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char == " ":
                self.at += 1
            elif char == "#":
                self.at = text.index("\n", self.at)
            elif char == "\\" and text[self.at + 1] == "\n":
                self.at += 2
                self.line += 1
            elif char == "\n":
                line = self.line
                self.at += 1
                self.line += 1
                if not self.open:
                    yield Token(NEWLINE, "", line)
                    return
            else:
                yield self._token(char)

    def _token(self, char: str) -> Token:
        if char in _DECIMAL:
            return self._number()
        if char in "\"'":
            return self._string("")
        if char in _NAME_START:
            return self._word()
        for operator in _OPERATORS:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                self._bracket(operator)
                return Token(operator, operator, self.line)
        raise self.fault(f"unexpected character {_shown(char)}")

    def _bracket(self, operator: str) -> None:
        if operator in _CLOSING:
            self.open.append(Token(operator, operator, self.line))
            if len(self.open) > MAX_NESTING:
                raise self.fault(f"brackets are nested deeper than {MAX_NESTING}")
        elif operator in ")]}" and (not self.open or _CLOSING[self.open.pop().kind] != operator):
            raise self.fault(f"{operator} closes nothing")

    def _word(self) -> Token:
        start = self.at
        while self.text[self.at] in _NAME_REST:
            self.at += 1
        word = self.text[start : self.at]
        if self.text[self.at] in "\"'" and word in ("r", "b", "rb", "br"):
            return self._string(word)
        if word in RESERVED:
            raise self.fault(f"{word} is not part of the language")
        return Token(word if word in KEYWORDS else NAME, word, self.line)

    def _number(self) -> Token:
        text, base = self.text, 10
        if text[self.at] == "0" and text[self.at + 1] in _BASES:
            base = _BASES[text[self.at + 1]]
            self.at += 2
        start, value = self.at, 0
        while (digit := _DIGITS.get(text[self.at], base)) < base:
            value = value * base + digit
            self.at += 1
            if value > MAX_INT:
                raise self.fault("the integer is too large")
        after = text[self.at]
        if base == 10 and (after == "." or after in "eE"):
            raise self.fault("there are no floats; use integers of a smaller unit")
        if self.at == start or after in _NAME_REST:
            raise self.fault("the number is not written well")
        if base == 10 and value and text[start] == "0":
            raise self.fault("octal numbers begin with 0o")
        return Token(INT, value, self.line)

    def _string(self, prefix: str) -> Token:
        text, line = self.text, self.line
        quote = text[self.at]
        if text.startswith(quote * 3, self.at):
            quote *= 3
        self.at += len(quote)
        parts: list[bytes] = []
        while not text.startswith(quote, self.at):
            if self.at >= len(text) or (text[self.at] == "\n" and len(quote) == 1):
                raise SyntaxFault("the string is never closed", line)
            char = text[self.at]
            self.line += char == "\n"
            self.at += 1
            if char == "\\" and "r" in prefix:
                # A raw string keeps the backslash; it still hides a quote.
                char += text[self.at]
                self.line += char[1] == "\n"
                self.at += 1
            elif char == "\\":
                parts.append(self._escape("b" in prefix))
                continue
            parts.append(char.encode("utf-8"))
        self.at += len(quote)
        made = b"".join(parts)
        if "b" in prefix:
            return Token(BYTES, made, line)
        return Token(STRING, made.decode("utf-8"), line)

    def _escape(self, is_bytes: bool) -> bytes:
        char = self.text[self.at]
        self.at += 1
        if char in _ESCAPES:
            self.line += char == "\n"
            return _ESCAPES[char].encode("ascii")
        length = {"x": 2, "u": 4, "U": 8}.get(char)
        if length is None:
            raise self.fault(f"unknown escape \\{_shown(char)}")
        point = 0
        for digit in self.text[self.at : self.at + length]:
            if digit not in _DIGITS:
                raise self.fault(f"\\{char} needs {length} hexadecimal digits")
            point = point * 16 + _DIGITS[digit]
        self.at += length
        if char == "x" and is_bytes:
            return bytes((point,))
        if point > (0x7F if char == "x" else 0x10FFFF) or 0xD800 <= point <= 0xDFFF:
            raise self.fault("the escape is no Unicode character")
        return chr(point).encode("utf-8")


def _shown(char: str) -> str:
    return char if " " <= char <= "~" else f"U+{ord(char):04X}"

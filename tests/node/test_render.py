"""Every result code has a sentence and a name."""

from __future__ import annotations

from contracts.codes import Code
from node.render import name_of, render


def test_every_code_has_a_sentence() -> None:
    for code in Code:
        assert render(int(code), "x")
        assert name_of(int(code)) == code.name.lower().replace("_", "-")


def test_codes_of_a_newer_release_are_told_apart() -> None:
    assert "newer" in render(65_000, None)
    assert name_of(65_000) == "code-65000"

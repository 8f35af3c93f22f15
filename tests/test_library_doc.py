"""docs/library.md names every method and query of every contract, and no command that is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node.cli import _COMMANDS
from node.contract_kit import check

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "library.md").read_text("utf-8")
CONTRACTS = sorted(
    p for p in (ROOT / "contracts" / "library").glob("*.star") if "_test" not in p.name
)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_every_method_is_documented(path: Path) -> None:
    start = re.search(rf"^## {path.stem}$|\*\*{path.stem}\*\*", TEXT, re.MULTILINE)
    assert start is not None
    section = re.split(r"\n## |\n- \*\*[a-z]+-[a-z]+\*\*:", TEXT[start.end() :])[0]
    module = check(path)
    for name in (*module.methods, *module.queries):
        assert re.search(rf"(\*\*|`){name}(\*\*|`)", section), name


def test_every_command_exists_and_every_call_fits_its_contract() -> None:
    known = {path.stem: check(path) for path in CONTRACTS}
    for line in re.findall(r"^ *muniment (.+?)(?: +#.*)?$", TEXT, re.MULTILINE):
        words = line.split()
        assert words[0] in _COMMANDS
        if words[:2] in (["contract", "call"], ["contract", "query"]):
            module = known[words[2]]
            declared = (module.methods if words[1] == "call" else module.queries)[words[3]]
            given = {word.partition("=")[0] for word in words[4:] if "=" in word}
            given |= (
                {"envelope"} & {n for n, _ in declared.arguments}
                if "--seal" in words or "--forward" in words
                else set()
            )
            needed = {name for name, found in declared.arguments if not found.is_optional}
            assert needed <= given <= {name for name, _ in declared.arguments}, line

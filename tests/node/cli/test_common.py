from __future__ import annotations

import pytest

from node.cli.common import table


def test_a_tables_cells_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for cell in ("list[].card", "[/x]", "[red]no[/red]", "at:key:", "two\u3000words", "王某"):
        table(("reason",), [(cell,)])
        assert cell in capsys.readouterr().out


@pytest.mark.parametrize("order", ["\x1b[31m", "\r", "\x9b", "\u202e", "\ud800"])
def test_a_tables_cells_give_the_terminal_no_orders(
    capsys: pytest.CaptureFixture[str], order: str
) -> None:
    table(("reason",), [(f"before{order}after",)])
    shown = capsys.readouterr().out
    assert f"before\ufffd{order[1:]}after" in shown
    assert order not in shown

"""Anchors of a member's log only grow, and are its own."""

from __future__ import annotations

from typing import Any

from contracts.codes import Code


def post(chain: Any, sender: str, count: int, head: bytes) -> Any:
    return chain.run(sender, "anchors", "post", {"log": "access", "count": count, "head": head})


def test_counts_grow_and_logs_are_apart(chain: Any) -> None:
    assert post(chain, "land", 300, b"a" * 32).code == Code.OK
    assert post(chain, "tax", 2, b"b" * 32).code == Code.OK
    again = post(chain, "land", 300, b"c" * 32)
    assert (again.code, again.details) == (Code.NOT_LATER, 300)
    height = chain.height
    assert post(chain, "land", 301, b"d" * 32).code == Code.OK
    rows = chain.ask("anchors", "list", owner="land", log="access")
    assert [row[:2] for row in rows] == [[300, b"a" * 32], [301, b"d" * 32]]
    assert rows[1][2] == height
    assert chain.ask("anchors", "list", owner="land", log="access", after=300) == rows[1:]
    assert chain.ask("anchors", "count", owner="tax", log="access") == 2
    assert chain.ask("anchors", "count", owner="tax", log="none") == 0

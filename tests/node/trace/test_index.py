"""The index: filled from blocks, asked for lives, compared with the chain, made anew."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from node.trace.index import Index, TraceError

MEMBERS = {"tax", "civil"}


def block(height: int, *rows: list[Any]) -> dict[str, Any]:
    return {"height": height, "digest": f"d{height}", "time": height * 1_000, "rows": list(rows)}


def row(number: int, sender: str, *events: list[Any], code: int = 0) -> list[Any]:
    return [f"{number:064x}", sender, code, ["access.request"], list(events)]


LIFE = (
    block(1, row(1, "tax", ["catalogue", "registered", ["tax/permits", 1, "aa"]])),
    block(2, row(2, "civil/li", ["access", "granted", [7, "tax", "civil", "tax/permits"]])),
    block(3, row(3, "civil", ["deliveries", "opened", [1, 7, "civil", "tax", 1]])),
    block(4, row(4, "tax", ["catalogue", "registered", ["tax/other", 1, "bb"]])),
    block(5, row(5, "tax", ["deliveries", "ended", [1, 7, "closed", 10]]),
          row(6, "civil", code=17)),
    block(6, [f"{0:064x}", "", 0, [], [["deliveries", "overdue", [7, 9]]]]),
)  # fmt: skip


@pytest.fixture
def index(tmp_path: Path) -> Any:
    found = Index(tmp_path / "trace.db", "chain")
    for each in LIFE:
        found.add(each, MEMBERS)
    yield found
    found.close()


def heights(index: Index, *args: Any, **more: Any) -> list[int]:
    return [entry.height for entry in index.trace(*args, **more)]


def test_a_datasets_life_holds_its_grants_and_their_deliveries(index: Index) -> None:
    assert heights(index, "dataset:tax/permits") == [1, 2, 3, 5, 6]
    assert index.related("dataset:tax/permits") == ["grant:7", "delivery:1"]
    assert heights(index, "grant:7") == [2, 3, 5, 6]
    assert heights(index, "dataset:tax/other") == [4]
    assert heights(index, "dataset:tax/none") == []


def test_a_member_and_a_transaction_have_lives_too(index: Index) -> None:
    assert heights(index, "member:civil") == [2, 3, 5]
    [entry] = index.trace(f"tx:{6:064x}")
    assert (entry.sender, entry.code, entry.contract, entry.name) == (
        "civil", 17, "access", "request",
    )  # fmt: skip


def test_time_actor_and_number_can_be_limited(index: Index) -> None:
    life = "dataset:tax/permits"
    assert heights(index, life, since=2_000, until=5_000) == [2, 3, 5]
    assert heights(index, life, actor="tax") == [1, 5]
    assert heights(index, life, actor="civil") == [2, 3]
    assert heights(index, life, actor="civil/li") == [2]
    assert heights(index, life, limit=2) == [1, 2]


class Chain:
    """What `faults` asks of a node: the blocks above a height."""

    def __init__(self, blocks: tuple[dict[str, Any], ...]) -> None:
        self.blocks = blocks

    def call(self, method: str, after: int) -> dict[str, Any]:
        rows = [each for each in self.blocks if each["height"] > after]
        return {"blocks": rows, "to": len(self.blocks), "height": len(self.blocks), "from": 1}


def test_what_differs_from_the_chain_is_found(index: Index, tmp_path: Path) -> None:
    chain: Any = Chain(LIFE)
    index._set("height", len(LIFE))
    index.commit()
    assert list(index.faults(chain)) == []
    with sqlite3.connect(tmp_path / "trace.db") as db:
        db.execute("UPDATE entries SET sender = 'civil' WHERE height = 4")
    assert list(index.faults(chain)) == ["block 4: the index differs from the chain"]
    with sqlite3.connect(tmp_path / "trace.db") as db:
        db.execute("DELETE FROM entries WHERE height = 4")
    assert len(list(index.faults(chain))) == 2


def test_a_file_of_another_chain_or_no_database_is_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="another chain"):
        Index(tmp_path / "trace.db", "another")
    (tmp_path / "bad.db").write_bytes(b"no database" * 100)
    with pytest.raises(TraceError, match="rebuild"):
        Index(tmp_path / "bad.db", "chain")


def test_the_latest_comes_first_where_that_is_asked_for(index: Index) -> None:
    assert heights(index, "dataset:tax/permits", latest=True) == [6, 5, 3, 2, 1]
    assert heights(index, "dataset:tax/permits", latest=True, limit=2) == [6, 5]


class Node:
    """What an index asks of a node, with all of LIFE."""

    def __init__(self) -> None:
        self.asked: Any = None

    def call(self, method: str, /, **params: Any) -> Any:
        if method != "events.range":
            return [{"name": name} for name in sorted(MEMBERS)]
        if self.asked:
            self.asked()
        rows = [each for each in LIFE if each["height"] > params["after"]]
        return {"blocks": rows, "to": len(LIFE), "height": len(LIFE)}


def test_two_processes_may_bring_it_up_to_date_at_once(tmp_path: Path) -> None:
    first, second = (Index(tmp_path / "trace.db", "chain") for _ in range(2))
    node: Any = Node()
    node.asked = lambda: second.update(Node())  # type: ignore[arg-type]
    first.update(node)
    assert (first.height, first.count()) == (len(LIFE), second.count())
    assert heights(first, "dataset:tax/permits") == [1, 2, 3, 5, 6]
    first.close()
    second.close()

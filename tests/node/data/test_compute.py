"""Answers of an owner on a real node: paid once, kept, bound, and never computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from node.devnet import Devnet

Command = Any


def test_an_answer_is_paid_for_once_and_kept(net: Devnet, command: Command, tmp_path: Path) -> None:
    member = net.names[0]
    path = tmp_path / "incomes.csv"
    rows = "".join(f"p{n},{n % 50},{'ab'[n % 2]}\n" for n in range(400))
    path.write_text("person,income,kind\n" + rows)
    command("dataset", "register", str(path), "--title", "Incomes")
    name = f"{member}/incomes"
    asked = ("compute", "answer", name, "--for", member, "--epsilon")
    assert "has no privacy budget" in command(*asked, "0.5", "--count", fails=True)
    command("compute", "open", name, "--epsilon", "2", "--subject", "person")
    assert command("compute", "open", name, "--epsilon", "3", "--subject", "kind", fails=True)
    command("compute", "share", name, member, "--epsilon", "1.5")
    first = command(*asked, "1", "--count")
    assert abs(first["numbers"][0] - 400) < 60
    assert (first["within"], first["paid"]) == (4, 1_000_000)
    again = command(*asked, "1", "--count")
    assert (again["numbers"], again["paid"]) == (first["numbers"], 0)
    counted = ("--histogram", "kind", "--category", "a", "--category", "b", "--category", "c")
    told = command(*asked, "0.5", *counted)
    assert [abs(x - y) < 120 for x, y in zip(told["numbers"], (200, 200, 0), strict=True)]
    assert "the recipient's share has 0 millionths of epsilon left" in command(
        *asked, "0.1", "--count", fails=True
    )
    assert "no column 'whom'" in command(
        "compute", "answer", name, "--for", member, "--epsilon", "1", "--histogram", "whom",
        "--category", "a", fails=True,
    )  # fmt: skip
    found = command("compute", "show", name)
    assert (found["total"], found["spent"]) == (2_000_000, 1_500_000)
    assert found["shares"] == [{"recipient": member, "share": 1_500_000, "used": 1_500_000}]
    kept = [p for p in (net.home(member).path / "answers").iterdir() if p.name != "lock"]
    assert len(kept) == 2
    assert json.dumps(first["numbers"]).encode() not in kept[0].read_bytes()
    # A home that has lost an answer cannot make another one of the same question.
    for each in kept:
        each.unlink()
    assert "is not in this home" in command(*asked, "1", "--count", fails=True)

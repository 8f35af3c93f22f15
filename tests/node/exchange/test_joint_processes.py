"""Answers, an intersection and a sum between real processes, by the commands that people give."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.delivery import PARAMETERS
from node.devnet import Devnet

from ..alliance import command

ROWS = 1_100


def rows_of(first: int) -> str:
    return "person,pay\n" + "".join(f"p{n},{n % 50}.25\n" for n in range(first, first + ROWS))


@contextlib.contextmanager
def serving(*homes: Path) -> Iterator[None]:
    """Run `exchange serve` in these homes."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "node", "exchange", "serve", "--home", str(home)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        for home in homes
    ]  # fmt: skip
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "serving"
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_three_members_compute_and_nobody_shows_a_record(tmp_path: Path) -> None:
    net = Devnet.create(tmp_path / "net", 3, PARAMETERS)
    owner, asker, third = net.names
    homes = {name: net.home(name).path for name in net.names}

    def run(name: str, line: str) -> Any:
        return json.loads(command(*line.split(), "--home", homes[name], "--json"))

    net.start(*net.names)
    try:
        for name in net.names:
            net.wait(name, lambda s: s["peers"] == 2)
        for first, name in enumerate(net.names):
            path = tmp_path / name / "pay.csv"
            path.parent.mkdir()
            path.write_text(rows_of(100 * first))
            run(name, f"dataset register {path} --title Pay")
        run(owner, f"compute open {owner}/pay --subject person --epsilon 20")
        run(owner, f"compute share {owner}/pay {asker} --epsilon 20")
        terms = "--rows 3 --days 9 --purpose public-service --basis public-task"
        asked = run(asker, f"request new {owner}/pay person pay --aggregate {terms}")
        grant = asked["request"]
        if asked["status"] == "waiting":
            run(owner, f"request approve {grant}")
        with serving(*homes.values()):
            question = f"compute ask {grant} --sum pay --high 50 --epsilon 10"
            told = run(asker, question)
            assert abs(told["numbers"][0] - sum(n % 50 for n in range(ROWS))) < 200
            again = run(asker, question)
            assert (again["numbers"], again["paid"]) == (told["numbers"], 0)
            comparison = f"compute intersect {grant} person --own {asker}/pay --epsilon 5"
            common = run(asker, comparison)
            assert abs(common["in common"] - (ROWS - 100)) < 20
            called = f"compute sum propose pay --with {asker} --with {third} --decimals 2"
            number = run(owner, called)["sum"]
            assert "compute sum join" in command("inbox", "--home", homes[third])
            for name in net.names:
                run(name, f"compute sum join {number} --dataset {name}/pay --column pay")
            for name in (*net.names, *net.names):
                run(name, f"compute sum go {number}")
            shown = [run(name, f"compute sum show {number}") for name in net.names]
            added = [100 * (n % 50) + 25 for k in range(3) for n in range(100 * k, 100 * k + ROWS)]
            assert {found["total"] for found in shown} == {str(Decimal(sum(added)).scaleb(-2))}
            assert {found["status"] for found in shown} == {"done"}
    finally:
        net.down()

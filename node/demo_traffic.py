"""What departments go on doing while a demonstration's consoles are open."""

from __future__ import annotations

import csv
import random
import threading
from itertools import count
from types import TracebackType

from node.devnet import Devnet
from node.errors import MunimentError
from node.story import Story

GAP_S = 2.0
"""Between two commands."""
_COUNTERS = ("Registry", "Permits", "Payments", "Information")


class Traffic:
    """One department after another registers what it counted; the next asks for it, and rates it.

    Runs commands one at a time in a thread, from entering to leaving. A first round is made on
    entering, which raises MunimentError; later, a visitor may have got a command refused, or a node
    down.
    """

    def __init__(self, net: Devnet) -> None:
        self._net, self._story = net, Story(net, lambda line: None)
        self._random = random.Random(3)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        for number in range(len(self._net.names)):
            self._register(number)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            for act in (self._ask, self._register):
                if self._over.wait(GAP_S):
                    return
                try:
                    act(number)
                except MunimentError:
                    continue

    def _member(self, number: int) -> str:
        return self._net.names[number % len(self._net.names)]

    def _register(self, number: int) -> None:
        """A new version of what a department counted at its counters."""
        member = self._member(number)
        table = self._story.path(f"{member}-counters.csv")
        with table.open("w", newline="") as stream:
            rows = [(each, self._random.randint(5, 300), self._random.randint(1, 60))
                    for each in _COUNTERS]  # fmt: skip
            csv.writer(stream).writerows([("counter", "visitors", "minutes waited"), *rows])
        self._story.settled(member, "dataset", "register", str(table), "--dataset", "counters",
                            "--title", "Visitors at counters", "--keyword", "counters")  # fmt: skip

    def _ask(self, number: int) -> None:
        """A neighbour asks for it, has it delivered, and says what it thinks of it."""
        owner, member = self._member(number), self._member(number + 1)
        dataset = f"{owner}/counters"
        made = self._story.settled(
            member, "request", "new", dataset, "--purpose", "public-service", "--basis",
            "public-task", "--rows", str(len(_COUNTERS)), "--days", "30",
        )  # fmt: skip
        self._story.settled(member, "fetch", str(made["request"]))
        stars = str(self._random.randint(3, 5))
        self._story.settled(member, "feedback", "give", dataset, stars)

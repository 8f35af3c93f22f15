"""What visitors of a demonstration's consoles find to do: sources to run, an alert to look into."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator

from node.story import Story, running

SOURCE = "complaints"
STANDARD = "tax/complaint"
_FIELDS = (
    ("number", "identifier", 1, None), ("district", "text", 2, None), ("received", "date", 2, None),
    ("days", "integer", 2, None), ("person", "person-name", 3, "name"),
)  # fmt: skip
_DISTRICTS = ("Haidian", "Chaoyang", "Xicheng", "Fengtai", "Tongzhou")
_SURNAMES = "王李张刘陈杨黄赵吴周"
_WRONG = {7: ("days", "eleven"), 18: ("received", "2026-02-30")}
"""What a run refuses, by row: repaired from the page of the quarantine."""
_ROWS, _GUESSES = 40, 20
WATCHER, GUESSER, OWNER = "tax", "civil", "land"


def publish_standard(story: Story) -> None:
    """What the sources of all departments follow, unless the folder is used again."""
    owner = STANDARD.partition("/")[0]
    known = story.json("standard", "list", "--home", story.home(owner))
    if any(row["id"] == STANDARD for row in known):
        return
    texts = {name: {"type": ["string", "integer", "null"]} for name, *_ in _FIELDS}
    fields = [{"name": name, "type": kind, "level": level, "mask": mask}
              for name, kind, level, mask in _FIELDS]  # fmt: skip
    standard = story.path("complaint.json")
    standard.write_text(json.dumps({
        "id": STANDARD, "version": 1, "title": "Complaints", "fields": fields,
        "schema": {"type": "object", "properties": texts},
    }))  # fmt: skip
    story.settled(owner, "standard", "publish", str(standard))


def declare_source(story: Story, member: str) -> None:
    """A department declares where its complaints come from; a visitor runs and registers them."""
    if (story.net.home(member).sources / f"{SOURCE}.toml").exists():
        return
    table = story.path(f"{member}-{SOURCE}.csv")
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([[name for name, *_ in _FIELDS], *map(_row, range(_ROWS))])
    story.command("source", "add", SOURCE, f"path={table}", f"standard={STANDARD}",
                  "title=Complaints 2026", "key=number", "--home", story.home(member))  # fmt: skip


def _row(number: int) -> list[str]:
    row = {
        "number": f"C-{number + 1:04}",
        "district": _DISTRICTS[number % len(_DISTRICTS)],
        "received": f"2026-{number % 9 + 1:02}-{number % 28 + 1:02}",
        "days": str(number * 7 % 30 + 1),
        "person": _SURNAMES[number % len(_SURNAMES)] + "某",
    }
    if number in _WRONG:
        name, value = _WRONG[number]
        row[name] = value
    return list(row.values())


@contextlib.contextmanager
def watching(story: Story) -> Iterator[None]:
    """Run the process that watches beside a supervisor's node. Raises DemoError."""
    story.say(f"   $ muniment supervise --home {WATCHER} &")
    with running("watching", "-m", "node", "supervise", "--home", story.home(WATCHER)):
        yield


def guess_keys(story: Story) -> None:
    """A department tries out keys that do not exist, which the watch takes for what it is.

    The session stays open: the owner's service, which counts the calls of open ones on the chain,
    does so within some seconds.
    """
    made = story.settled(
        GUESSER, "request", "new", f"{OWNER}/counters", "visitors", "--lookup", "counter",
        "--purpose", "public-service", "--basis", "public-task", "--rows", "100", "--days", "30",
    )  # fmt: skip
    keys = [f"Counter {number}" for number in range(_GUESSES)]
    story.command("lookup", str(made["request"]), *keys, "--home", story.home(GUESSER))

"""Open data for the portal's tests: registered through the command line, and published."""

from __future__ import annotations

import json

from node.home import Home
from tests.node.alliance import command

TREES = [
    (f"T-{i:03}", ("north", "south", "<script>alert(1)</script>")[i % 3], f"{(i * 37) % 90 / 4}",
     f"20{i % 9 + 10}-0{i % 9 + 1}-15")
    for i in range(1, 120)
]  # fmt: skip
TREES[6] = ("T-007", "=1+1", "", "")
FIELDS = (("number", "text"), ("place", "text"), ("height", "decimal"), ("planted", "date"))


def register(home: Home, name: str, level: int) -> None:
    """Register two rows under a title with markup in it."""
    file = home.path / f"{name}.csv"
    file.write_text("number,place\nA-1,north\nA-2,south\n")
    command("dataset", "register", file, "--home", home.path, "--dataset", name, "--level", level,
            "--title", f"All {name} <b>here</b>")  # fmt: skip


def publish_trees(home: Home) -> None:
    """Publish the first version of MEMBER/trees, whose columns have kinds."""
    member = json.loads(home.card.read_text())["name"]
    rows = [{"name": name, "type": kind, "unit": None, "codes": None, "level": 1,
             "class": "general", "mask": None} for name, kind in FIELDS]  # fmt: skip
    properties = {name: {"title": f"{name} 列", "description": f"The {name}"} for name, _ in FIELDS}
    standard = home.path / "tree.json"
    standard.write_text(json.dumps({
        "id": f"{member}/tree", "version": 1, "title": "Trees",
        "schema": {"type": "object", "properties": properties}, "fields": rows,
    }))  # fmt: skip
    file = home.path / "trees.csv"
    lines = [",".join(name for name, _ in FIELDS), *map(",".join, TREES)]
    file.write_text("\n".join(lines) + "\n")
    command("standard", "publish", standard, "--home", home.path)
    command("dataset", "register", file, "--home", home.path, "--standard", f"{member}/tree",
            "--title", "All trees <b>here</b>")  # fmt: skip
    command("portal", "publish", f"{member}/trees", "--home", home.path)

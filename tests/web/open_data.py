"""Open data for the portal's tests: registered through the command line, and published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from node.home import Home
from node.network import load_genesis
from node.publish.shelf import Shelf
from node.web import portal
from node.web.guard import Rates
from node.web.link import Link
from node.web.live import Live
from node.web.portal.context import Limits
from node.web.site import Site
from tests.node.alliance import command
from tests.web.conftest import Console

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
    """Publish the first version of MEMBER/trees, whose columns have kinds; once for a network."""
    member = json.loads(home.card.read_text())["name"]
    if Shelf(home.open).find(f"{member}/trees", 1) is not None:
        return
    rows = [{"name": name, "type": kind, "level": 1} for name, kind in FIELDS]
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


@contextmanager
def portal_app(console: Console, limits: Limits | None = None) -> Iterator[ASGIApp]:
    """The portal in this process, before the console's node, with trees; nobody asks too often."""
    home = console.home
    publish_trees(home)
    link, desk = Link(home.socket), Link(home.desk_socket)
    genesis = load_genesis(home.genesis).genesis
    site = Site(home, console.member, genesis, link, desk, Live(home, link), portal.AREAS)
    endless = Limits(Rates(1e6, 1e6), Rates(1e6, 1e6), Rates(1e6, 1e6))
    yield portal.build(site, frozenset({"testserver"}), limits or endless)
    link.close()
    desk.close()

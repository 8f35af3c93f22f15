"""Lineage: which dataset versions were made from which, upstream and downstream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from node.data.chain import Query

MAX_NODES = 2_000


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` was made from `source` by `process`; both are DATASET@VERSION."""

    source: str
    target: str
    process: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Registrations by DATASET@VERSION, and how they hang together. `focus` is what was asked for.

    `is_cut` says that there is more than MAX_NODES.
    """

    focus: str
    nodes: dict[str, dict[str, Any]]
    edges: tuple[Edge, ...]
    is_cut: bool = False

    def sources_of(self, node: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.target == node]

    def made_of(self, node: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == node]


def name_of(dataset: str, version: int) -> str:
    return f"{dataset}@{version}"


class Lineage:
    """Lineages as all members have registered them; of a dataset only new versions are asked for.

    Several threads may ask.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._known: dict[str, int] = {}
        self._made: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def of(self, dataset: str, version: int) -> Graph:
        """The lineage of a version. Raises what `query` does."""

        def get(name: str, number: int) -> dict[str, Any] | None:
            return registration(self._query, name, number)

        return find((dataset, version), get, self._derived())

    def _derived(self) -> list[dict[str, Any]]:
        """Every registration that was made from another."""
        with self._lock:
            args: dict[str, Any] = {"prefix": ""}
            while rows := self._query("catalogue", "list", args):
                for name, latest, _ in rows:
                    self._read(name, latest)
                args["after"] = rows[-1][0]
            return list(self._made)

    def _read(self, name: str, latest: int) -> None:
        while (known := self._known.get(name, 0)) < latest:
            rows = self._query("catalogue", "versions", {"dataset": name, "after": known})
            if not rows:
                return
            self._made += [row for row in rows if row["derived_from"]]
            self._known[name] = rows[-1]["version"]


def registration(query: Query, dataset: str, version: int | None) -> dict[str, Any] | None:
    """A version of a dataset, the latest by default, or None."""
    args: dict[str, Any] = {"dataset": dataset} | ({} if version is None else {"version": version})
    found: dict[str, Any] | None = query("catalogue", "get", args)
    return found


def find(
    focus: tuple[str, int],
    get: Callable[[str, int], dict[str, Any] | None],
    everything: Iterable[dict[str, Any]],
) -> Graph:
    """Return the lineage of a version.

    `get` gives a registration (`catalogue.get`), `everything` those that may have been made of it.
    """
    start = name_of(*focus)
    nodes: dict[str, dict[str, Any]] = {}
    edges: set[Edge] = set()
    queue = [focus]
    while queue and len(nodes) < MAX_NODES:
        dataset, version = queue.pop()
        name = name_of(dataset, version)
        found = None if name in nodes else get(dataset, version)
        if found is None:
            continue
        nodes[name] = found
        for source in found["derived_from"]:
            edges.add(Edge(name_of(source["dataset"], source["version"]), name, source["process"]))
            queue.append((source["dataset"], source["version"]))
    below: dict[str, list[dict[str, Any]]] = {}
    for each in everything:
        for source in each["derived_from"]:
            below.setdefault(name_of(source["dataset"], source["version"]), []).append(each)
    names = [start]
    while names and len(nodes) < MAX_NODES:
        name = names.pop()
        for each in below.get(name, ()):
            made = name_of(each["dataset"], each["version"])
            for source in each["derived_from"]:
                if name_of(source["dataset"], source["version"]) == name:
                    edges.add(Edge(name, made, source["process"]))
            if made not in nodes:
                nodes[made] = each
                names.append(made)
    ordered = tuple(sorted(edges, key=lambda edge: (edge.source, edge.target, edge.process)))
    return Graph(start, nodes, ordered, bool(queue or names))


def layers(graph: Graph) -> list[list[str]]:
    """Return the versions in layers, each below everything that it was made from.

    A version's layer is the longest way to it; lineage has no circles, since a version names only
    versions that were registered before it.
    """
    depth: dict[str, int] = {}

    def of(name: str, seen: frozenset[str]) -> int:
        if name not in depth:
            above = [e.source for e in graph.sources_of(name) if e.source in graph.nodes]
            ways = [of(each, seen | {name}) for each in above if each not in seen]
            depth[name] = 1 + max(ways, default=-1)
        return depth[name]

    for name in sorted(graph.nodes):
        of(name, frozenset())
    rows: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in sorted(depth):
        rows[depth[name]].append(name)
    return rows


def tree(graph: Graph) -> list[str]:
    """Return lines that show what the version was made from, and what was made of it."""
    lines = [_label(graph, graph.focus)]
    for title, step in (("made from", graph.sources_of), ("made into", graph.made_of)):
        edges = step(graph.focus)
        if edges:
            lines.append(f"{title}:")
            _branch(graph, edges, step, "  ", {graph.focus}, lines)
    return lines


def _branch(
    graph: Graph, edges: list[Edge], step: Callable[[str], list[Edge]], indent: str,
    seen: set[str], lines: list[str],
) -> None:  # fmt: skip
    for edge in edges:
        other = edge.source if step == graph.sources_of else edge.target
        again = other in seen
        lines.append(f"{indent}{_label(graph, other)}  by {edge.process}{'  (above)' * again}")
        if not again:
            seen.add(other)
            _branch(graph, step(other), step, indent + "  ", seen, lines)


def _label(graph: Graph, name: str) -> str:
    found = graph.nodes.get(name)
    return name if found is None else f"{name}  L{found['level']}  {found['title']}"


def to_dot(graph: Graph) -> str:
    """Return the graph in the language of Graphviz."""
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for name, found in sorted(graph.nodes.items()):
        style = ", penwidth=2" if name == graph.focus else ""
        label = _quoted(f"{name}\n{found['title']}\nL{found['level']}")
        lines.append(f"  {_quoted(name)} [label={label}{style}];")
    for edge in graph.edges:
        label = _quoted(edge.process)
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={label}];")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'

"""The export follows DCAT-AP 3.0.1, by its own SHACL shapes, in both syntaxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyshacl import validate
from rdflib import Graph, URIRef
from rdflib.compare import isomorphic

from node.data import dcat

SHAPES = Path(__file__).parent / "dcat-ap-3.0.1.ttl"
DCAT = "http://www.w3.org/ns/dcat#"
BASE = "urn:muniment:00ff:"


def registration(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "dataset": name, "version": 3, "title": 'Permits "2026" \\ 许可\n', "rows": 12, "bytes": 99,
        "level": 3, "class": "general", "keywords": ["permits", "许可"], "owner": "tax",
        "theme": "economy", "licence": "open-1", "frequency": "monthly", "spatial": "110000",
        "temporal": [1_700_000_000_000, 1_710_000_000_000], "media_type": "text/csv",
        "standard": ["tax/permits", 2, "00"], "derived_from": [{"dataset": "tax/other"}],
        "time": 1_750_000_000_123, **changes,
    }  # fmt: skip


ROWS = [
    registration("tax/permits"),
    registration("tax/other", theme=None, licence=None, spatial=None, temporal=None, level=1,
                 derived_from=[], keywords=[]),
    registration("tax/files", level=1, page="https://x/datasets/tax/files", downloads=[
        dcat.Download("https://x/records.csv", "text/csv", 9, 1_750_000_000_000),
        dcat.Download("https://x/records.json", "application/json", 9, 1_750_000_000_000)]),
]  # fmt: skip


@pytest.fixture(scope="module")
def shapes() -> Graph:
    return Graph().parse(SHAPES)


def graph(rows: list[dict[str, Any]]) -> Graph:
    found = dcat.statements("trial", BASE, rows)
    turtle = Graph().parse(data=dcat.to_turtle(found), format="turtle")
    jsonld = Graph().parse(data=dcat.to_jsonld(found), format="json-ld")
    assert isomorphic(turtle, jsonld)
    assert len(turtle) == len(found)
    return turtle


def test_the_export_conforms(shapes: Graph) -> None:
    conforms, _, text = validate(graph(ROWS), shacl_graph=shapes)
    assert conforms, text


@pytest.mark.parametrize(
    "broken", ["dct:title", "dct:description", "dcat:accessURL", "foaf:name", "dct:publisher"]
)
def test_the_shapes_find_what_is_left_out(shapes: Graph, broken: str) -> None:
    found = [s for s in dcat.statements("trial", BASE, ROWS) if s.predicate != broken]
    data = Graph().parse(data=dcat.to_turtle(found), format="turtle")
    assert not validate(data, shacl_graph=shapes)[0]


def test_files_are_distributions_that_can_be_loaded_down() -> None:
    found = graph(ROWS)
    [files] = {str(o) for o in found.objects(predicate=URIRef(f"{DCAT}accessURL"))
               if "https" in str(o)}  # fmt: skip
    assert files == "https://x/datasets/tax/files"
    loaded = {str(o) for o in found.objects(predicate=URIRef(f"{DCAT}downloadURL"))}
    assert loaded == {"https://x/records.csv", "https://x/records.json"}


def test_text_survives(shapes: Graph) -> None:
    titles = {str(o) for o in graph(ROWS).objects(predicate=None) if "许可" in str(o)}
    assert 'Permits "2026" \\ 许可\n' in titles

"""Lineage: found both ways, drawn, and written in the forms of others."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import prov.model
import pytest

from node.trace import lineage
from node.trace.lineage import Graph
from node.trace.openlineage import to_events
from node.trace.picture import to_svg
from node.trace.prov import to_prov

SCHEMAS = Path(__file__).parent / "openlineage"
BASE = "urn:muniment:0011223344556677:"


def registration(dataset: str, version: int, *sources: tuple[str, int]) -> dict[str, Any]:
    number = len(sources) + version
    return {
        "dataset": dataset, "version": version, "title": f'"{dataset}" <&> 数据', "level": 2,
        "class": "general", "rows": 10, "commitment": f"{number:064x}", "height": number,
        "time": 1_790_000_000_123, "owner": dataset.partition("/")[0],
        "derived_from": [
            {"dataset": name, "version": at, "process": "join"} for name, at in sources
        ],
    }  # fmt: skip


ALL = {
    (each["dataset"], each["version"]): each
    for each in (
        registration("tax/a", 1),
        registration("tax/b", 1),
        registration("tax/c", 1, ("tax/a", 1), ("tax/b", 1)),
        registration("civil/d", 1, ("tax/c", 1)),
        registration("land/e", 1, ("tax/c", 1), ("tax/a", 1)),
        registration("land/apart", 1, ("tax/b", 1)),
    )
}


def find(dataset: str) -> Graph:
    return lineage.find((dataset, 1), lambda *at: ALL.get(at), ALL.values())


def test_lineage_goes_up_and_down_but_not_sideways() -> None:
    graph = find("tax/c")
    assert sorted(graph.nodes) == ["civil/d@1", "land/e@1", "tax/a@1", "tax/b@1", "tax/c@1"]
    assert [(e.source, e.target) for e in graph.edges] == [
        ("tax/a@1", "tax/c@1"), ("tax/b@1", "tax/c@1"),
        ("tax/c@1", "civil/d@1"), ("tax/c@1", "land/e@1"),
    ]  # fmt: skip
    assert lineage.layers(graph) == [
        ["tax/a@1", "tax/b@1"], ["tax/c@1"], ["civil/d@1", "land/e@1"],
    ]  # fmt: skip
    assert not graph.is_cut


def test_the_tree_reads_from_the_version_outwards() -> None:
    lines = lineage.tree(find("tax/a"))
    assert lines[0].startswith("tax/a@1  L2")
    assert lines[1] == "made into:"
    assert [line.split()[0] for line in lines[2:]] == [
        "land/e@1", "tax/c@1", "civil/d@1", "land/e@1",
    ]  # fmt: skip
    assert lines[-1].endswith("(above)")


def test_much_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "MAX_NODES", 2)
    assert find("land/e").is_cut


def test_the_picture_is_xml_and_shows_every_version() -> None:
    root = ElementTree.fromstring(to_svg(find("tax/c")))
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"tax/a@1", "tax/c@1", "land/e@1", "join"} <= set(texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 5


def test_names_are_quoted_for_graphviz() -> None:
    dot = lineage.to_dot(find("tax/a"))
    assert '"tax/a@1" [label="tax/a@1\\n\\"tax/a\\" <&> 数据\\nL2", penwidth=2];' in dot
    assert '"tax/a@1" -> "tax/c@1" [label="join"];' in dot


def test_prov_json_is_accepted_by_the_prov_package() -> None:
    text = json.dumps(to_prov(find("tax/c"), BASE))
    document = prov.model.ProvDocument.deserialize(io.StringIO(text), format="json")
    kinds = {
        kind: len(list(document.get_records(kind)))
        for kind in (prov.model.ProvEntity, prov.model.ProvActivity, prov.model.ProvDerivation)
    }
    assert list(kinds.values()) == [5, 5, 4]
    again = json.loads(document.serialize(format="json"))
    assert len(again["used"]) == 4


def test_openlineage_events_follow_the_published_schemas() -> None:
    files = [json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))]
    registry = jsonschema_rs.Registry([(each["$id"], each) for each in files])
    main = next(each for each in files if each["$id"].endswith("OpenLineage.json"))
    check = jsonschema_rs.validator_for(main, registry=registry, validate_formats=True)
    facets = {
        each["$id"].rpartition("/")[2]: jsonschema_rs.validator_for(each, registry=registry)
        for each in files
    }
    events = to_events(find("tax/c"), BASE)
    assert len(events) == 5
    for event in events:
        check.validate(event)
        for dataset in (*event["inputs"], *event["outputs"]):
            for name, facet in dataset["facets"].items():
                schema = facet["_schemaURL"].rpartition("/")[2]
                facets[schema].validate({name: facet})
    # The schema can fail: the validators are not blind.
    assert not check.is_valid({**events[0], "eventType": "MADE"})
    assert not facets["DatasetVersionDatasetFacet.json"].is_valid({"version": {}})
    assert {tuple(i["name"] for i in e["inputs"]) for e in events} >= {("tax/a", "tax/b")}

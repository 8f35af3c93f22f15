"""Lineage as OpenLineage events (specification 2-0-2): a COMPLETE for each version made."""

from __future__ import annotations

import uuid
from typing import Any

from node.trace.lineage import Graph
from node.trace.prov import moment

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
PRODUCER = "urn:muniment:node"


def to_events(graph: Graph, namespace: str) -> list[dict[str, Any]]:
    """Return a list of run events in the order of registration; run ids follow commitments."""
    events = []
    for name, each in sorted(graph.nodes.items(), key=lambda row: (row[1]["height"], row[0])):
        edges = graph.sources_of(name)
        process = edges[0].process if edges else "register"
        run = uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace}{name}#{each['commitment']}")
        events.append(
            {
                "eventType": "COMPLETE",
                "eventTime": moment(each["time"]),
                "run": {"runId": str(run)},
                "job": {"namespace": namespace, "name": f"{each['dataset']}.{process}"},
                "inputs": [_dataset(graph, namespace, edge.source) for edge in edges],
                "outputs": [_dataset(graph, namespace, name)],
                "producer": PRODUCER,
                "schemaURL": SCHEMA,
            }
        )
    return events


def _dataset(graph: Graph, namespace: str, name: str) -> dict[str, Any]:
    dataset, _, version = name.partition("@")
    facets: dict[str, Any] = {
        "version": _facet("1-0-1/DatasetVersionDatasetFacet.json", datasetVersion=version)
    }
    found = graph.nodes.get(name)
    if found is not None:
        owners = [{"name": found["owner"], "type": "OWNER"}]
        facets["ownership"] = _facet("1-0-1/OwnershipDatasetFacet.json", owners=owners)
        tags = [
            {"key": "sharing-level", "value": f"L{found['level']}"},
            {"key": "data-class", "value": found["class"]},
        ]
        facets["tags"] = _facet("1-0-0/TagsDatasetFacet.json", tags=tags)
    return {"namespace": namespace, "name": dataset, "facets": facets}


def _facet(schema: str, **fields: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{schema}", **fields}

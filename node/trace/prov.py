"""Lineage as PROV-JSON (W3C member submission of 2013): entities, activities, agents.

A dataset version is an entity, the registration that made it an activity, its owner an agent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from node.trace.lineage import Graph


def to_prov(graph: Graph, base: str) -> dict[str, Any]:
    """Return the document; `base` is what the chain's own names begin with."""
    found: dict[str, dict[str, Any]] = {
        "prefix": {"m": base, "xsd": "http://www.w3.org/2001/XMLSchema#"},
        "entity": {},
        "activity": {},
        "agent": {},
        "wasGeneratedBy": {},
        "wasAttributedTo": {},
        "wasAssociatedWith": {},
        "used": {},
        "wasDerivedFrom": {},
    }

    def relate(kind: str, **parts: str) -> None:
        row = {f"prov:{name}": part for name, part in parts.items()}
        found[kind][f"_:{kind}{len(found[kind]) + 1}"] = row

    for name, each in sorted(graph.nodes.items()):
        entity, activity = f"m:{_local(name)}", f"m:registration/{_local(name)}"
        owner = f"m:member/{each['owner']}"
        time = moment(each["time"])
        found["entity"][entity] = {
            "prov:label": each["title"],
            "prov:type": {"$": "m:DatasetVersion", "type": "prov:QUALIFIED_NAME"},
            "m:level": each["level"],
            "m:class": each["class"],
            "m:rows": each["rows"],
            "m:commitment": each["commitment"],
        }
        found["activity"][activity] = {
            "prov:startTime": time,
            "prov:endTime": time,
            "m:height": each["height"],
        }
        found["agent"][owner] = {
            "prov:type": {"$": "prov:Organization", "type": "prov:QUALIFIED_NAME"},
            "prov:label": each["owner"],
        }
        relate("wasGeneratedBy", entity=entity, activity=activity, time=time)
        relate("wasAttributedTo", entity=entity, agent=owner)
        relate("wasAssociatedWith", activity=activity, agent=owner)
    for edge in graph.edges:
        source, target = f"m:{_local(edge.source)}", f"m:{_local(edge.target)}"
        found["entity"].setdefault(source, {})
        relate("used", activity=f"m:registration/{_local(edge.target)}", entity=source)
        relate("wasDerivedFrom", generatedEntity=target, usedEntity=source)
    return {kind: rows for kind, rows in found.items() if rows}


def _local(name: str) -> str:
    """A name of a version that may stand behind a prefix."""
    return name.replace("@", "/v")


def moment(ms: int) -> str:
    """Return ms UTC as RFC 3339 has it."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds")

"""The catalogue as DCAT-AP 3 (SEMIC, 3.0.1), in Turtle and JSON-LD, from what the chain says.

Both are written from one list of statements. Names that are not words of DCAT stand under the
network's own base, or one that is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PREFIXES = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "prov": "http://www.w3.org/ns/prov#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_EU = "http://publications.europa.eu/resource/authority/"
_IANA = "https://www.iana.org/assignments/media-types/"
_FREQUENCIES = {
    "once": "NEVER", "continuous": "CONT", "daily": "DAILY", "weekly": "WEEKLY",
    "monthly": "MONTHLY", "quarterly": "QUARTERLY", "annual": "ANNUAL", "irregular": "IRREG",
}  # fmt: skip
_RIGHTS = {1: "PUBLIC", 2: "RESTRICTED", 3: "RESTRICTED", 4: "NON_PUBLIC"}


@dataclass(frozen=True, slots=True)
class Literal:
    """Text with a datatype; without one it is a plain string."""

    text: str
    datatype: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """Subject and object (unless a literal) are addresses; the predicate is prefixed."""

    subject: str
    predicate: str
    object: str | Literal


def statements(network: str, base: str, datasets: Iterable[dict[str, Any]]) -> list[Statement]:
    """Return what DCAT-AP says of a catalogue of registrations, as `catalogue.get` returns them.

    They may have a `page` about the dataset, and `downloads` of its records.
    """
    catalogue = f"{base}catalogue"
    found = [
        Statement(catalogue, "rdf:type", "dcat:Catalog"),
        Statement(catalogue, "dct:title", Literal(f"Catalogue of {network}")),
        Statement(catalogue, "dct:description", Literal(f"Datasets registered in {network}.")),
        Statement(catalogue, "dct:publisher", f"{base}network"),
        *_agent(f"{base}network", network),
    ]
    for each in datasets:
        found.append(Statement(catalogue, "dcat:dataset", f"{base}dataset/{each['dataset']}"))
        found += _dataset(base, each)
    return list(dict.fromkeys(found))


def _agent(address: str, name: str) -> Iterator[Statement]:
    yield Statement(address, "rdf:type", "foaf:Agent")
    yield Statement(address, "foaf:name", Literal(name))


def _dataset(base: str, row: dict[str, Any]) -> Iterator[Statement]:
    """The latest version of a dataset, its distributions, and what they speak of."""
    own = f"{base}dataset/{row['dataset']}"

    def say(predicate: str, value: str | Literal) -> Statement:
        return Statement(own, predicate, value)

    def typed(predicate: str, address: str, kind: str) -> Iterator[Statement]:
        yield say(predicate, address)
        yield Statement(address, "rdf:type", kind)

    yield say("rdf:type", "dcat:Dataset")
    yield say("dct:title", Literal(row["title"]))
    yield say("dct:description", Literal(
        f"{row['title']}: version {row['version']}, {row['rows']} records, sharing level "
        f"L{row['level']}, data class {row['class']}."
    ))  # fmt: skip
    yield say("dct:identifier", Literal(row["dataset"]))
    yield say("dcat:version", Literal(str(row["version"])))
    yield say("dct:modified", _time(row["time"]))
    yield from (say("dcat:keyword", Literal(word)) for word in row["keywords"])
    yield say("dct:publisher", f"{base}member/{row['owner']}")
    yield from _agent(f"{base}member/{row['owner']}", row["owner"])
    frequency = f"{_EU}frequency/{_FREQUENCIES[row['frequency']]}"
    yield from typed("dct:accrualPeriodicity", frequency, "dct:Frequency")
    rights = f"{_EU}access-right/{_RIGHTS[row['level']]}"
    yield from typed("dct:accessRights", rights, "dct:RightsStatement")
    identity, number, _ = row["standard"]
    yield from typed("dct:conformsTo", f"{base}standard/{identity}/{number}", "dct:Standard")
    if row["theme"]:
        theme = f"{base}theme/{row['theme']}"
        yield from typed("dcat:theme", theme, "skos:Concept")
        yield Statement(theme, "skos:prefLabel", Literal(row["theme"]))
    if row["spatial"]:
        yield from typed("dct:spatial", f"{base}place/{row['spatial']}", "dct:Location")
    if row["temporal"]:
        yield from typed("dct:temporal", f"{own}#period", "dct:PeriodOfTime")
        for name, moment in zip(("startDate", "endDate"), row["temporal"], strict=True):
            yield Statement(f"{own}#period", f"dcat:{name}", _time(moment))
    for source in row["derived_from"]:
        yield say("dct:source", f"{base}dataset/{source['dataset']}")
    page = row.get("page") or f"{base}access/{row['dataset']}"
    yield Statement(page, "rdf:type", "rdfs:Resource")
    registered = Download(f"{own}/{row['version']}", row["media_type"], row["bytes"], row["time"])
    for each in row.get("downloads") or (registered,):
        yield from _distribution(base, own, page, row["licence"], each, each is not registered)


@dataclass(frozen=True, slots=True)
class Download:
    """A dataset's records in one form; `time` in ms UTC."""

    address: str
    media_type: str
    bytes: int
    time: int


def _distribution(
    base: str, own: str, page: str, licence: str | None, found: Download, can_be_loaded: bool
) -> Iterator[Statement]:
    place = f"{found.address}#distribution" if can_be_loaded else found.address
    media = f"{_IANA}{found.media_type}"
    yield Statement(own, "dcat:distribution", place)
    yield Statement(place, "rdf:type", "dcat:Distribution")
    yield Statement(place, "dcat:accessURL", page)
    if can_be_loaded:
        yield Statement(place, "dcat:downloadURL", found.address)
        yield Statement(found.address, "rdf:type", "rdfs:Resource")
    yield Statement(place, "dcat:mediaType", media)
    yield Statement(media, "rdf:type", "dct:MediaType")
    yield Statement(place, "dcat:byteSize", Literal(str(found.bytes), "xsd:nonNegativeInteger"))
    yield Statement(place, "dct:modified", _time(found.time))
    if licence:
        yield Statement(place, "dct:license", f"{base}licence/{licence}")
        yield Statement(f"{base}licence/{licence}", "rdf:type", "dct:LicenseDocument")


def _time(ms: int) -> Literal:
    moment = datetime.fromtimestamp(ms / 1_000, UTC)
    return Literal(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "xsd:dateTime")


def _by_subject(found: Iterable[Statement]) -> dict[str, dict[str, list[str | Literal]]]:
    groups: dict[str, dict[str, list[str | Literal]]] = {}
    for each in found:
        groups.setdefault(each.subject, {}).setdefault(each.predicate, []).append(each.object)
    return groups


def to_turtle(found: Iterable[Statement]) -> str:
    """Return RDF 1.1 Turtle."""
    lines = [f"@prefix {name}: <{address}> ." for name, address in PREFIXES.items()]
    for subject, predicates in _by_subject(found).items():
        parts = [
            f"{'a' if predicate == 'rdf:type' else predicate} {', '.join(map(_turtle, objects))}"
            for predicate, objects in predicates.items()
        ]
        lines.append(f"\n<{subject}> " + " ;\n    ".join(parts) + " .")
    return "\n".join(lines) + "\n"


def _turtle(value: str | Literal) -> str:
    if isinstance(value, Literal):
        # JSON's escapes are Turtle's for quotes, backslash and control characters.
        text = json.dumps(value.text, ensure_ascii=False)
        return f"{text}^^{value.datatype}" if value.datatype else text
    return value if value.partition(":")[0] in PREFIXES else f"<{value}>"


def to_jsonld(found: Iterable[Statement]) -> str:
    """Return JSON-LD 1.1 with its context inside."""
    graph = []
    for subject, predicates in _by_subject(found).items():
        node: dict[str, Any] = {"@id": subject}
        for predicate, objects in predicates.items():
            if predicate == "rdf:type":
                node["@type"] = objects
            else:
                node[predicate] = [_json(each) for each in objects]
        graph.append(node)
    return json.dumps({"@context": PREFIXES, "@graph": graph}, ensure_ascii=False, indent=2) + "\n"


def _json(value: str | Literal) -> Any:
    if isinstance(value, Literal):
        return {"@value": value.text, "@type": value.datatype} if value.datatype else value.text
    return {"@id": value}

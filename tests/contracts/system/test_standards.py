"""Standards are versioned by who published them first, and hold no schema that reaches out."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import DecodeError, encode
from consensus.crypto import sha256
from contracts.codes import Code
from contracts.system.standards import MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, check_schema


def publish(chain: Any, sender: str = "land", **changes: Any) -> Any:
    return chain.run(sender, "standards", "publish", chain.standard(**changes))


def test_publishing_stores_the_standard_under_its_digest(chain: Any) -> None:
    receipt = publish(chain)
    digest = sha256(encode(chain.standard()))
    assert receipt.code == Code.OK
    (event,) = receipt.events
    assert (event.contract, event.name) == ("standards", "published")
    assert event.data == ["land/parcels", 1, digest]
    assert chain.ask("standards", "get", id="land/parcels") == {
        "owner": "land",
        "latest": 1,
        "digest": digest,
        "standard": chain.standard(),
    }


def test_versions_are_consecutive_and_kept(chain: Any) -> None:
    assert publish(chain, version=2).code == Code.WRONG_VERSION
    assert publish(chain).code == Code.OK
    assert publish(chain).code == Code.WRONG_VERSION
    assert publish(chain, version=3).details == 1
    assert publish(chain, version=2, title="Second").code == Code.OK
    assert chain.ask("standards", "get", id="land/parcels")["standard"]["title"] == "Second"
    assert chain.ask("standards", "get", id="land/parcels", version=1)["latest"] == 2
    assert chain.ask("standards", "get", id="land/parcels", version=3) is None
    assert chain.ask("standards", "get", id="land/none") is None


def test_only_the_first_publisher_goes_on(chain: Any) -> None:
    publish(chain)
    receipt = publish(chain, "tax", version=2)
    assert (receipt.code, receipt.details) == (Code.NOT_OWNER, "land/parcels")


def test_list_is_paged_by_id(chain: Any) -> None:
    publish(chain, id="land/b")
    publish(chain, id="land/a")
    rows = chain.ask("standards", "list")
    assert [row["id"] for row in rows] == ["land/a", "land/b"]
    assert rows[0] == {"id": "land/a", "owner": "land", "latest": 1}
    assert [row["id"] for row in chain.ask("standards", "list", after="land/a")] == ["land/b"]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        nested(8),
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/a"},
        {"$defs": {"a": {"anyOf": [True, {"const": {"unknown": 1}}]}}, "items": False},
        {"properties": {"$ref": {"type": "string"}, "if": {"minLength": 1}}},
        {"enum": [{"$ref": "http://plain.example/data"}]},
    ],
)
def test_schemas_that_stay_inside_are_taken(chain: Any, schema: dict[str, Any]) -> None:
    assert publish(chain, schema=schema).code == Code.OK


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ([], "schema: must be a map"),
        ({"if": {}}, "schema.if: is not an allowed keyword"),
        ({"$dynamicRef": "#a"}, "schema.$dynamicRef: is not"),
        ({"$ref": "https://example.org/s"}, "schema.$ref: must stay inside"),
        ({"$ref": 1}, "schema.$ref: must stay inside"),
        ({"$schema": "https://example.org/s"}, "schema.$schema: must be https"),
        ({"items": {"not": {"$ref": "other"}}}, "schema.items.not.$ref: must stay"),
        ({"properties": []}, "schema.properties: must be a map"),
        ({"properties": {"a": 1}}, "schema.properties.a: must be a schema"),
        ({"oneOf": {}}, "schema.oneOf: must be an array"),
        ({"allOf": [{}, {"if": 1}]}, "schema.allOf[1].if: is not"),
        ({"title": "x" * MAX_SCHEMA_BYTES}, "schema: must have at most"),
    ],
)
def test_other_schemas_are_refused_with_the_place(chain: Any, schema: Any, place: str) -> None:
    receipt = publish(chain, schema=schema)
    assert receipt.code == Code.BAD_ARGUMENT
    assert receipt.details.startswith(place)


def test_depth_is_limited() -> None:
    assert check_schema(nested(MAX_SCHEMA_DEPTH), "schema")
    with pytest.raises(DecodeError, match="nested deeper"):
        check_schema(nested(MAX_SCHEMA_DEPTH + 1), "schema")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": ""}, "fields[0].name"),
        ({"type": "Text"}, "fields[0].type"),
        ({"unit": 1}, "fields[0].unit"),
        ({"codes": [""]}, "fields[0].codes[0]"),
        ({"level": 5}, "fields[0].level"),
        ({"class": "secret"}, "fields[0].class"),
        ({"mask": "No"}, "fields[0].mask"),
        ({"more": 1}, "fields[0]"),
        ({"name": "area"}, "fields: names must be distinct"),
    ],
)
def test_a_wrong_field_is_named(chain: Any, changes: dict[str, Any], place: str) -> None:
    first, second = chain.standard()["fields"]
    receipt = publish(chain, fields=[first | changes, second])
    assert receipt.code == Code.BAD_ARGUMENT
    assert receipt.details.startswith(place)


@pytest.mark.parametrize("name", ["id", "version", "title", "schema", "fields"])
def test_every_argument_is_required(chain: Any, name: str) -> None:
    args = chain.standard()
    del args[name]
    receipt = chain.run("land", "standards", "publish", args)
    assert (receipt.code, receipt.details) == (Code.BAD_ARGUMENT, f"{name}: missing")


def test_a_standard_has_fields(chain: Any) -> None:
    assert publish(chain, fields=[]).code == Code.BAD_ARGUMENT


def test_the_namespace_before_the_slash_is_the_members_own(chain: Any) -> None:
    assert publish(chain, id="tax/parcels").code == Code.NOT_OWNER
    assert publish(chain, sender="tax", id="tax/parcels").code == Code.OK

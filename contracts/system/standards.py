"""Data standards: versioned JSON Schemas with the meaning and grade of each field."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import cbor2

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import sha256
from contracts import checks
from contracts.api import STEWARD, Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader

NAME = "standards"
CLASSES = ("general", "important", "core")
MAX_SCHEMA_BYTES = 32 << 10
MAX_SCHEMA_DEPTH = 12
MAX_FIELDS = 1_024
MAX_CODES = 4_096
MAX_TEXT = 256
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_KEYWORDS = frozenset(
    (
        "$schema", "$id", "$ref", "$defs", "$comment", "title", "description", "type", "enum",
        "const", "properties", "required", "additionalProperties", "items", "prefixItems",
        "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf",
        "oneOf", "allOf", "not", "default", "examples", "minProperties", "maxProperties",
    )
)  # fmt: skip
"""Keywords of JSON Schema 2020-12 that a standard may use; none of them fetches anything."""
_HEAD = b"head/"
_VERSION = b"version/"
_BODY = b"body/"


def check_schema(value: Value, what: str) -> Value:
    """Check size, depth, keywords and that references stay inside the document."""
    if type(value) is not dict:
        raise DecodeError(f"{what}: must be a map")
    _check_schema(value, what, 0)
    if len(encode(value)) > MAX_SCHEMA_BYTES:
        raise DecodeError(f"{what}: must have at most {MAX_SCHEMA_BYTES} bytes")
    return value


def _check_schema(value: Value, what: str, depth: int) -> None:
    if depth > MAX_SCHEMA_DEPTH:
        raise DecodeError(f"{what}: is nested deeper than {MAX_SCHEMA_DEPTH}")
    if type(value) is bool:
        return
    if type(value) is not dict:
        raise DecodeError(f"{what}: must be a schema")
    for keyword, inner in value.items():
        place = f"{what}.{keyword}"
        if keyword not in SCHEMA_KEYWORDS:
            raise DecodeError(f"{place}: is not an allowed keyword")
        if keyword == "$schema" and inner != DIALECT:
            raise DecodeError(f"{place}: must be {DIALECT}")
        if keyword == "$ref" and not (isinstance(inner, str) and inner[:1] == "#"):
            raise DecodeError(f"{place}: must stay inside the document")
        if keyword in ("properties", "$defs"):
            if type(inner) is not dict:
                raise DecodeError(f"{place}: must be a map")
            for name, schema in inner.items():
                _check_schema(schema, f"{place}.{name}", depth + 1)
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            if type(inner) is not list:
                raise DecodeError(f"{place}: must be an array")
            for index, schema in enumerate(inner):
                _check_schema(schema, f"{place}[{index}]", depth + 1)
        elif keyword in ("items", "additionalProperties", "not"):
            _check_schema(inner, place, depth + 1)


_FIELD = checks.record(
    {
        "name": checks.text(128),
        "type": checks.slug,
        "unit": checks.optional(checks.text(32)),
        "codes": checks.optional(checks.list_of(checks.text(MAX_TEXT), MAX_CODES)),
        "level": checks.integer(1, 4),
        "class": checks.one_of(*CLASSES),
        "mask": checks.optional(checks.slug),
    }
)


def digest_of(standard: dict[str, Value]) -> bytes:
    """Return what datasets bind to: SHA-256 of the encoded standard."""
    return sha256(encode(standard))


def _publish(ctx: Context, args: Args) -> None:
    """The next version of an own standard: a JSON Schema, and meaning and grade of each field."""
    identity, version, fields = args["id"], args["version"], args["fields"]
    names = [field["name"] for field in fields]
    if not names or len(set(names)) != len(names):
        fail(Code.BAD_ARGUMENT, "fields: names must be distinct and at least one")
    key = identity.encode("ascii")
    head = ctx.get(_HEAD + key)
    _, latest = head or (ctx.sender, 0)
    ctx.require_own(identity)
    if version != latest + 1:
        fail(Code.WRONG_VERSION, latest)
    digest = digest_of(args)
    level = max(field["level"] for field in fields)
    grade = max(CLASSES.index(field["class"]) for field in fields)
    ctx.put(_HEAD + key, [ctx.sender, version])
    # What registrations need stands apart from the body, so that they decode little.
    ctx.put(_VERSION + key + b"/" + checks.number_key(version), [digest, level, grade, len(names)])
    ctx.put(_BODY + key + b"/" + checks.number_key(version), args)
    ctx.emit("published", [identity, version, digest])


def get_brief(reader: Reader, identity: str, version: int) -> Any:
    """Return [digest, highest level, highest class index, fields] of a version, or None."""
    key = identity.encode("utf-8")
    return reader.peek(_VERSION + key + b"/" + checks.number_key(version))


class FieldGrade(NamedTuple):
    """What a decision looks at in a field: `grade` is its class, as an index into CLASSES."""

    name: str
    type: str
    level: int
    grade: int
    mask: str | None


def get_fields(state: StateReader, identity: str, version: int) -> tuple[FieldGrade, ...]:
    """Return the fields of a published version, in order."""
    place = _BODY + identity.encode("ascii") + b"/" + checks.number_key(version)
    data = state.get(NAME.encode("ascii") + b"/" + place)
    return () if data is None else _fields_of(data)


@lru_cache(maxsize=256)
def _fields_of(body: bytes) -> tuple[FieldGrade, ...]:
    return tuple(
        FieldGrade(
            field["name"], field["type"], field["level"], CLASSES.index(field["class"]),
            field["mask"],
        )
        for field in cbor2.loads(body)["fields"]
    )  # fmt: skip


def _query_get(state: StateReader, args: Args) -> Value:
    """A standard with owner and digest, the latest unless `version` is named, or null."""
    reader = Reader(state, NAME)
    key = args["id"].encode("ascii")
    head = reader.get(_HEAD + key)
    if head is None:
        return None
    owner, latest = head
    number = args.get("version", latest)
    brief = get_brief(reader, args["id"], number)
    if brief is None:
        return None
    body = reader.get(_BODY + key + b"/" + checks.number_key(number))
    return {"owner": owner, "latest": latest, "digest": brief[0], "standard": body}


def _query_list(state: StateReader, args: Args) -> Value:
    """Standards by id above `after`, a page of them."""
    start = _HEAD + args["after"].encode("utf-8") if "after" in args else b""
    rows = Reader(state, NAME).scan(_HEAD, start, 100)
    return [
        {"id": key[len(_HEAD) :].decode("ascii"), "owner": value[0], "latest": value[1]}
        for key, value in rows
    ]


CONTRACT = Contract(
    NAME,
    methods={
        "publish": Signature(
            _publish,
            {
                "id": checks.owned_id,
                "version": checks.integer(1, 1 << 32),
                "title": checks.text(MAX_TEXT),
                "schema": check_schema,
                "fields": checks.list_of(_FIELD, MAX_FIELDS),
            },
            duties=(STEWARD,),
        )
    },
    queries={
        "get": QuerySignature(
            _query_get,
            {"id": checks.owned_id, "version": checks.integer(1, 1 << 32)},
            frozenset(("version",)),
        ),
        "list": QuerySignature(_query_list, {"after": checks.text(128)}, frozenset(("after",))),
    },
)

"""The interface for programs, described in OpenAPI 3.1, with every answer that it gives."""

from __future__ import annotations

from typing import Any

from node.data.inbox import MAX_NAME, MAX_UPLOAD_BYTES, SUFFIXES
from node.publish import remarks
from node.publish.proof import SUFFIX
from node.publish.shelf import TYPES
from node.web.problems import MEDIA_TYPE

MOST, USUAL = 100, 20
MAX_PAGE = 1_000_000
MAX_VERSION = (1 << 32) - 1
MAX_WORDS = 200
FILE_NAME = rf"[\w(). -]+\.({'|'.join(ending[1:] for ending in SUFFIXES)})"
"""Of a file that is handed in; letters of every language."""
Json = dict[str, Any]
TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer", "minimum": 0}
MAYBE: Json = {"type": ["string", "null"]}


def describe() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Open data of a Muniment network",
            "version": "1",
            "description": "Datasets of level L1 with their records. Everything here follows from "
            "the chain, and can be checked with proofs: `muniment verify` for files of records, "
            "`muniment verify-state` for registrations. Answers to GET have an ETag, and HEAD has "
            "their headers. An address may ask ten times a second, a hundred times at once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(),
        "components": {
            "schemas": _SCHEMAS,
            "responses": {str(status): _problem(words) for status, words in _PROBLEMS.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer",
                          "description": "A token that a steward has given out."},
            },
        },
    }  # fmt: skip


def _paths() -> Json:
    dataset = "/api/v1/datasets/{owner}/{name}"
    version = f"{dataset}/versions/{{version}}"
    return {
        "/api/v1/datasets": {"get": _get(
            "listDatasets", "Find open datasets", _json("Page", "A page of datasets."),
            [_words("q", "Words in id, title, keywords or theme."),
             _words("owner", "Only of this member."), _words("theme", "Only of this theme."),
             _words("standard", "Only of this standard."), *_PAGING],
            fails=(400,), links=True,
        )},
        dataset: {"get": _get("getDataset", "One dataset with its fields",
                              _json("Dataset", "The latest version."), _NAME, fails=(404,))},
        f"{dataset}/versions": {"get": _get(
            "listVersions", "Open versions of a dataset, a hundred at a time",
            _json("Versions", "Versions in their order."),
            [*_NAME, _query("after", {**_NUMBER, "minimum": 0, "default": 0},
                            "Only later versions.")], fails=(400, 404),
        )},
        version: {"get": _get("getVersion", "One version, and what is published of it",
                              _json("Version", "The version."), _PLACE, fails=(404,))},
        f"{version}/records": {"get": _get(
            "listRecords", "Its records, as they are registered, paged",
            _json("Records", "A page of records."), [*_PLACE, *_PAGING], fails=(400, 404),
            links=True,
        )},
        f"{version}/registration": {"get": _get(
            "getRegistration", "The proof that the version is registered",
            {"description": "For `muniment verify-state`. The first time, it waits for the next "
             "block.", "content": {"application/octet-stream": {}}}, _PLACE, fails=(404,),
        )},
        f"{version}/files/{{file}}": {"get": _file(_PLACE)},
        f"{dataset}/feedback": {
            "get": _get("listFeedback", "What people say of a dataset, the latest first",
                        _json("Feedback", "A page of what the department has let through."),
                        [*_NAME, *_PAGING], fails=(400, 404), links=True),
            "post": _give(),
        },
        "/api/v1/uploads/{file}": {"put": _upload()},
        "/api/v1/head": {"get": _get("getHead", "The chain as this node knows it",
                                     _json("Head", "The latest final block."))},
        "/api/v1/openapi.json": {"get": _get("describe", "This description", {
            "description": "OpenAPI 3.1.", "content": {"application/json": {"schema": _ANY}}})},
    }  # fmt: skip


_ANY: Json = {"type": "object"}
_PROBLEMS = {
    400: "A parameter or the body is not as described.",
    401: "The token is missing, unknown or expired.",
    404: "There is nothing open, or published, of this name.",
    408: "The file took too long, or ended early.",
    413: "The body is too large.",
    415: "The body, or the file, is of a kind that is not taken.",
    416: "The range is outside of the file; Content-Range says how long it is.",
    421: "This name of a host is not served here.",
    429: "Too many requests; wait as Retry-After says.",
    500: "A fault of this server's own; the sentence has its number.",
    503: "The node is away, busy or behind; try again.",
}
_ALWAYS = (400, 413, 421, 429, 500, 503)


def _problem(words: str) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": words, "content": {MEDIA_TYPE: {"schema": schema}}}


def _problems(*statuses: int) -> Json:
    return {str(s): {"$ref": f"#/components/responses/{s}"} for s in sorted({*statuses, *_ALWAYS})}


def _json(schema: str, words: str) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": words, "content": content}


def _get(
    identity: str, words: str, answer: Json, parameters: list[Json] | None = None, *,
    fails: tuple[int, ...] = (), links: bool = False,
) -> Json:  # fmt: skip
    headers: Json = {"ETag": {"required": True, "schema": TEXT}}
    if links:
        headers["Link"] = {"description": "rel=prev and rel=next (RFC 8288).", "schema": TEXT}
    return {
        "operationId": identity,
        "summary": words,
        "parameters": [*(parameters or ()), _IF_NONE_MATCH],
        "responses": {
            "200": {**answer, "headers": headers},
            "304": {"description": "Not changed since the ETag that was given."},
            **_problems(*fails),
        },
    }


def _query(name: str, schema: Json, words: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": words}


def _words(name: str, words: str) -> Json:
    return _query(name, {**TEXT, "maxLength": MAX_WORDS}, words)


def _path(name: str, schema: Json, words: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": words}


def _header(name: str, words: str) -> Json:
    return {"name": name, "in": "header", "required": False, "schema": TEXT, "description": words}


_NUMBER: Json = {"type": "integer", "minimum": 1, "maximum": MAX_VERSION}
_PAGING = [
    _query("page", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1}, "From 1."),
    _query("size", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
           "Entries on a page."),
]  # fmt: skip
_NAME = [
    _path("owner", {**TEXT, "minLength": 1}, "The member that owns the dataset."),
    _path("name", {**TEXT, "minLength": 1}, "The dataset's name within its owner."),
]
_PLACE = [*_NAME, _path("version", _NUMBER, "The version's number.")]
_IF_NONE_MATCH = _header("If-None-Match", "An ETag from before; if it still holds, 304 answers.")


def _file(place: list[Json]) -> Json:
    names = [f"records.{name}{end}" for name in TYPES for end in ("", SUFFIX)]
    kinds = sorted({*(kind.partition(";")[0] for kind in TYPES.values()),
                    "application/octet-stream"})  # fmt: skip
    made = _get(
        "getFile", "All records as a file, or the proof of the file",
        {"description": "The whole file.", "content": {kind: {} for kind in kinds}},
        [*place, _path("file", {"enum": names}, "A file, or a file's proof."),
         _header("Range", "One range of bytes; of several the whole file is sent."),
         _header("If-Range", "The ETag for which the range holds.")],
        fails=(404, 416),
    )  # fmt: skip
    headers: Json = {
        **made["responses"]["200"]["headers"],
        "Accept-Ranges": {"schema": TEXT},
        "Repr-Digest": {"description": "SHA-256 of the whole (RFC 9530).", "schema": TEXT},
    }
    made["responses"]["200"]["headers"] = headers
    made["responses"]["206"] = {
        "description": "The range that was asked for.",
        "headers": {**headers, "Content-Range": {"required": True, "schema": TEXT}},
        "content": {kind: {} for kind in kinds},
    }
    return made


def _give() -> Json:
    return {
        "operationId": "giveFeedback",
        "summary": "Say something of a dataset; it is shown once the department has read it",
        "parameters": _NAME,
        "requestBody": {"required": True, "content": {"application/json": {"schema": {
            "$ref": "#/components/schemas/Saying"}}}},
        "responses": {"202": _json("Taken", "It waits to be read."), **_problems(404, 415)},
    }  # fmt: skip


def _upload() -> Json:
    name = {**TEXT, "maxLength": MAX_NAME, "pattern": f"^{FILE_NAME}$"}
    return {
        "operationId": "handIn",
        "summary": "Hand in a file for a source; it is sealed, and waits for a steward",
        "description": f"At most {MAX_UPLOAD_BYTES >> 20} MiB.",
        "security": [{"token": []}],
        "parameters": [_path("file", name, "What the file is called; its ending says its kind.")],
        "requestBody": {"required": True, "content": {"application/octet-stream": {}}},
        "responses": {"201": _json("Arrived", "It has arrived whole."),
                      **_problems(401, 404, 408, 415)},
    }  # fmt: skip


def _object(required: Json, other: Json | None = None) -> Json:
    properties = {**required, **(other or {})}
    return {"type": "object", "required": list(required), "properties": properties,
            "additionalProperties": False}  # fmt: skip


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _paged(name: str, items: Json) -> Json:
    return _object({"total": WHOLE, "page": WHOLE, "size": WHOLE, name: _list(items)})


BRIEF: Json = {
    "dataset": TEXT, "version": WHOLE, "title": TEXT, "owner": TEXT,
    "level": {"const": 1}, "class": TEXT, "rows": WHOLE, "bytes": WHOLE, "theme": MAYBE,
    "keywords": _list(TEXT), "licence": MAYBE, "frequency": TEXT, "spatial": MAYBE,
    "temporal": {"type": ["array", "null"], "items": WHOLE, "description": "From and to, ms UTC."},
    "media_type": TEXT,
    "commitment": {**TEXT, "description": "To all records, hexadecimal."},
    "height": {**WHOLE, "description": "The block that registered it."},
    "time": {**WHOLE, "description": "That block's time, ms UTC."},
    "derived_from": _list(_object({"dataset": TEXT, "version": WHOLE, "process": TEXT})),
}  # fmt: skip
"""What is told of a dataset's version, by its names in the catalogue."""
VERSIONS: Json = {
    name: BRIEF[name] for name in ("version", "rows", "level", "commitment", "height", "time")
}
"""What is told of each where there are several."""
_NUMBER_OR_PAIR: Json = {"oneOf": [WHOLE, {"type": "array", "prefixItems": [TEXT, WHOLE]}]}
_SCHEMAS: Json = {
    "Brief": _object(BRIEF),
    "Page": _paged("datasets", {"$ref": "#/components/schemas/Brief"}),
    "Dataset": _object({
        **BRIEF, "standard": _object({"id": TEXT, "version": WHOLE}),
        "fields": _list(_object({"name": TEXT, "type": TEXT, "unit": MAYBE, "level": WHOLE})),
    }),
    "Versions": _object({"dataset": TEXT, "versions": _list(_object(VERSIONS))}),
    "Version": _object({**BRIEF, "published": {"oneOf": [
        {"type": "null"}, {"$ref": "#/components/schemas/Published"}]}}),
    "Published": _object({
        "time": {**WHOLE, "description": "When it was published, ms UTC."},
        "records": WHOLE, "erased": WHOLE,
        "columns": _list({"$ref": "#/components/schemas/Column"}),
        "files": _list(_object({
            "format": {"enum": list(TYPES)}, "media_type": TEXT, "url": TEXT, "bytes": WHOLE,
            "sha256": TEXT, "proof": TEXT, "proof_bytes": WHOLE,
        })),
    }),
    "Column": _object(
        {"name": TEXT, "zh": {**TEXT, "description": "Its label in Chinese, or nothing."},
         "en": TEXT, "type": TEXT, "nulls": WHOLE,
         "chart": {"enum": ["bins", "months", "ranks", "none"]}},
        {"low": {"type": "number"}, "high": {"type": "number"}, "mean": {"type": "number"},
         "distinct": WHOLE,
         "bars": {**_list(_NUMBER_OR_PAIR), "description": "Counts from low to high, or labels "
                  "with counts."}},
    ),
    "Records": _paged("records", {"type": "object", "additionalProperties": MAYBE}),
    "Feedback": _paged("feedback", _object({"text": TEXT, "name": TEXT, "time": WHOLE,
                                            "answer": TEXT})),
    "Saying": _object(
        {"text": {**TEXT, "minLength": 1, "maxLength": remarks.MAX_TEXT, "pattern": "\\S"}},
        {"name": {**TEXT, "maxLength": remarks.MAX_NAME}},
    ),
    "Taken": _object({"id": TEXT, "detail": TEXT}),
    "Arrived": _object({"id": TEXT, "sha256": TEXT, "bytes": WHOLE}),
    "Head": _object({"network": TEXT, "chain_id": TEXT, "height": WHOLE, "tip": TEXT,
                     "state_root": TEXT, "state": TEXT}),
    "Problem": _object({"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT}),
}  # fmt: skip

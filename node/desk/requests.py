"""Requests: what travels sealed with them, and what an owner is shown of the records asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from consensus.codec import DecodeError
from contracts.masks import Use, parse, strictest
from node.data.commitment import Field
from node.data.preview import is_shown, levels_of, readable, veil
from node.desk.found import custody, find
from node.desk.params import MAX_TEXT, ParamError, number, text, texts
from node.desk.sealing import seal
from node.envelopes.content import Content
from node.errors import MunimentError
from node.exchange.linked import Opened
from node.exchange.source import Masker, grant_key
from node.exchange.terms import KIND, MAX_CONDITIONS, Condition, read_values, sealed

if TYPE_CHECKING:
    from node.desk import Desk, Method

MAX_MASKS = 64
SAMPLE = 8
"""Records of a sample."""


def _seal(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Seal a text (or "") and the `values` of conditions to an owner."""
    words = text(params, "text", MAX_TEXT) if params.get("text") else None
    rows = params.get("values")
    if not isinstance(rows, list) or len(rows) > MAX_CONDITIONS:
        raise ParamError(f"values must be lists of texts, {MAX_CONDITIONS} at most")
    values = [tuple(texts({"values": row}, "values", 256)) for row in rows]
    conditions = [Condition("", "", each) for each in values]
    content = Content.create(KIND, sealed(words, conditions))
    envelope, anchor = seal(desk, content, [text(params, "to")])
    return {"envelope": envelope.hex(), "anchor": anchor}


def _opened(desk: Desk, params: Mapping[str, Any]) -> Any:
    """The text, the values of the filter, and the reasons of reviews that came sealed with one.

    Why something cannot be opened stands in `problem`, with its `code`. Raises ParamError if there
    is no such request.
    """
    found = find(desk, params, "access", "request", "request")
    terms, problem, code = found["args"], "", ""
    made: dict[str, Any] = {"text": None, "values": None, "reasons": {}}
    for name, envelope in _envelopes(found):
        try:
            content = desk.open_envelope(bytes.fromhex(envelope))
            record = dict(zip(content.names, content.values, strict=True))
            if name is None:
                made |= {"text": record.get("text"),
                         "values": read_values(record, len(terms["filter"]))}  # fmt: skip
            else:
                made["reasons"][name] = record.get("text")
        except MunimentError as error:
            problem, code = error.message, error.code
    return {**made, "problem": problem, "code": code}


def _envelopes(found: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """The envelopes of a request: its own under None, and each review's that has one."""
    own = [(None, found["args"]["envelope"])] if found["args"]["envelope"] else []
    return own + [(kind, row[4]) for kind, row in found["reviews"].items() if row[4]]


def _sample(desk: Desk, params: Mapping[str, Any]) -> Any:
    """The first records of what is asked for, as their owner may see them, beside as they would go.

    `masks` are [place of a field, mask] that a reviewer would add. A field that goes unmasked is
    veiled here too; of what a mask would let a reviewer see beyond that, only how many characters
    of how many can be read is told. `who` looks enters the access log.
    Raises ParamError, MunimentError.
    """
    who, found = text(params, "who"), find(desk, params, "access", "request", "request")
    terms = found["args"]
    if found["owner"] != desk.member:
        raise ParamError(f"request {found['id']} is not about data of {desk.member}")
    asked = {"request": found["id"], "time": number(params, "time")}
    now = desk.chain.query("access", "explain", asked)["now"]
    if now is None:
        raise ParamError(f"{terms['dataset']} cannot be delivered any more")
    dataset, version = terms["dataset"], now["version"]
    kept = custody(desk)
    opened, levels = kept.open(dataset, version), levels_of(kept, dataset, version)
    uses = _uses(now["fields"], _added(params))
    records = [Opened(0, b"", values) for values in islice(opened.rows(), SAMPLE)]
    kept.log.note(who, dataset, version, (1, max(1, len(records))),
                     f"sample for request {found['id']}")  # fmt: skip
    masked = _masked(desk, found["id"], opened.head.columns, uses, records)
    return {
        "dataset": dataset, "version": version, "rows": opened.head.rows, "k": now["k"],
        "fields": [
            {
                "name": opened.head.columns[index], "level": levels[index],
                "mask": None if use is None else str(use),
                "before": [veil(record.values[index], levels[index]) for record in records],
                "after": None if use is None else [
                    each if is_shown(record.values[index], each, levels[index], use)
                    else _counted(record.values[index], each)
                    for record, each in zip(records, masked[index], strict=True)
                ],
            }
            for index, use in uses
        ],
    }  # fmt: skip


def _counted(value: Field, masked: Field) -> dict[str, int]:
    kept, of = readable(value, masked)
    return {"readable": kept, "of": of}


def _added(params: Mapping[str, Any]) -> list[tuple[int, Use]]:
    rows = params.get("masks", [])
    if not isinstance(rows, list) or len(rows) > MAX_MASKS:
        raise ParamError(f"masks must be a list of at most {MAX_MASKS}")
    try:
        return [(number({"field": index}, "field"), parse(mask, "mask")) for index, mask in rows]
    except (DecodeError, TypeError, ValueError) as error:
        raise ParamError(str(error)) from error


def _uses(planned: Sequence[Any], added: Sequence[tuple[int, Use]]) -> list[tuple[int, Use | None]]:
    """Each field that is delivered with the mask that would win."""
    return [
        (index, strictest([None if mask is None else parse(mask, "mask"),
                           *(use for place, use in added if place == index)]))
        for index, mask in planned
    ]  # fmt: skip


def _masked(
    desk: Desk, grant: int, columns: Sequence[str], uses: Sequence[tuple[int, Use | None]],
    records: Sequence[Opened],
) -> dict[int, list[Any]]:  # fmt: skip
    """The masked columns by place, under the key that the grant will have."""
    masks = tuple((index, use) for index, use in uses if use is not None)
    if not masks or not records:
        return {index: [] for index, _ in masks}
    key = grant_key(desk.master, desk.chain.chain_id, grant)
    masker = Masker(masks, columns, key)
    try:
        found = masker.apply(records)
    finally:
        masker.stop()
    return {index: column for (index, _), column in zip(masks, found, strict=True)}


METHODS: dict[str, Method] = {
    "request.seal": _seal,
    "request.opened": _opened,
    "request.sample": _sample,
}

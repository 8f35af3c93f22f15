"""Bring text to the one form that a field's kind has, and say why where it cannot be brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs
import pyarrow as pa
import pyarrow.compute as pc

from node.data.identifiers import CHECKS
from node.data.notes import note
from node.data.readers.batches import ROW
from node.data.types import TYPES, Kind

FIELD, REASON = "#field", "#reason"
_ANNOTATIONS = frozenset(("title", "description", "$comment", "default", "examples"))
_DATE = (
    r"^(?P<y>\d{4})(?:"
    r"-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})|/(?P<m2>\d{1,2})/(?P<d2>\d{1,2})"
    r"|\.(?P<m3>\d{1,2})\.(?P<d3>\d{1,2})|(?P<m4>\d{2})(?P<d4>\d{2})"
    r"|年(?P<m5>\d{1,2})月(?P<d5>\d{1,2})日?)$"
)
_ORDERED = r"^(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<y>\d{4})$"
_DATETIME = (
    r"^(?P<date>\d{4}(?:[-/.]\d{1,2}[-/.]\d{1,2}|\d{4}|年\d{1,2}月\d{1,2}日))[T ]?"
    r"(?P<h>[01]\d|2[0-3])(?::?(?P<min>[0-5]\d))(?::?(?P<s>[0-5]\d)(?P<f>\.\d{1,9})?)?"
    r"(?P<zone>Z|[+-](?:[01]\d):?[0-5]\d)?$"
)
_TRUE = pa.array(["true", "yes", "y", "t", "1", "是", "真", "有"])
_FALSE = pa.array(["false", "no", "n", "f", "0", "否", "假", "无"])


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the standard, the source's column for it, and how ambiguous dates are ordered."""

    name: str
    type: str
    codes: tuple[str, ...] | None
    column: str
    date_order: str = ""

    @property
    def kind(self) -> Kind:
        return TYPES[self.type].kind if self.type in TYPES else "text"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch is brought to: fields in the standard's order, and its JSON Schema."""

    fields: tuple[Field, ...]
    schema: str


def standardise(batch: pa.RecordBatch, plan: Plan) -> pa.RecordBatch:
    """Return #row, the plan's fields, and #field and #reason of the first thing wrong, or null.

    A reason is one of the `notes`.

    Input: #row and text columns. Refused records keep the values that were read, for repair.
    """
    columns: list[pa.Array] = []
    wrong = pa.nulls(batch.num_rows, pa.string())
    reason = pa.nulls(batch.num_rows, pa.string())
    for field in plan.fields:
        read = batch.column(field.column)
        clean = tidy(read)
        value = bring(field.kind, clean, field.date_order)
        bad = pc.and_(pc.is_valid(clean), pc.is_null(value))
        wrong, reason = _note(wrong, reason, bad, field.name, note(f"not-{field.kind}"))
        if field.codes is not None:
            known = pc.is_in(value, pa.array(field.codes, pa.string()))
            off = pc.and_(pc.is_valid(value), pc.invert(known))
            wrong, reason = _note(wrong, reason, off, field.name, note("not-listed"))
        check = CHECKS.get(field.type)
        if check is not None:
            value = pc.utf8_upper(value)
            off = pa.array([v is not None and not check(v) for v in value.to_pylist()], pa.bool_())
            why = note("not-valid", field.type)
            wrong, reason = _note(wrong, reason, off, field.name, why)
        columns.append(pc.if_else(pc.is_null(value), clean, value))
    made = pa.record_batch(
        [batch.column(ROW), *columns, wrong, reason],
        names=[ROW, *(field.name for field in plan.fields), FIELD, REASON],
    )
    return _check_schema(made, plan)


def _note(
    wrong: pa.Array, reason: pa.Array, mask: pa.Array, name: str, why: str
) -> tuple[pa.Array, pa.Array]:
    """Write down the first thing that is wrong with each record."""
    fresh = pc.and_(pc.fill_null(mask, False), pc.is_null(wrong))
    return pc.if_else(fresh, name, wrong), pc.if_else(fresh, why, reason)


def tidy(column: pa.Array) -> pa.Array:
    """NFKC and trimmed; what is nothing but space is null."""
    text = pc.utf8_trim_whitespace(pc.utf8_normalize(column, form="NFKC"))
    return pc.if_else(pc.equal(pc.binary_length(text), 0), None, text)


def bring(kind: Kind, text: pa.Array, date_order: str = "") -> pa.Array:
    """Return the one text of each value of `kind`, null where it has none."""
    match kind:
        case "text":
            return text
        case "integer":
            return _whole(_plain_number(text))
        case "decimal":
            number = _plain_number(text)
            return _where(number, r"^-?\d{1,40}(\.\d{1,40})?$")
        case "boolean":
            low = pc.utf8_lower(text)
            made = pc.if_else(pc.is_in(low, _TRUE), "true", pa.scalar(None, pa.string()))
            return pc.if_else(pc.is_in(low, _FALSE), "false", made)
        case "date":
            return _date(text, date_order)
        case "datetime":
            return _datetime(text)


def _plain_number(text: pa.Array) -> pa.Array:
    """Without plus sign and thousands separators."""
    grouped = pc.match_substring_regex(text, r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
    text = pc.if_else(grouped, pc.replace_substring(text, ",", ""), text)
    return pc.replace_substring_regex(text, r"^\+", "")


def _whole(text: pa.Array) -> pa.Array:
    text = pc.replace_substring_regex(text, r"^(-?)0+(\d)", r"\1\2")
    text = pc.if_else(pc.equal(text, "-0"), "0", text)
    return _where(text, r"^-?\d{1,40}$")


def _where(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, pattern), text, None)


def _date(text: pa.Array, order: str) -> pa.Array:
    """Year first in any of the usual forms; day and month first only where the source says so."""
    parts = pc.extract_regex(text, _DATE)
    year = pc.struct_field(parts, "y")
    month = _first(parts, "m")
    day = _first(parts, "d")
    if order in ("dmy", "mdy"):
        other = pc.extract_regex(text, _ORDERED)
        first, second = pc.struct_field(other, "a"), pc.struct_field(other, "b")
        use = pc.is_valid(other)
        year = pc.if_else(use, pc.struct_field(other, "y"), year)
        month = pc.if_else(use, second if order == "dmy" else first, month)
        day = pc.if_else(use, first if order == "dmy" else second, day)
    padded = [pc.utf8_lpad(part, 2, "0") for part in (month, day)]
    made = pc.binary_join_element_wise(year, *padded, "-")
    return pc.if_else(_is_day(made), made, None)


def _first(parts: pa.Array, letter: str) -> pa.Array:
    """The one of the alternatives that matched; the others are empty."""
    return pc.binary_join_element_wise(
        *(pc.struct_field(parts, f"{letter}{i}") for i in range(1, 6)), ""
    )


def _is_day(text: pa.Array) -> pa.Array:
    """Whether the text comes back from the calendar as it went in: 30 February does not."""
    shaped = pc.if_else(pc.match_substring_regex(text, r"^\d{4}-\d\d-\d\d$"), text, None)
    days = pc.strptime(shaped, format="%Y-%m-%d", unit="s", error_is_null=True)
    return pc.fill_null(pc.equal(pc.strftime(days, format="%Y-%m-%d"), text), False)


def _datetime(text: pa.Array) -> pa.Array:
    parts = pc.extract_regex(text, _DATETIME)

    def part(name: str) -> pa.Array:
        return pc.struct_field(parts, name)

    seconds = pc.if_else(pc.equal(part("s"), ""), "00", part("s"))
    zone = pc.replace_substring_regex(part("zone"), r"^([+-]\d\d):?(\d\d)$", r"\1:\2")
    clock = pc.binary_join_element_wise(part("h"), part("min"), seconds, ":")
    tail = pc.binary_join_element_wise(clock, part("f"), zone, "")
    return pc.binary_join_element_wise(_date(part("date"), ""), tail, "T")


def _check_schema(batch: pa.RecordBatch, plan: Plan) -> pa.RecordBatch:
    """Refuse what the standard's JSON Schema refuses. Null fields are left out of the instance."""
    validator = _validator(plan.schema)
    if validator is None:
        return batch
    reads = [(field.name, _INSTANCE[field.kind]) for field in plan.fields]
    columns = [batch.column(name).to_pylist() for name, _ in reads]
    wrong = batch.column(FIELD).to_pylist()
    reason = batch.column(REASON).to_pylist()
    for index, values in enumerate(zip(*columns, strict=True)):
        if wrong[index] is not None:
            continue
        row = {
            name: read(value)
            for (name, read), value in zip(reads, values, strict=True)
            if value is not None
        }
        if not validator.is_valid(row):
            wrong[index], reason[index] = _explain(next(iter(validator.iter_errors(row))))
    made = (pa.array(wrong, pa.string()), pa.array(reason, pa.string()))
    return pa.record_batch([*batch.columns[:-2], *made], names=batch.schema.names)


def _explain(error: Any) -> tuple[str, str]:
    """Field and reason of a schema error, without the value."""
    keyword = str(error.schema_path[-1]) if error.schema_path else "schema"
    if keyword == "required":
        return str(getattr(error.kind, "property", "") or ""), note("missing")
    field = str(error.instance_path[0]) if error.instance_path else ""
    return field, note("not-fitting", keyword)


@lru_cache(maxsize=4)
def _validator(schema: str) -> Any:
    """Return the schema's validator, or None if it only annotates. Patterns run in linear time."""
    import json

    body = json.loads(schema)
    if not _constrains(body):
        return None
    options = jsonschema_rs.RegexOptions(size_limit=1 << 20)
    return jsonschema_rs.Draft202012Validator(body, pattern_options=options)


def _constrains(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return schema is False
    inner = schema.get("properties", {})
    others = schema.keys() - _ANNOTATIONS - {"$schema", "$id", "properties", "type"}
    return bool(others) or any(_constrains(each) or "type" in each for each in inner.values())


def _same(text: str) -> Any:
    return text


_INSTANCE: dict[str, Callable[[str], Any]] = {
    "text": _same,
    "date": _same,
    "datetime": _same,
    "integer": int,
    "decimal": float,
    "boolean": "true".__eq__,
}

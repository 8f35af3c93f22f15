"""Masks: what a recipient sees instead of a value. Pure, vectorised, for workers.

`contracts/masks.py` says which masks there are and which is the stricter; here is what they do.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from consensus.codec import DecodeError, Value
from contracts.masks import Use, parse
from node.data.masks import dates, free_text, identifiers, keyed, numbers, places, text, token
from node.data.masks.base import Mask, MaskError, derive

MASKS: dict[str, Mask] = {
    mask.id: mask
    for module in (text, keyed, token, numbers, dates, places, identifiers, free_text)
    for mask in module.MASKS
}
Plan = Sequence[tuple[str, Use]]
"""Columns and their masks; what is not named passes exactly."""


def grant_key(master: bytes, chain_id: bytes, grant: int) -> bytes:
    """Return the key of a grant's masks, from the 32-byte key of the owner's vault."""
    return derive(master, f"muniment masks {chain_id.hex()} {grant}")


def mask_array(values: pa.Array, use: Use, key: bytes) -> pa.Array:
    """Return `values` under a mask; `key` is the field's. Raises MaskError."""
    mask = MASKS.get(use.id)
    if mask is None or mask.spec.version != use.version:
        raise MaskError(f"mask {use.id} version {use.version} is not known here; update the node")
    return mask.apply(values, use.params, key)


def mask_batch(batch: pa.RecordBatch, plan: Plan, key: bytes) -> pa.RecordBatch:
    """Return the batch with columns masked; `key` is the grant's. Raises MaskError."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, use in plan:
        if name not in columns:
            raise MaskError(f"there is no column {name!r} to mask with {use.id}")
        columns[name] = mask_array(columns[name], use, derive(key, f"field {name}"))
    return pa.record_batch(list(columns.values()), names=list(columns))


def read_use(value: Value, what: str) -> Use:
    """Return a mask from `[id, version, parameters]`, as grants hold it. Raises MaskError."""
    try:
        return parse(value, what)
    except DecodeError as error:
        raise MaskError(str(error)) from error


def fits(mask: Mask, semantic_type: str) -> bool:
    """Whether a mask is made for a semantic type."""
    return not mask.types or semantic_type in mask.types

"""Redaction of what the detectors find in free text. What they miss is shown: see `says`."""

from __future__ import annotations

import pyarrow as pa

from node.data.masks.base import Example, Mask, Params, each


def _free_text(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    from node.data.recognise import AnalyzerEngine

    engine = AnalyzerEngine()

    def shown(text: str) -> str:
        parts, at = [], 0
        for found in engine.analyze(text):
            parts += [text[at : found.start], f"[{found.entity_type}]"]
            at = found.end
        return "".join([*parts, text[at:]])

    return each(values, shown)


MASKS = (
    Mask("free-text", "The text with every finding replaced by its kind. It hides what the "
         "detectors find and no more, so it lowers no level by itself; what they find depends on "
         "the pack of rules that counts.", _free_text,
         (Example({}, "请致电13812345678，证号11010519491231002X。",
                  "请致电[PHONE_NUMBER]，证号[CN_RESIDENT_ID]。"),)),
)  # fmt: skip

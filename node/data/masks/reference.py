"""The reference of masks in Markdown, made from the registry; `docs/masks.md` holds it."""

from __future__ import annotations

from collections.abc import Iterator

from node.data.masks import MASKS
from node.data.masks.base import Mask


def markdown() -> str:
    """Return a section for each mask: what it does, types, parameters, examples."""
    return "\n".join(line for mask in MASKS.values() for line in _section(mask))


def _section(mask: Mask) -> Iterator[str]:
    yield f"### `{mask.id}` (version {mask.spec.version})\n"
    types = ", ".join(f"`{name}`" for name in sorted(mask.types)) or "any"
    yield f"{mask.says} Types: {types}.\n"
    if mask.spec.params:
        yield "| parameter | default | range |\n|---|---|---|"
        for param in mask.spec.params:
            default = "required" if param.default is None else param.default
            yield f"| `{param.name}` | {default} | {param.says} |"
        yield ""
    yield "| value | with | becomes |\n|---|---|---|"
    for example in mask.examples:
        given = ", ".join(f"{name} = {value}" for name, value in example.params.items())
        result = "(null)" if example.result is None else f"`{example.result}`"
        yield f"| `{example.value}` | {given} | {result} |"
    yield ""

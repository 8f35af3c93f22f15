"""Which records a request's conditions choose.

Numbers are compared as numbers, all else by code points (dates are written so that this is their
order). A value that is null, or none of its type, satisfies no condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from node.data.commitment import Field
from node.data.types import TYPES
from node.exchange.terms import TermsError

_NUMBERS = ("integer", "decimal")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge,
}  # fmt: skip
Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on the field `index`; `values` are read as the field's type is."""

    index: int
    operator: str
    read: Read
    values: tuple[Any, ...]

    def holds(self, value: Field) -> bool:
        if value is None:
            return False
        try:
            found = self.read(value)
        except InvalidOperation:
            return False
        if self.operator == "in":
            return found in self.values
        if self.operator == "prefix":
            return value.startswith(self.values)
        return _COMPARE[self.operator](found, self.values[0])


class Filter:
    """The conditions of a grant, all of which must hold."""

    def __init__(
        self,
        conditions: Sequence[Sequence[Any]],
        values: Sequence[Sequence[str]],
        fields: Sequence[dict[str, Any]],
    ) -> None:
        """`conditions` are [field, operator] as on the chain; TermsError if a value is no such."""
        self._conditions = [
            _condition(index, operator, given, fields[index])
            for (index, operator), given in zip(conditions, values, strict=True)
        ]

    @property
    def indices(self) -> set[int]:
        return {each.index for each in self._conditions}

    def chooses(self, values: Sequence[Field]) -> bool:
        """Whether a record is chosen; `values` are all its fields."""
        return all(each.holds(values[each.index]) for each in self._conditions)


def _condition(index: int, operator: str, given: Sequence[str], field: dict[str, Any]) -> Condition:
    known = TYPES.get(field["type"])
    is_number = known is not None and known.kind in _NUMBERS and operator != "prefix"
    read: Read = _number if is_number else str
    try:
        return Condition(index, operator, read, tuple(read(value) for value in given))
    except InvalidOperation as error:
        raise TermsError(f"a condition on {field['name']} compares it with no number") from error


def _number(text: str) -> Decimal:
    found = Decimal(text)
    if not found.is_finite():
        raise InvalidOperation
    return found

"""Profiles: a mask for each semantic type, so that a whole standard is masked by one word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.masks import REDACT, Use, strictest, use
from node.data.types import TYPES


@dataclass(frozen=True, slots=True)
class Profile:
    """Masks by semantic type; None lets a type pass exactly, and what is not named is redacted."""

    says: str
    masks: Mapping[str, Use | None]

    def mask_of(self, semantic_type: str) -> Use | None:
        return self.masks.get(semantic_type, REDACT)

    def __and__(self, other: Profile) -> Profile:
        """Return what satisfies both: the strictest mask for each type."""
        types = sorted(self.masks.keys() | other.masks.keys())
        return Profile(
            f"{self.says} And: {other.says}",
            {name: strictest([self.mask_of(name), other.mask_of(name)]) for name in types},
        )


def combine(names: Sequence[str]) -> Profile:
    """Return the profile that satisfies all the named ones. Raises KeyError."""
    first, *others = (PROFILES[name] for name in names)
    for other in others:
        first &= other
    return first


_PLAIN = ("code", "boolean", "year", "division-code", "organisation", "credit-code", "sex")
_LINKED = ("resident-id", "residence-permit", "driving-licence", "passport", "travel-permit",
           "tax-number", "bank-card", "iban", "identifier")  # fmt: skip

PROFILES: Mapping[str, Profile] = {
    "usual": Profile(
        "What standards start from: each type's own mask; types without one pass exactly.",
        {name: None if t.mask is None else use(t.mask) for name, t in TYPES.items()},
    ),
    "research": Profile(
        "For statistics on persons: identifiers become pseudonyms, places and dates coarse.",
        {
            **dict.fromkeys(_PLAIN),
            **dict.fromkeys(_LINKED, use("pseudonym")),
            "birth-date": use("date-year"),
            "date": use("date-month"),
            "datetime": use("date-month"),
            "address": use("region", level="city"),
            "coordinates": use("coordinates", grid=500),
            "amount": use("round", step=1_000),
            "integer": None,
            "decimal": None,
        },
    ),
    "strict": Profile(
        "Only what tells little of anyone: codes, years, provinces.",
        {
            **dict.fromkeys(("code", "boolean", "year", "organisation", "credit-code")),
            "division-code": use("division"),
            "address": use("region", level="province"),
            "birth-date": use("date-year"),
            "date": use("date-year"),
            "datetime": use("date-year"),
        },
    ),
}

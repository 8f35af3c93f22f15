"""What forms of the console share: members that are ticked, spans of time, texts, names."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.codec import DecodeError
from contracts.checks import slug
from node.errors import MunimentError
from node.web.forms import whole
from node.web.site import Visit

UNITS = {"minutes": 60_000, "hours": 3_600_000, "days": 86_400_000, "seconds": 1_000}
"""Of spans in forms, in ms."""


class FormError(MunimentError):
    """A form that is not filled in as it has to be."""

    code = "form"


def recipients_of(visit: Visit, choices: Sequence[str]) -> list[str]:
    """The members that are ticked, of `choices`. Raises FormError."""
    chosen = sorted(name for name in choices if f"to-{name}" in visit.form)
    if not chosen:
        raise FormError(visit.say("Choose one member at least."))
    return chosen


def span_of(visit: Visit, name: str) -> int:
    """A span of the form, in ms. Raises FormError."""
    number, unit = whole(visit.form.get(name, ""), 6), visit.form.get(f"{name}-unit", "")
    if not number or unit not in UNITS:
        raise FormError(visit.say("A span of time is a whole number above 0 and its unit."))
    return number * UNITS[unit]


def text_of(visit: Visit) -> str:
    """The text of the form, with line ends as they are here."""
    return visit.form.get("text", "").replace("\r\n", "\n").strip()


def name_of_form(visit: Visit, field: str) -> str:
    """A name that the ledger takes. Raises FormError."""
    try:
        return slug(visit.form.get(field, "").strip(), field)
    except DecodeError as error:
        sentence = visit.say("A name is of small letters, digits, hyphen, dot and underscore.")
        raise FormError(sentence) from error

"""What forms of the console share: members that are ticked, spans and days, texts, files, names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from starlette.responses import Response

from consensus.codec import DecodeError
from consensus.crypto import sha256
from contracts.checks import slug
from node.errors import MunimentError
from node.web.forms import whole
from node.web.site import Handler, Visit

UNITS = {"minutes": 60_000, "hours": 3_600_000, "days": 86_400_000, "seconds": 1_000}
"""Of spans in forms, in ms."""
DAY_MS = UNITS["days"]
MAX_FILE_BYTES = 16 << 20
"""Of a file in a form."""
ROOM = MAX_FILE_BYTES + (1 << 20)
"""Bytes of a form with such a file, which its part names as ROOMY for the guard to let through."""


class FormError(MunimentError):
    """A form that is not filled in as it has to be."""

    code = "form"


def or_again(act: Handler, form: Callable[[Visit, Mapping[str, str], str], Response]) -> Handler:
    """A handler of `form` that shows it again, as it was filled in, with what `act` refuses."""

    def handler(visit: Visit) -> Response:
        try:
            return act(visit)
        except MunimentError as error:
            return form(visit, visit.form, visit.told(error))

    return handler


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


def day_end_of(visit: Visit, field: str) -> int:
    """The last millisecond of a day (ms UTC), 0 where none is given. Raises FormError."""
    text = visit.form.get(field, "").strip()
    try:
        begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError as error:
        raise FormError(visit.say("A day is written like 2027-06-30.")) from error
    return int(begin.timestamp() * 1_000) + DAY_MS - 1 if begin else 0


def file_of(visit: Visit, field: str) -> bytes:
    """What the form's file holds, empty where none was chosen. Raises FormError."""
    given = visit.files.get(field)
    if given is None:
        return b""
    if len(given.data) > MAX_FILE_BYTES:
        most = visit.language.size(MAX_FILE_BYTES)
        raise FormError(visit.say("A file has at most %s here.") % most)
    return given.data


def digest_of_file(visit: Visit, field: str) -> bytes:
    """SHA-256 of the form's file, by which the ledger names it. Raises FormError."""
    data = file_of(visit, field)
    if not data:
        raise FormError(visit.say("Choose a file."))
    return sha256(data)

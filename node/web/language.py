"""Languages of the pages: words through gettext, numbers and times by locale.

The words stand in `locale/CODE/AREA.po` beside this file; English is what the templates say.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.core import negotiate_locale
from babel.dates import LOCALTZ, format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

FOLDER = Path(__file__).parent / "locale"
NAMES = {"en": "English", "zh": "中文"}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_LOCALES = {"en": "en_GB", "zh": "zh_Hans_CN"}


@dataclass(frozen=True, slots=True)
class Language:
    """How one visitor reads: words, numbers, and times in the visitor's zone."""

    code: str
    zone: tzinfo

    @property
    def words(self) -> gettext.NullTranslations:
        return _words(self.code)

    @property
    def locale(self) -> Locale:
        return Locale.parse(_LOCALES[self.code])

    def say(self, text: str) -> str:
        return self.words.gettext(text)

    def number(self, value: float) -> str:
        return format_decimal(value, locale=self.locale)

    def percent(self, share: float) -> str:
        return format_percent(share, locale=self.locale)

    def size(self, count: int) -> str:
        """Bytes in the unit that reads best (IEC 80000-13)."""
        power = min(max(count.bit_length() - 1, 0) // 10, 4)
        value = round(count / (1 << 10 * power), 1 if power else 0)
        return f"{self.number(value)} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"

    def span(self, ms: int) -> str:
        """How long, in its two largest units."""
        left = ms // 1_000
        parts: list[str] = []
        for unit, seconds in _UNITS:
            count, left = divmod(left, seconds)
            if count or (unit == "second" and not parts):
                name = f"duration-{unit}"
                parts.append(str(format_unit(count, name, "short", locale=self.locale)))
        return ("" if self.code == "zh" else " ").join(parts[:2])

    def moment(self, ms: int, form: str = "yyyy-MM-dd HH:mm:ss") -> str:
        """A time (ms UTC) in the visitor's zone."""
        return str(format_datetime(_at(ms), form, tzinfo=self.zone, locale=self.locale))

    def utc(self, ms: int, form: str = "HH:mm:ss") -> str:
        return str(format_datetime(_at(ms), form, tzinfo=UTC, locale=self.locale))


def choose(wanted: str | None, accepted: str, zone: str | None) -> Language:
    """Choose by what was wanted before, else by the browser's Accept-Language."""
    code = wanted if wanted in NAMES else None
    if code is None:
        code = negotiate_locale(_preferred(accepted), list(NAMES), sep="-") or "en"
    return Language(code, _zone(zone))


def _preferred(header: str) -> Sequence[str]:
    """Languages of an Accept-Language header, the best first (RFC 9110, 12.5.4); 20 at most."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=") or "1"
        try:
            found.append((float(quality), name.partition("-")[0].lower()))
        except ValueError:
            continue
    return [name for quality, name in sorted(found, key=lambda row: -row[0]) if quality > 0]


def _zone(name: str | None) -> tzinfo:
    if name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    return LOCALTZ


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)


@cache
def _words(code: str) -> gettext.NullTranslations:
    paths = sorted((FOLDER / code).glob("*.po"))
    if not paths:
        return gettext.NullTranslations()
    whole = Catalog(locale=_LOCALES[code])
    for path in paths:
        with path.open("rb") as file:
            for message in read_po(file, locale=_LOCALES[code], abort_invalid=True):
                if message.id:
                    whole[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)

"""Identifiers that carry their own check: is this text one? Pure, no state, no network.

Sources: GB 11643-1999 (resident identity numbers), GB 32100-2015 (credit codes), ISO/IEC 7812-1
Annex B (Luhn), ISO 13616 (IBAN), ITU-T E.164 and the Chinese numbering plan.
"""

from __future__ import annotations

from datetime import date
from ipaddress import IPv6Address

FIRST_YEAR, LAST_YEAR = 1900, 2100
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_PROVINCES = frozenset(
    f"{region}{digit}"
    for region, digits in (
        ("1", "12345"), ("2", "123"), ("3", "1234567"), ("4", "123456"), ("5", "01234"),
        ("6", "12345"), ("7", "1"), ("8", "123"), ("9", "1"),
    )
    for digit in digits
)  # fmt: skip
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_VALUES = {char: value for value, char in enumerate(_CREDIT)}
_CREDIT_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_CREDIT_KINDS = frozenset(
    f"{authority}{kind}"
    for authority, kinds in (
        ("1", "1239"), ("2", "19"), ("3", "123459"), ("4", "19"), ("5", "123459"), ("6", "129"),
        ("7", "129"), ("8", "19"), ("9", "123"), ("A", "19"), ("N", "1239"), ("Y", "1"),
    )
    for kind in kinds
)  # fmt: skip
_CARD_SIZES: dict[str, tuple[int, ...]] = {
    **{f"4{digit}": (13, 16, 19) for digit in range(10)},
    **{str(two): (16,) for two in (*range(22, 28), 35, *range(51, 56))},
    **{str(two): (14, 16) for two in (30, 36, 38)},
    **{str(two): (15,) for two in (34, 37)},
    **{str(two): (16, 19) for two in (60, 63, 64, 65, 67, 95)},
    "50": (12, 16),
    "62": (16, 17, 18, 19),
}
"""Lengths of card numbers by their first two digits."""
_DOUBLED = str.maketrans("0123456789", "0246813579")


def is_resident_id(text: str) -> bool:
    """18 characters with region, possible day of birth and check digit; or 15 of the old form."""
    if not text.isascii() or text[:2] not in _PROVINCES:
        return False
    if len(text) == 15:
        return text.isdigit() and is_day("19" + text[6:12])
    if len(text) != 18 or not text[:17].isdigit() or not is_day(text[6:14]):
        return False
    total = sum(map(int.__mul__, _WEIGHTS, map(int, text[:17])))
    return text[17] in (_CHECKS[total % 11], _CHECKS[total % 11].lower())


def is_residence_permit(text: str) -> bool:
    """A permit of residents from Hong Kong, Macao (81, 82) or Taiwan (83): same check digit."""
    return len(text) == 18 and text[:2] in ("81", "82", "83") and is_resident_id(text)


def is_day(text: str) -> bool:
    """Eight digits that are a possible day, as yyyymmdd."""
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    if not (FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    return month != 2 or day != 29 or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def birth_of(text: str) -> date | None:
    """Return the day of birth in a resident identity number."""
    if not is_resident_id(text):
        return None
    digits = text[6:14] if len(text) == 18 else "19" + text[6:12]
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def is_credit_code(text: str) -> bool:
    """A unified social credit code: kind, region and the check character modulo 31."""
    text = text.upper()
    if len(text) != 18 or text[:2] not in _CREDIT_KINDS or text[2:4] not in _PROVINCES | {"10"}:
        return False
    values = [_CREDIT_VALUES.get(char, -1) for char in text]
    if -1 in values or not text[2:8].isdigit():
        return False
    total = sum(map(int.__mul__, _CREDIT_WEIGHTS, values))
    return values[17] == -total % 31


def is_luhn(text: str) -> bool:
    """Digits that pass the Luhn formula."""
    odd, even = text[-1::-2], text[-2::-2].translate(_DOUBLED)
    return (
        text.isascii() and text.isdigit() and (sum(map(int, odd)) + sum(map(int, even))) % 10 == 0
    )


def is_bank_card(text: str) -> bool:
    """A payment card: length fitting its first digits, Luhn, and not one digit repeated."""
    digits = text.replace(" ", "").replace("-", "")
    if not digits.isdigit() or len(set(digits)) < 3:
        return False
    sizes = _CARD_SIZES.get(digits[:2], ())
    return len(digits) in sizes and is_luhn(digits)


def is_iban(text: str) -> bool:
    """ISO 13616: country, two check digits, modulo 97."""
    compact = text.replace(" ", "").upper()
    if not (15 <= len(compact) <= 34 and compact.isascii() and compact.isalnum()):
        return False
    if not compact[:2].isalpha() or not compact[2:4].isdigit():
        return False
    digits = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


def is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(
        part.isdigit() and int(part) < 256 and str(int(part)) == part for part in parts
    )


def is_ip(text: str) -> bool:
    """An IPv4 address in four numbers, or an IPv6 address (RFC 4291)."""
    if ":" not in text:
        return is_ipv4(text)
    try:
        return IPv6Address(text).packed[:15] != bytes(15)
    except ValueError:
        return False


def is_organisation_code(text: str) -> bool:
    """Nine characters with the check of GB 11714."""
    if len(text) != 9 or not text.isascii() or not text[:8].isalnum():
        return False
    values = [int(char, 36) for char in text[:8].upper()]
    check = 11 - sum(map(int.__mul__, (3, 7, 9, 10, 5, 8, 4, 2), values)) % 11
    return text[8].upper() == {10: "X", 11: "0"}.get(check, str(check))


def is_tax_number(text: str) -> bool:
    """A taxpayer's number of before 2015 (division and organisation code), or one of a country

    whose check python-stdnum knows: DE, ES, FR, IT, US.
    """
    if len(text) == 15 and text[:2] in _PROVINCES and text[:6].isdigit():
        return is_organisation_code(text[6:])
    from stdnum.de import idnr
    from stdnum.es import dni
    from stdnum.fr import nir
    from stdnum.it import codicefiscale
    from stdnum.us import ssn

    return any(module.is_valid(text) for module in (ssn, idnr, nir, dni, codicefiscale))


CHECKS = {
    "resident-id": is_resident_id,
    "residence-permit": is_residence_permit,
    "credit-code": is_credit_code,
    "bank-card": is_bank_card,
    "iban": is_iban,
}
"""Types whose values are refused unless they pass."""

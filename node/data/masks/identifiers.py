"""Masks for what identifies a person, a vehicle or an account. What is not of the form is hidden.

Forms are those of GB 11643-1999 (resident numbers), GA 36-2018 (plates), ISO/IEC 7812-1 (cards),
ISO 13616 (IBAN) and the Chinese numbering plan; check digits are not looked at, since a mistyped
number identifies as well.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks.base import HIDDEN, Example, Mask, Params, matches, shaped

_HAN = r"[\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}]"
_DOUBLE = (
    "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政濮阳公冶太叔申屠"
    "公孙慕容仲孙钟离长孙宇文司徒鲜于司空闾丘子车亓官司寇巫马公西颛孙壤驷公良漆雕乐正宰父谷梁"
    "拓跋夹谷轩辕令狐段干百里呼延东郭南门羊舌微生公户公玉公仪梁丘公仲公上公门公山公坚左丘公伯"
    "西门公祖第五公乘贯丘公皙南荣东里东宫仲长子书子桑即墨达奚褚师"
)
_DOUBLE_SURNAMES = pa.array([_DOUBLE[at : at + 2] for at in range(0, len(_DOUBLE), 2)])
_MOBILE = r"(?:\+?86[ -]?)?(1[3-9][0-9])[ -]?[0-9]{4}[ -]?([0-9]{4})"
_LANDLINE = r"(?:\+?86[ -]?)?\(?(0[1-9][0-9]{1,2})\)?[ -]?[2-9][0-9]{6,7}(?:-[0-9]{1,5})?"
_PLATE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_IBAN = r"([A-Z]{2}[0-9]{2})[A-Z0-9]{10,26}"
_DOUBLE_LENGTH = 3
"""Characters from which a name that begins like a double surname has one."""


def _name(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    latin = shaped(values, r"([A-Za-z])[A-Za-z]+(?:[ .'-]{1,2}[A-Za-z]+)*\.?", rf"\1{HIDDEN}")
    han = matches(values, f"{_HAN}{{2,4}}")
    is_double = pc.and_(
        pc.is_in(pc.utf8_slice_codeunits(values, 0, 2), _DOUBLE_SURNAMES),
        pc.greater_equal(pc.utf8_length(values), _DOUBLE_LENGTH),
    )
    shown = pc.if_else(
        is_double, pc.utf8_slice_codeunits(values, 0, 2), pc.utf8_slice_codeunits(values, 0, 1)
    )
    return pc.if_else(han, pc.binary_join_element_wise(shown, HIDDEN, ""), latin)


def _shown(values: pa.Array, form: str, params: Params) -> pa.Array:
    """Show `first` and `last` characters of values of a form, without spaces and hyphens."""
    plain = pc.replace_substring_regex(values, "[ -]", "")
    first = pc.utf8_slice_codeunits(plain, 0, params["first"])
    size = int(params["last"])
    last = pc.utf8_slice_codeunits(plain, -size) if size else ""
    made = pc.binary_join_element_wise(first, HIDDEN, last, "")
    return pc.if_else(matches(plain, form), made, None)


def _resident_id(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return _shown(values, r"[1-9][0-9]{16}[0-9Xx]|[1-9][0-9]{14}", params)


def _bank_card(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return _shown(values, rf"[0-9]{{13,19}}|{_IBAN}", params)


def _passport(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return shaped(values, r"([A-Z])[A-Z]?[0-9]{5,8}([0-9]{2})", rf"\1{HIDDEN}\2")


def _mobile(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return shaped(values, _MOBILE, rf"\1{HIDDEN}\2")


def _landline(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return shaped(values, _LANDLINE, rf"\1-{HIDDEN}")


def _phone(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return pc.coalesce(_mobile(values, params, key), _landline(values, params, key))


def _email(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    domain = r"@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})"
    long = shaped(values, rf"([A-Za-z0-9])[A-Za-z0-9._%+-]{{2,63}}{domain}", rf"\1{HIDDEN}@\2")
    return pc.coalesce(long, shaped(values, rf"[A-Za-z0-9._%+-]{{1,2}}{domain}", rf"{HIDDEN}@\1"))


def _plate(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return shaped(
        values, rf"([{_PLATE}][A-HJ-Z])[·. ]?[A-HJ-NP-Z0-9]{{4,5}}[A-HJ-NP-Z0-9挂学警港澳]",
        rf"\1·{HIDDEN}",
    )  # fmt: skip


MASKS = (
    Mask("name", "The surname of a Chinese name of two to four characters, or the first letter of "
         "one in Latin letters.", _name,
         (Example({}, "王小明", "王***"), Example({}, "欧阳娜娜", "欧阳***"),
          Example({}, "Mary O'Neill", "M***"), Example({}, "买买提·吐尔逊", "***")),
         frozenset(("person-name",))),
    Mask("resident-id", "`first` and `last` characters of a resident number of 18 or 15.",
         _resident_id,
         (Example({}, "11010519491231002X", "1***X"),
          Example({"first": 6, "last": 0}, "11010519491231002X", "110105***"),
          Example({}, "1101051949123100", "***")),
         frozenset(("resident-id", "residence-permit"))),
    Mask("passport", "The letter and the last two digits of a passport or travel permit.",
         _passport, (Example({}, "E12345678", "E***78"), Example({}, "unknown", "***")),
         frozenset(("passport", "travel-permit"))),
    Mask("mobile", "Three leading and four last digits of a Chinese mobile number.", _mobile,
         (Example({}, "13812345678", "138***5678"), Example({}, "+86 138-1234-5678", "138***5678"),
          Example({}, "010-62771234", "***")), frozenset(("phone",))),
    Mask("landline", "The area code of a Chinese landline.", _landline,
         (Example({}, "010-62771234", "010-***"),), frozenset(("phone",))),
    Mask("phone", "What `mobile` or `landline` shows, whichever fits.", _phone,
         (Example({}, "13812345678", "138***5678"), Example({}, "(021)5555 1234", "***"),
          Example({}, "021-55551234", "021-***")), frozenset(("phone",))),
    Mask("email", "The first character and the domain; of one or two before the @, none.", _email,
         (Example({}, "zhang.san@example.org", "z***@example.org"),
          Example({}, "li@example.org", "***@example.org"), Example({}, "li at home", "***")),
         frozenset(("email",))),
    Mask("bank-card", "`first` and `last` characters of a card number or IBAN.", _bank_card,
         (Example({}, "6222 0209 0161 0334", "***0334"),
          Example({"first": 6}, "6222020901610334", "622202***0334")),
         frozenset(("bank-card", "iban"))),
    Mask("plate", "Province and office of a licence plate.", _plate,
         (Example({}, "京A·12345", "京A·***"), Example({}, "粤BD12345", "粤B·***")),
         frozenset(("plate",))),
)  # fmt: skip

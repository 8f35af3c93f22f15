"""Masks that show in which division, network or grid cell something is."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.masks import DIVISIONS
from node.data.masks.base import (
    HIDDEN,
    Example,
    Mask,
    MaskError,
    Params,
    each,
    matches,
    scatter,
    shaped,
)

_TABLE = "83b7536f853ad16beb4d37b92890a3fd7bb9d33d4f37e7c8885fb948749a9bc4"
"""SHA-256 of the divisions that version 1 of the masks goes by; others need another version."""
_UNNAMED = ("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划")
"""What stands in the table for cities that are none; nobody writes it in an address."""
_ENDS = ("壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市")
_NUMBER = r"(?P<{0}s>-?)(?P<{0}w>[0-9]{{1,3}})(?:\.(?P<{0}f>[0-9]{{1,15}}))?"
_PAIR = rf"(?s)\A{_NUMBER.format('a')} ?[,，;] ?{_NUMBER.format('b')}\z"


@lru_cache(maxsize=1)
def _table() -> list[dict[str, Any]]:
    data = (files("node.data") / "tables" / "cn-divisions.json").read_bytes()
    if sha256(data).hexdigest() != _TABLE:
        raise MaskError("the table of divisions is not the one that these masks go by")
    found: list[dict[str, Any]] = json.loads(data)
    return found


@lru_cache(maxsize=1)
def _codes() -> frozenset[str]:
    """The first four digits of codes: those of cities, and of provinces as a whole."""
    cities = (city["code"] for province in _table() for city in province["children"])
    return frozenset([*(province["code"] + "00" for province in _table()), *cities])


@lru_cache(maxsize=1)
def _beginnings() -> dict[str, tuple[str, str, str]]:
    """What addresses begin with, as (province, city, county); below what is written, empty.

    A province's short name counts only before a city or county: alone it may name a street.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for province in _table():
        full = province["name"]
        short = next((full.removesuffix(e) for e in _ENDS if full.endswith(e)), full)
        found[full] = (full, "", "")
        for city in province["children"]:
            name = "" if city["name"] in _UNNAMED else city["name"]
            for start in (full, short, "") if name else ():
                found[start + name] = (full, name, "")
            for county in city["children"]:
                for start in (full + name, short + name, name):
                    if start:
                        found[start + county["name"]] = (full, name, county["name"])
    return found


@lru_cache(maxsize=1)
def _sizes() -> tuple[int, ...]:
    return tuple(sorted({len(each) for each in _beginnings()}, reverse=True))


def divisions_of(text: str) -> tuple[str, str, str] | None:
    """Return province, city and county that a Chinese address begins with, if any."""
    known = _beginnings()
    for size in _sizes():
        found = known.get(text[:size])
        if found is not None:
            return found
    return None


def _region(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    levels = DIVISIONS.index(str(params["level"])) + 1

    def shown(text: str) -> str | None:
        found = divisions_of(text)
        return None if found is None else "".join(found[:levels])

    return each(values, shown)


def _address(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    def shown(text: str) -> str | None:
        found = divisions_of(text)
        return None if found is None else "".join(found) + HIDDEN

    return each(values, shown)


def _division(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    size = 2 * (DIVISIONS.index(str(params["level"])) + 1)

    def shown(code: str) -> str | None:
        return code[:size].ljust(6, "0") if code[:4] in _codes() else None

    fits = matches(values, r"[1-9][0-9]{5}(?:[0-9]{3}){0,2}")
    return each(pc.if_else(fits, values, None), shown)


def _ip(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    v4, v6 = int(params["v4-bits"]), int(params["v6-bits"])

    def shown(text: str) -> str | None:
        if ":" in text:
            return _network_v6(text, v6)
        parts = text.split(".") if text.isascii() else []
        if len(parts) != 4 or not all(part.isdigit() and len(part) < 4 for part in parts):
            return None
        numbers = [int(part) for part in parts]
        if max(numbers) > 255:
            return None
        kept = int.from_bytes(bytes(numbers), "big") >> (32 - v4) << (32 - v4)
        return ".".join(map(str, kept.to_bytes(4, "big"))) + f"/{v4}"

    return each(values, shown)


def _network_v6(text: str, bits: int) -> str | None:
    if len(text) > 45 or not text.isascii():
        return None
    try:
        number = int(IPv6Address(text)) >> (128 - bits) << (128 - bits)
    except ValueError:
        return None
    return str(IPv6Network((number, bits)))


def _mac(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    octet = "[0-9A-Fa-f]{2}"
    colons, hyphens = (
        shaped(values, f"({octet}(?:{s}{octet}){{2}})(?:{s}{octet}){{3}}", rf"\1{s}{HIDDEN}")
        for s in ":-"
    )
    return pc.coalesce(colons, hyphens)


def cells(values: pa.Array, grid: int) -> tuple[pa.Array, np.ndarray]:
    """Return which values are coordinates, and the cells of those in rows of two numbers.

    A cell is named by its lower corner on each axis, in thousandths of a degree.
    """
    parts = pc.extract_regex(values, _PAIR)
    fits = pc.is_valid(parts)
    parts = parts.filter(fits)
    axes = np.stack([_millionths(parts, name) for name in "ab"], axis=1)
    is_place = (np.abs(axes) <= 180 * 10**6).all(axis=1)
    fits = pc.fill_null(scatter(pa.array(is_place), fits), False)
    return fits, axes[is_place] // (grid * 1_000) * grid


def _millionths(parts: pa.Array, name: str) -> np.ndarray:
    """Read one number in millionths; digits beyond are cut off."""
    fraction = pc.utf8_slice_codeunits(pc.struct_field(parts, name + "f"), 0, 6)
    digits = pc.binary_join_element_wise(
        pc.struct_field(parts, name + "w"), pc.utf8_rpad(fraction, 6, "0"), ""
    )
    size = digits.cast(pa.int64()).to_numpy(zero_copy_only=False)
    below = pc.equal(pc.struct_field(parts, name + "s"), "-").to_numpy(zero_copy_only=False)
    found: np.ndarray = np.where(below, -size, size)
    return found


def _coordinates(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    fits, corners = cells(values, int(params["grid"]))
    known, which = np.unique(corners, axis=0, return_inverse=True)
    names = pa.array([f"{a / 1_000:.3f},{b / 1_000:.3f}" for a, b in known.tolist()], pa.string())
    return scatter(names.take(pa.array(which.ravel(), pa.int64())), fits)


_ADDRESSES = frozenset(("address",))

MASKS = (
    Mask("division", "The code of the province or city that a division code lies in.", _division,
         (Example({}, "110105", "110000"), Example({"level": "city"}, "330106", "330100"),
          Example({}, "990000", "***")), frozenset(("division-code",))),
    Mask("region", "The province, city or county that a Chinese address begins with, down to "
         "`level`.", _region,
         (Example({}, "浙江省杭州市西湖区文三路1号", "浙江省杭州市"),
          Example({"level": "province"}, "杭州市西湖区文三路1号", "浙江省"),
          Example({}, "文三路1号", "***")), _ADDRESSES),
    Mask("address", "The divisions that a Chinese address begins with, down to the county.",
         _address,
         (Example({}, "北京市朝阳区建国路88号", "北京市朝阳区***"),
          Example({}, "1600 Pennsylvania Ave", "***")), _ADDRESSES),
    Mask("ip", "The network of `v4-bits` or `v6-bits` that an internet address lies in.", _ip,
         (Example({}, "192.168.17.4", "192.168.0.0/16"),
          Example({}, "2001:db8:85a3::8a2e:370:7334", "2001:db8::/32"),
          Example({}, "192.168.17", "***")), frozenset(("ip-address",))),
    Mask("mac", "The maker's part of a hardware address.", _mac,
         (Example({}, "00:1A:2B:3C:4D:5E", "00:1A:2B:***"), Example({}, "001A2B3C4D5E", "***")),
         frozenset(("mac-address",))),
    Mask("coordinates", "The lower corner of the cell of `grid` thousandths of a degree.",
         _coordinates,
         (Example({}, "30.27415,120.15515", "30.200,120.100"),
          Example({"grid": 1000}, "-33.8688, 151.2093", "-34.000,151.000"),
          Example({}, "30.27415", "***")), frozenset(("coordinates",))),
)  # fmt: skip

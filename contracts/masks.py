"""Which masks there are, what parameters they take, and which of two tells less.

Grants bind a field to `[id, version, parameters]`. Everyone who decides on a grant must agree on
what that means and on which of several masks wins, so it stands here; what a mask does to values is
`node/data/masks/`. A changed effect is a new version.

The order: a mask is at least as strict as another if its output could be computed from the other's,
whatever the value (save that masks by place tell whether a value is shorter than their `length`).
Masks that tell nothing stand below all, exact values above all. Of several masks the strictest
wins; where none is the strictest, the value is redacted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError, Value
from contracts import checks
from contracts.api import Checker

Setting = int | str
Settings = dict[str, Setting]
MAX_TEXT_BYTES = 64
MAX_COUNT = 64
MIN_HIDDEN = 3
"""Characters that stay hidden of the shortest value of which any are shown, unless it is said."""
DIVISIONS = ("province", "city", "county")
ALPHABETS = ("digits", "upper", "alnum")


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter: how it is checked, its default (None: must be given), and its range in words."""

    name: str
    check: Checker
    default: Setting | None
    says: str


Relation = Callable[[Any, Any], bool]
Reach = tuple[tuple[Relation, Any], ...]
"""How far a mask lets one see, in several respects; the relation tells when less is let through."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A mask as grants name it. Those of one family are compared by their reach."""

    id: str
    version: int
    family: str
    params: tuple[Param, ...] = ()
    reach: Callable[[Any], Reach] = lambda _: ()


def _less(a: int, b: int) -> bool:
    return a <= b


def _more(a: int, b: int) -> bool:
    return a >= b


def _multiple(a: int, b: int) -> bool:
    return a % b == 0


def _within(a: Any, b: Any) -> bool:
    """Age bands nest in years, and in narrower ones counted from the same year."""
    return b is None or (a is not None and a[1] == b[1] and a[0] % b[0] == 0)


def _number(name: str, low: int, high: int, default: int | None) -> Param:
    return Param(name, checks.integer(low, high), default, f"{low} to {high}")


def _choice(name: str, names: Sequence[str], default: str) -> Param:
    return Param(name, checks.one_of(*names), default, ", ".join(names))


def _character(name: str) -> Param:
    def check(value: Value, what: str) -> str:
        if type(value) is not str or len(value) != 1:
            raise DecodeError(f"{what}: must be one character")
        return str(checks.text(4)(value, what))

    return Param(name, check, None, "one character")


_LENGTH = _number("length", 0, 256, 0)
_FIXED = Param("text", checks.text(MAX_TEXT_BYTES), None, f"up to {MAX_TEXT_BYTES} bytes")


def _ends(first: int, last: int, length: int) -> Reach:
    return (_less, first), (_less, last), (_more, length)


def _count(default: int) -> Param:
    return _number("count", 1, MAX_COUNT, default)


_ALL = (
    Spec("redact", 1, "nothing"),
    Spec("null", 1, "nothing"),
    Spec("fixed", 1, "nothing", (_FIXED,)),
    Spec("keep-first", 1, "ends", (_count(1), _LENGTH),
         lambda p: _ends(p["count"], 0, p["length"])),
    Spec("keep-last", 1, "ends", (_count(4), _LENGTH),
         lambda p: _ends(0, p["count"], p["length"])),
    Spec("keep-ends", 1, "ends",
         (_number("first", 1, MAX_COUNT, 1), _number("last", 1, MAX_COUNT, 1), _LENGTH),
         lambda p: _ends(p["first"], p["last"], p["length"])),
    Spec("truncate", 1, "ends", (_count(1), _LENGTH),
         lambda p: _ends(p["count"], 0, p["length"])),
    Spec("keep-middle", 1, "inside",
         (_number("from", 1, 256, None), _number("to", 1, 256, None), _LENGTH),
         lambda p: ((_more, p["from"]), (_less, p["to"]), (_more, p["length"]))),
    Spec("mask-first", 1, "tail", (_count(4),), lambda p: ((_more, p["count"]),)),
    Spec("mask-last", 1, "head", (_count(4),), lambda p: ((_more, p["count"]),)),
    Spec("mask-middle", 1, "outside",
         (_number("from", 2, 256, None), _number("to", 2, 256, None)),
         lambda p: ((_less, p["from"]), (_more, p["to"]))),
    Spec("mask-before", 1, "mask-before", (_character("mark"),)),
    Spec("mask-after", 1, "mask-after", (_character("mark"),)),
    Spec("mask-between", 1, "mask-between", (_character("open"), _character("close"))),
    Spec("hmac", 1, "hmac", (_number("bytes", 8, 32, 32),), lambda p: ((_less, p["bytes"]),)),
    Spec("pseudonym", 1, "pseudonym"),
    Spec("token", 1, "token", (_choice("alphabet", ALPHABETS, "digits"),)),
    Spec("range", 1, "steps", (_number("width", 1, 10**12, None),),
         lambda p: ((_multiple, p["width"]),)),
    Spec("round", 1, "steps", (_number("step", 1, 10**12, None),),
         lambda p: ((_multiple, p["step"]),)),
    Spec("offset", 1, "offset", (_number("most", 1, 10**12, None),)),
    Spec("date-month", 1, "date", (), lambda _: ((_less, 2), (_within, None))),
    Spec("date-year", 1, "date", (), lambda _: ((_less, 1), (_within, None))),
    Spec("age-band", 1, "date",
         (_number("year", 1900, 2200, None), _number("width", 2, 50, 10)),
         lambda p: ((_less, 0), (_within, (p["width"], p["year"])))),
    Spec("date-shift", 1, "date-shift", (_number("days", 1, 3650, 30),)),
    Spec("division", 1, "division", (_choice("level", DIVISIONS[:2], "province"),),
         lambda p: ((_less, DIVISIONS.index(p["level"])),)),
    Spec("region", 1, "region", (_choice("level", DIVISIONS, "city"),),
         lambda p: ((_less, DIVISIONS.index(p["level"])),)),
    Spec("address", 1, "region", (), lambda _: ((_less, DIVISIONS.index("county")),)),
    Spec("name", 1, "name"),
    Spec("resident-id", 1, "resident-id",
         (_number("first", 0, 6, 1), _number("last", 0, 4, 1)),
         lambda p: ((_less, p["first"]), (_less, p["last"]))),
    Spec("passport", 1, "passport"),
    Spec("mobile", 1, "phone", (), lambda _: ((_less, 1), (_less, 0))),
    Spec("landline", 1, "phone", (), lambda _: ((_less, 0), (_less, 1))),
    Spec("phone", 1, "phone", (), lambda _: ((_less, 1), (_less, 1))),
    Spec("email", 1, "email"),
    Spec("bank-card", 1, "bank-card",
         (_number("first", 0, 6, 0), _number("last", 0, 4, 4)),
         lambda p: ((_less, p["first"]), (_less, p["last"]))),
    Spec("plate", 1, "plate"),
    Spec("ip", 1, "ip", (_number("v4-bits", 8, 24, 16), _number("v6-bits", 16, 64, 32)),
         lambda p: ((_less, p["v4-bits"]), (_less, p["v6-bits"]))),
    Spec("mac", 1, "mac"),
    Spec("coordinates", 1, "coordinates", (_number("grid", 1, 10_000, 100),),
         lambda p: ((_multiple, p["grid"]),)),
    Spec("free-text", 1, "free-text"),
)  # fmt: skip
SPECS = {spec.id: spec for spec in _ALL}


@dataclass(frozen=True, slots=True)
class Use:
    """A mask with its version and every parameter, as a grant binds them."""

    id: str
    version: int
    settings: tuple[tuple[str, Setting], ...] = ()

    @property
    def params(self) -> Settings:
        return dict(self.settings)

    def to_value(self) -> Value:
        params: dict[str, Value] = dict(self.settings)
        return [self.id, self.version, params]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.settings)
        return f"{self.id}({shown})" if shown else self.id


def use(identity: str, **settings: Setting) -> Use:
    """Return the current version of a mask with `settings`, hyphens written as underscores.

    Raises DecodeError.
    """
    known = SPECS.get(identity)
    params: dict[str, Value] = {name.replace("_", "-"): v for name, v in settings.items()}
    return parse([identity, 0 if known is None else known.version, params], "mask")


REDACT = Use("redact", 1)


def check_use(value: Value, what: str) -> Value:
    """An argument checker for `[id, version, parameters]`."""
    parse(value, what)
    return value


def parse(value: Value, what: str) -> Use:
    """Return `[id, version, parameters]` with defaults filled in. Raises DecodeError."""
    if type(value) is not list or len(value) != 3 or type(value[2]) is not dict:
        raise DecodeError(f"{what}: must be [id, version, parameters]")
    identity, version = value[0], value[1]
    given: dict[str, Value] = value[2]
    known = SPECS.get(identity) if type(identity) is str else None
    if known is None:
        raise DecodeError(f"{what}: there is no mask of this name")
    if type(version) is not int or version != known.version:
        raise DecodeError(f"{what}: {known.id} has version {known.version} only")
    names = {param.name for param in known.params}
    for name in given:
        if name not in names:
            raise DecodeError(f"{what}: {known.id} has no parameter of this name: {name}")
    settings: Settings = {}
    for param in known.params:
        setting = given.get(param.name, param.default)
        param.check(setting, f"{what}.{param.name}")
        settings[param.name] = setting  # type: ignore[assignment]
    return Use(known.id, known.version, tuple(_complete(known, settings, what).items()))


def _complete(spec: Spec, settings: Settings, what: str) -> Settings:
    """Fill in and check what depends on several parameters."""
    first, last = settings.get("from", 0), settings.get("to", 0)
    if isinstance(first, int) and isinstance(last, int) and first > last:
        raise DecodeError(f"{what}.from: must not be above `to`")
    if "length" in settings:
        shown = 0
        for name in ("count", "first", "last"):
            part = settings.get(name, 0)
            shown += part if isinstance(part, int) else 0
        if isinstance(last, int) and isinstance(first, int) and spec.id == "keep-middle":
            shown = last
        length = settings["length"] or shown + MIN_HIDDEN
        if not isinstance(length, int) or length <= shown:
            raise DecodeError(f"{what}.length: must be above {shown}, which are shown")
        settings["length"] = length
    return settings


def is_as_strict(a: Use | None, b: Use | None) -> bool:
    """Whether `a` tells no more than `b`, whatever the value. None is the exact value."""
    if a == b or b is None:
        return True
    if a is None:
        return False
    one, other = SPECS[a.id], SPECS[b.id]
    if one.family == "nothing":
        return True
    if one.family != other.family:
        return False
    reaches = zip(one.reach(a.params), other.reach(b.params), strict=True)
    if a.id == b.id and not one.reach(a.params):
        return a.settings == b.settings
    return all(relation(x, y) for (relation, x), (_, y) in reaches)


def strictest(uses: Sequence[Use | None]) -> Use | None:
    """Return the mask that satisfies everyone: the strictest, else what several have in common.

    Where neither exists the value is redacted. None, the exact value, is the answer only if nobody
    asked for a mask.
    """
    masks = sorted((each for each in uses if each is not None), key=str)
    if not masks:
        return None
    for each in masks:
        if all(is_as_strict(each, other) for other in masks):
            return each
    if all(SPECS[each.id].family == "ends" for each in masks):
        return _common_ends(masks)
    return REDACT


def _common_ends(masks: Sequence[Use]) -> Use:
    """What all of several masks show of a value's ends."""
    reaches = [SPECS[each.id].reach(each.params) for each in masks]
    first = min(reach[0][1] for reach in reaches)
    last = min(reach[1][1] for reach in reaches)
    length = max(reach[2][1] for reach in reaches)
    if first and last:
        return use("keep-ends", first=first, last=last, length=length)
    if first:
        return use("keep-first", count=first, length=length)
    return use("keep-last", count=last, length=length) if last else REDACT

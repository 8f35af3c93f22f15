"""The catalogue: which dataset versions exist, whose they are, what they commit to.

Metadata follows DCAT 3 (W3C, 2024). A registration changes three keys: the version, the
dataset's head, and the owner's history, which is in the order of heights.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value, expect_bytes, expect_int, expect_list
from consensus.crypto import HASH_BYTES
from contracts import checks
from contracts.api import STEWARD, Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import custodians, standards
from contracts.system.standards import CLASSES

NAME = "catalogue"
SUITES = ("sha256-v1",)
FREQUENCIES = (
    "once", "continuous", "daily", "weekly", "monthly", "quarterly", "annual", "irregular",
)  # fmt: skip
OPEN_LEVEL = 1
MAX_TITLE_BYTES = 256
MAX_KEYWORDS = 16
MAX_SOURCES = 64
MAX_ROWS = 1 << 48
MAX_DESTROYED = 256
"""Records that one call can name."""
PAGE = 100
_HEAD = b"head/"
_VERSION = b"version/"
_OWNER = b"owner/"
_GONE = b"gone/"
_WATCH = b"watch/"
_OPEN = b"open/"


def _register(ctx: Context, args: Args) -> None:
    """The next version of an own dataset: what it holds, its standard, what commits to it."""
    dataset, version = args["dataset"], args["version"]
    ctx.require_own(dataset)
    if args.get("lowered"):
        ctx.require_second()
    key = dataset.encode("ascii")
    head = ctx.get(_HEAD + key)
    latest, status = head or (0, "active")
    if status != "active":
        fail(Code.RETIRED, dataset)
    if version != latest + 1:
        fail(Code.WRONG_VERSION, latest)
    _check_standard(ctx, args)
    _check_sources(ctx, args)
    if args["custody"] != custodians.OWN:
        custodians.require_mode(ctx, args)
    if ctx.operator is not None:
        _check_persons(ctx, key, latest, args)
    number = checks.number_key(version)
    record: list[Value] = [ctx.sender, ctx.block.height, ctx.block.timestamp, args]
    ctx.put_ordered(_VERSION + key + b"/" + number, record)
    ctx.put(_HEAD + key, [version, "active"])
    ctx.put(_history_key(ctx.sender, ctx.block.height, key, number), [dataset, version])
    ctx.emit("registered", [dataset, version, args["commitment"]])
    if args.get("lowered"):
        ctx.emit("lowered", [dataset, version, args["lowered"]])
    if latest and ctx.get(_WATCH + key) is not None:
        _tell_reshaped(ctx, key, latest, args)


def watch(ctx: Context, dataset: str) -> None:
    """Have versions of `dataset` announced from now on that are shaped otherwise than the last."""
    ctx.as_contract(CONTRACT).put(_WATCH + dataset.encode("ascii"), True)


def shape_of(registration: dict[str, Any]) -> list[Any]:
    """What a grant of a series relies on: [standard, level, class]; it pauses if that changes."""
    return [list(registration["standard"]), registration["level"], registration["class"]]


def _tell_reshaped(ctx: Context, key: bytes, latest: int, args: Args) -> None:
    before = ctx.get(_VERSION + key + b"/" + checks.number_key(latest))[3]
    if shape_of(before) != shape_of(args):
        ctx.emit("reshaped", [args["dataset"], args["version"]])


def _version_key(dataset: str, version: int) -> bytes:
    return dataset.encode("ascii") + b"/" + checks.number_key(version)


def _history_key(owner: str, height: int, dataset: bytes, number: bytes) -> bytes:
    start = _OWNER + owner.encode("ascii") + b"/" + checks.number_key(height)
    return start + dataset + b"/" + number


def _check_standard(ctx: Context, args: Args) -> None:
    """The standard exists and is the one meant; level and class are not below its fields'."""
    identity, number, digest = args["standard"]
    brief = standards.get_brief(
        ctx.other(standards.NAME), str(identity), number if isinstance(number, int) else 0
    )
    if brief is None:
        fail(Code.NOT_FOUND, identity)
    known, level, grade, _ = brief
    if known != digest:
        fail(Code.WRONG_DIGEST, identity)
    if args["level"] < level:
        fail(Code.LEVEL_TOO_LOW, level)
    if CLASSES.index(args["class"]) < grade:
        fail(Code.CLASS_TOO_LOW, CLASSES[grade])


def _check_persons(ctx: Context, key: bytes, latest: int, args: Args) -> None:
    """One operator alone neither opens data to everybody nor lowers a grade."""
    lowers = False
    if latest:
        before = ctx.get(_VERSION + key + b"/" + checks.number_key(latest))[3]
        lowers = args["level"] < before["level"] or CLASSES.index(args["class"]) < CLASSES.index(
            before["class"]
        )
    if lowers or args["level"] == OPEN_LEVEL:
        ctx.require_second()


def _check_sources(ctx: Context, args: Args) -> None:
    for source in args["derived_from"]:
        if ctx.get(_VERSION + _version_key(source["dataset"], source["version"])) is None:
            fail(Code.NOT_FOUND, source["dataset"])


def _retire(ctx: Context, args: Args) -> None:
    """No version of an own dataset will follow."""
    dataset = args["dataset"]
    ctx.require_own(dataset)
    key = dataset.encode("ascii")
    head = ctx.get(_HEAD + key)
    if head is None:
        fail(Code.NOT_FOUND, dataset)
    if head[1] != "active":
        fail(Code.RETIRED, dataset)
    ctx.put(_HEAD + key, [head[0], "retired"])
    ctx.emit("retired", [dataset, head[0]])


def _destroy(ctx: Context, args: Args) -> None:
    """The owner says that a version, or some of its records, cannot be read any more."""
    ctx.require_second()
    dataset, version = args["dataset"], args["version"]
    ctx.require_own(dataset)
    place = _version_key(dataset, version)
    record = ctx.get(_VERSION + place)
    if record is None:
        fail(Code.NOT_FOUND, dataset)
    if ctx.get(_GONE + place) is not None:
        fail(Code.DESTROYED, version)
    for row in args["rows"]:
        if row > record[3]["rows"]:
            fail(Code.NOT_FOUND, row)
        ctx.put(_GONE + place + b"/" + checks.number_key(row), ctx.block.height)
    if not args["rows"]:
        ctx.put(_GONE + place, ctx.block.height)
    ctx.emit("destroyed", [dataset, version, args["rows"]])


def _publish(ctx: Context, args: Args) -> None:
    """The owner gives the records of an open version to everybody; an operator needs a second."""
    ctx.require_second()
    dataset, version = args["dataset"], args["version"]
    ctx.require_own(dataset)
    found = get(ctx.overlay, dataset, version)
    if found is None:
        fail(Code.NOT_FOUND, f"{dataset} v{version}")
    if found["status"] != "active":
        fail(Code.RETIRED, dataset)
    if found["level"] != OPEN_LEVEL:
        fail(Code.WRONG_STATUS, [f"{dataset} v{version}", f"L{found['level']}"])
    if is_destroyed(ctx.overlay, dataset, version):
        fail(Code.DESTROYED, version)
    place = _OPEN + _version_key(dataset, version)
    if ctx.get(place) is not None:
        fail(Code.EXISTS, f"{dataset} v{version}")
    ctx.put(place, ctx.block.height)
    ctx.emit("published", [dataset, version])


def _withdraw(ctx: Context, args: Args) -> None:
    """The owner gives the records of a version to nobody any more; this takes one person."""
    dataset, version = args["dataset"], args["version"]
    ctx.require_own(dataset)
    place = _OPEN + _version_key(dataset, version)
    if ctx.get(place) is None:
        fail(Code.NOT_FOUND, f"{dataset} v{version}")
    ctx.delete(place)
    ctx.emit("withdrawn", [dataset, version])


def get(state: StateReader, dataset: str, version: int | None = None) -> Any:
    """Return a registration as a map, the latest unless a version is named, or None."""
    reader = Reader(state, NAME)
    key = dataset.encode("ascii")
    head = reader.get(_HEAD + key)
    if head is None:
        return None
    latest, status = head
    row = reader.get(_VERSION + key + b"/" + checks.number_key(version or latest))
    return None if row is None else {**_record(row), "latest": latest, "status": status}


def is_destroyed(state: StateReader, dataset: str, version: int) -> bool:
    """Whether the owner has said that a whole version cannot be read any more."""
    place = _GONE + _version_key(dataset, version)
    return state.get(NAME.encode("ascii") + b"/" + place) is not None


def _query_get(state: StateReader, args: Args) -> Value:
    """A registration with owner, height and time, the latest unless `version` is named, or null."""
    found: Value = get(state, args["dataset"], args.get("version"))
    return found


def _record(row: list[Any]) -> dict[str, Value]:
    """A registration as it is shown: its arguments, the owner, height and time (ms UTC)."""
    owner, height, time, args = row
    return {**args, "owner": owner, "height": height, "time": time}


def _query_destroyed(state: StateReader, args: Args) -> Value:
    """What is destroyed of a version: {height: of the whole, or null; rows: above `after`}."""
    reader = Reader(state, NAME)
    place = _GONE + _version_key(args["dataset"], args["version"])
    start = place + b"/" + checks.number_key(args["after"]) if "after" in args else b""
    found = reader.scan(place + b"/", start, PAGE)
    rows: list[Value] = [int.from_bytes(key[len(place) + 1 :], "big") for key, _ in found]
    return {"height": reader.get(place), "rows": rows}


def _query_published(state: StateReader, args: Args) -> Value:
    """The height at which a version's records were given to everybody, or null."""
    place = _OPEN + _version_key(args["dataset"], args["version"])
    return Reader(state, NAME).get(place)  # type: ignore[no-any-return]


def _query_versions(state: StateReader, args: Args) -> Value:
    """Registrations of a dataset above version `after`, a page of them."""
    prefix = _VERSION + args["dataset"].encode("ascii") + b"/"
    start = prefix + checks.number_key(args["after"]) if "after" in args else b""
    return [_record(row) for _, row in Reader(state, NAME).scan(prefix, start, PAGE)]


def _query_list(state: StateReader, args: Args) -> Value:
    """Datasets whose id begins with `prefix`, above `after`: [id, latest version, status]."""
    prefix = _HEAD + args.get("prefix", "").encode("utf-8")
    start = _HEAD + args["after"].encode("utf-8") if "after" in args else b""
    rows = Reader(state, NAME).scan(prefix, start, PAGE)
    return [[key[len(_HEAD) :].decode("ascii"), *head] for key, head in rows]


def _query_history(state: StateReader, args: Args) -> Value:
    """An owner's registrations in the order of heights: [height, dataset, version].

    `after` is the last row of the page before.
    """
    prefix = _OWNER + args["owner"].encode("ascii") + b"/"
    start = b""
    if "after" in args:
        height, dataset, version = args["after"]
        number = checks.number_key(version)
        start = _history_key(args["owner"], height, dataset.encode("ascii"), number)
    rows = Reader(state, NAME).scan(prefix, start, PAGE)
    at = len(prefix)
    return [[int.from_bytes(key[at : at + 8], "big"), *row] for key, row in rows]


def _check_cursor(value: Value, what: str) -> Value:
    """A row of the history."""
    height, dataset, version = expect_list(value, what, 3)
    checks.integer(0, 1 << 62)(height, f"{what}[0]")
    checks.owned_id(dataset, f"{what}[1]")
    checks.integer(1, 1 << 32)(version, f"{what}[2]")
    return value


def _check_period(value: Value, what: str) -> Value:
    """From and to, both included, in ms UTC."""
    start, end = expect_list(value, what, 2)
    checks.integer(0, 1 << 62)(start, f"{what}[0]")
    checks.integer(0, 1 << 62)(end, f"{what}[1]")
    if start > end:  # type: ignore[operator]
        raise DecodeError(f"{what}: must not end before it begins")
    return value


def _check_reference(value: Value, what: str) -> Value:
    """A standard's [id, version, digest]."""
    identity, version, digest = expect_list(value, what, 3)
    checks.owned_id(identity, f"{what}[0]")
    expect_int(version, f"{what}[1]", 1, 1 << 32)
    expect_bytes(digest, f"{what}[2]", HASH_BYTES)
    return value


_BASIS_POINTS = checks.integer(0, 10_000)
_DATASET = {"dataset": checks.owned_id}
_ONE = {**_DATASET, "version": checks.integer(1, 1 << 32)}

CONTRACT = Contract(
    NAME,
    methods={
        "register": Signature(
            _register,
            {
                "dataset": checks.owned_id,
                "version": checks.integer(1, 1 << 32),
                "title": checks.text(MAX_TITLE_BYTES),
                "keywords": checks.list_of(checks.text(64), MAX_KEYWORDS),
                "theme": checks.optional(checks.slug),
                "licence": checks.optional(checks.slug),
                "frequency": checks.one_of(*FREQUENCIES),
                "spatial": checks.optional(checks.slug),
                "temporal": checks.optional(_check_period),
                "media_type": checks.text(64),
                "standard": _check_reference,
                "level": checks.integer(1, 4),
                "class": checks.one_of(*CLASSES),
                "rows": checks.integer(0, MAX_ROWS),
                "bytes": checks.integer(0, 1 << 62),
                "suite": checks.one_of(*SUITES),
                "commitment": checks.data(32),
                "quality": checks.optional(
                    checks.record(
                        {
                            "completeness": _BASIS_POINTS,
                            "validity": _BASIS_POINTS,
                            "uniqueness": _BASIS_POINTS,
                            "timeliness": _BASIS_POINTS,
                            "consistency": _BASIS_POINTS,
                        }
                    )
                ),
                "derived_from": checks.list_of(
                    checks.record(
                        {
                            "dataset": checks.owned_id,
                            "version": checks.integer(1, 1 << 32),
                            "process": checks.slug,
                        }
                    ),
                    MAX_SOURCES,
                ),
                "custody": checks.one_of(*custodians.MODES),
                "issued": checks.integer(0, 1 << 62),
                "modified": checks.integer(0, 1 << 62),
                "lowered": checks.list_of(
                    checks.record(
                        {
                            "field": checks.integer(0, standards.MAX_FIELDS - 1),
                            "found": checks.integer(2, 4),
                            "level": checks.integer(1, 3),
                        }
                    ),
                    standards.MAX_FIELDS,
                ),
            },
            frozenset(("issued", "modified", "lowered")),
            duties=(STEWARD,),
        ),
        "retire": Signature(_retire, _DATASET, duties=(STEWARD,)),
        "destroy": Signature(
            _destroy,
            {
                **_DATASET,
                "version": checks.integer(1, 1 << 32),
                "rows": checks.list_of(checks.integer(1, MAX_ROWS), MAX_DESTROYED),
            },
            duties=(STEWARD,),
        ),
        "publish": Signature(_publish, _ONE, duties=(STEWARD,)),
        "withdraw": Signature(_withdraw, _ONE, duties=(STEWARD,)),
    },
    queries={
        "get": QuerySignature(_query_get, _ONE, frozenset(("version",))),
        "published": QuerySignature(_query_published, _ONE),
        "versions": QuerySignature(
            _query_versions,
            {**_DATASET, "after": checks.integer(0, 1 << 32)},
            frozenset(("after",)),
        ),
        "destroyed": QuerySignature(
            _query_destroyed,
            {
                **_DATASET,
                "version": checks.integer(1, 1 << 32),
                "after": checks.integer(0, MAX_ROWS),
            },
            frozenset(("after",)),
        ),
        "list": QuerySignature(
            _query_list,
            {"prefix": checks.text(128, 0), "after": checks.text(128)},
            frozenset(("prefix", "after")),
        ),
        "history": QuerySignature(
            _query_history,
            {"owner": checks.slug, "after": _check_cursor},
            frozenset(("after",)),
        ),
    },
)

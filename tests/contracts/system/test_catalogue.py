"""Registrations are by the owner, in order, bound to a standard and graded no lower than it."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from contracts.codes import Code
from contracts.envelope import Call


@pytest.fixture
def digest(chain: Any) -> bytes:
    found: bytes = chain.publish()
    return found


def register(chain: Any, digest: bytes, sender: str = "land", **changes: Any) -> Any:
    return chain.run(sender, "catalogue", "register", chain.registration(digest, **changes))


def test_a_registration_is_kept_and_announced(chain: Any, digest: bytes) -> None:
    height, args = chain.height, chain.registration(digest, issued=5, modified=6)
    receipt = register(chain, digest, issued=5, modified=6)
    assert receipt.code == Code.OK
    (event,) = receipt.events
    assert (event.contract, event.name) == ("catalogue", "registered")
    assert event.data == ["land/parcels-2025", 1, bytes(32)]
    assert chain.ask("catalogue", "get", dataset="land/parcels-2025") == args | {
        "owner": "land",
        "height": height,
        "time": 1_750_000_000_000 + height,
        "latest": 1,
        "status": "active",
    }


def test_it_changes_three_keys(chain: Any, digest: bytes) -> None:
    call = Call("catalogue", "register", chain.registration(digest))
    second = Call("catalogue", "register", chain.registration(digest, version=2))
    result = chain.execute(chain.sign("land", call))
    assert sorted(key.split(b"/")[1] for key in result.changes) == [b"head", b"owner", b"version"]
    assert len(chain.execute(chain.sign("land", second)).changes) == 3


def test_what_is_stored_is_canonical(chain: Any, digest: bytes) -> None:
    args = chain.registration(digest, quality=QUALITY)
    backwards = dict(reversed(args.items()))
    chain.run("land", "catalogue", "register", backwards)
    key = b"catalogue/version/land/parcels-2025/" + (1).to_bytes(8, "big")
    height = chain.height - 1
    assert chain.state.get(key) == encode(["land", height, 1_750_000_000_000 + height, args])


def test_versions_are_consecutive(chain: Any, digest: bytes) -> None:
    assert register(chain, digest, version=2).code == Code.WRONG_VERSION
    for version in (1, 2, 3):
        assert register(chain, digest, version=version, rows=version).code == Code.OK
    again = register(chain, digest, version=3)
    assert (again.code, again.details) == (Code.WRONG_VERSION, 3)
    rows = chain.ask("catalogue", "versions", dataset="land/parcels-2025")
    assert [row["rows"] for row in rows] == [1, 2, 3]
    rows = chain.ask("catalogue", "versions", dataset="land/parcels-2025", after=2)
    assert [row["version"] for row in rows] == [3]
    assert chain.ask("catalogue", "get", dataset="land/parcels-2025", version=2)["rows"] == 2
    assert chain.ask("catalogue", "get", dataset="land/parcels-2025", version=4) is None
    assert chain.ask("catalogue", "get", dataset="land/none") is None


@pytest.mark.parametrize("dataset", ["tax/x", "land-x/y", "lan/d"])
def test_only_under_the_senders_own_name(chain: Any, digest: bytes, dataset: str) -> None:
    receipt = register(chain, digest, dataset=dataset)
    assert (receipt.code, receipt.details) == (Code.NOT_OWNER, dataset)
    assert chain.run("land", "catalogue", "retire", {"dataset": dataset}).code == Code.NOT_OWNER


def test_the_standard_must_exist_and_be_the_one_meant(chain: Any, digest: bytes) -> None:
    for standard, code in (
        (["land/none", 1, digest], Code.NOT_FOUND),
        (["land/parcels", 2, digest], Code.NOT_FOUND),
        (["land/parcels", 1, bytes(32)], Code.WRONG_DIGEST),
    ):
        receipt = register(chain, digest, standard=standard)
        assert (receipt.code, receipt.details) == (code, standard[0])


def test_the_grade_is_not_below_the_highest_field(chain: Any, digest: bytes) -> None:
    low = register(chain, digest, level=1)
    assert (low.code, low.details) == (Code.LEVEL_TOO_LOW, 2)
    general = register(chain, digest, **{"class": "general"})
    assert (general.code, general.details) == (Code.CLASS_TOO_LOW, "important")
    assert register(chain, digest, level=4, **{"class": "core"}).code == Code.OK


def test_sources_must_be_registered(chain: Any, digest: bytes) -> None:
    source = {"dataset": "land/raw", "version": 1, "process": "clean"}
    missing = register(chain, digest, derived_from=[source])
    assert (missing.code, missing.details) == (Code.NOT_FOUND, "land/raw")
    register(chain, digest, dataset="land/raw")
    assert register(chain, digest, derived_from=[source]).code == Code.OK
    other = register(chain, digest, version=2, derived_from=[source | {"version": 2}])
    assert other.code == Code.NOT_FOUND


def test_a_dataset_may_derive_from_its_own_earlier_version(chain: Any, digest: bytes) -> None:
    source = {"dataset": "land/parcels-2025", "version": 1, "process": "correct"}
    assert register(chain, digest, derived_from=[source]).code == Code.NOT_FOUND
    register(chain, digest)
    assert register(chain, digest, version=2, derived_from=[source]).code == Code.OK


def test_retiring_ends_a_dataset_and_keeps_its_versions(chain: Any, digest: bytes) -> None:
    def retire() -> Any:
        return chain.run("land", "catalogue", "retire", {"dataset": "land/parcels-2025"})

    assert retire().code == Code.NOT_FOUND
    register(chain, digest)
    (event,) = retire().events
    assert (event.name, event.data) == ("retired", ["land/parcels-2025", 1])
    assert retire().code == Code.RETIRED
    assert register(chain, digest, version=2).code == Code.RETIRED
    assert chain.ask("catalogue", "get", dataset="land/parcels-2025")["status"] == "retired"


def test_list_is_by_prefix_and_paged(chain: Any, digest: bytes) -> None:
    for number in range(3):
        register(chain, digest, dataset=f"land/d{number}")
    other = chain.registration(digest, dataset="tax/d9")
    chain.run("tax", "catalogue", "register", other)
    rows = chain.ask("catalogue", "list")
    assert rows[0] == ["land/d0", 1, "active"]
    assert [row[0] for row in rows] == ["land/d0", "land/d1", "land/d2", "tax/d9"]
    rows = chain.ask("catalogue", "list", prefix="land/", after="land/d0")
    assert [row[0] for row in rows] == ["land/d1", "land/d2"]


def test_history_of_an_owner_is_in_order_and_complete(chain: Any, digest: bytes) -> None:
    """Two versions of one dataset in one block are two entries."""
    calls = [
        Call("catalogue", "register", chain.registration(digest, version=version))
        for version in (1, 2)
    ]
    height = chain.height
    chain.execute(chain.sign("land", *calls))
    register(chain, digest, dataset="land/a")
    rows = chain.ask("catalogue", "history", owner="land")
    assert rows == [
        [height, "land/parcels-2025", 1],
        [height, "land/parcels-2025", 2],
        [height + 1, "land/a", 1],
    ]
    assert chain.ask("catalogue", "history", owner="land", after=rows[0]) == rows[1:]
    assert chain.ask("catalogue", "history", owner="lan") == []


QUALITY = {
    "completeness": 10_000,
    "validity": 0,
    "uniqueness": 1,
    "timeliness": 2,
    "consistency": 3,
}


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("dataset", "Land/x", "dataset"),
        ("version", 0, "version"),
        ("title", "a\nb", "title"),
        ("title", "x" * 257, "title"),
        ("keywords", ["k"] * 17, "keywords"),
        ("keywords", ["ok", ""], "keywords[1]"),
        ("theme", "Land", "theme"),
        ("licence", "", "licence"),
        ("frequency", "hourly", "frequency"),
        ("spatial", 1, "spatial"),
        ("temporal", [2, 1], "temporal"),
        ("temporal", [1], "temporal"),
        ("temporal", [1, -1], "temporal[1]"),
        ("media_type", "", "media_type"),
        ("standard", ["land/parcels", 1], "standard"),
        ("standard", ["parcels", 1, bytes(32)], "standard[0]"),
        ("standard", ["land/parcels", 0, bytes(32)], "standard[1]"),
        ("standard", ["land/parcels", 1, b""], "standard[2]"),
        ("level", 5, "level"),
        ("class", "secret", "class"),
        ("rows", -1, "rows"),
        ("bytes", "1", "bytes"),
        ("suite", "md5", "suite"),
        ("commitment", bytes(31), "commitment"),
        ("quality", QUALITY | {"validity": 10_001}, "quality.validity"),
        ("quality", {}, "quality"),
        ("derived_from", [{}], "derived_from[0]"),
        (
            "derived_from",
            [{"dataset": "a/b", "version": 1, "process": "x y"}],
            "derived_from[0].process",
        ),
        ("custody", "abroad", "custody"),
        ("issued", None, "issued"),
        ("modified", -1, "modified"),
        ("note", "free text", "note"),
    ],
)
def test_a_wrong_argument_is_named(
    chain: Any, digest: bytes, name: str, value: Any, place: str
) -> None:
    receipt = register(chain, digest, **{name: value})
    assert receipt.code == Code.BAD_ARGUMENT
    assert receipt.details.split(" ")[0].rstrip(":") == place
    assert receipt.details.isascii()


def test_every_argument_is_required_but_the_dates(chain: Any, digest: bytes) -> None:
    args = chain.registration(digest)
    for name in args:
        left = {key: value for key, value in args.items() if key != name}
        receipt = chain.run("land", "catalogue", "register", left)
        assert (receipt.code, receipt.details) == (Code.BAD_ARGUMENT, f"{name}: missing")


def destroy(chain: Any, sender: str = "land", version: int = 1, rows: tuple[int, ...] = ()) -> Any:
    args = {"dataset": "land/parcels-2025", "version": version, "rows": list(rows)}
    return chain.run(sender, "catalogue", "destroy", args)


def destroyed(chain: Any, **more: Any) -> Any:
    args = {"dataset": "land/parcels-2025", "version": 1, **more}
    return chain.ask("catalogue", "destroyed", **args)


def test_records_and_versions_are_destroyed_once_by_their_owner(chain: Any, digest: bytes) -> None:
    register(chain, digest, rows=9)
    assert destroyed(chain) == {"height": None, "rows": []}
    assert destroy(chain, rows=(7, 2)).events[0].data == ["land/parcels-2025", 1, [7, 2]]
    assert destroyed(chain)["rows"] == [2, 7]
    assert destroyed(chain, after=2)["rows"] == [7]
    assert destroy(chain, rows=(10,)).code == Code.NOT_FOUND
    assert destroy(chain, version=2).code == Code.NOT_FOUND
    assert destroy(chain, "tax").code == Code.NOT_OWNER
    height = chain.height
    assert destroy(chain).code == Code.OK
    assert destroyed(chain) == {"height": height, "rows": [2, 7]}
    assert destroy(chain).code == Code.DESTROYED


def test_a_lowered_level_is_announced(chain: Any, digest: bytes) -> None:
    lowered = [{"field": 0, "found": 4, "level": 3}]
    receipt = register(chain, digest, lowered=lowered)
    assert [event.name for event in receipt.events] == ["registered", "lowered"]
    assert receipt.events[1].data == ["land/parcels-2025", 1, lowered]


def test_only_open_versions_that_can_be_read_are_published(chain: Any) -> None:
    def do(method: str, sender: str = "land", dataset: str = "land/lamps", version: int = 1) -> Any:
        return chain.run(sender, "catalogue", method, {"dataset": dataset, "version": version})

    standard = chain.standard()
    for field in standard["fields"]:
        field |= {"level": 1, "class": "general"}
    digest = chain.publish(**standard)
    opened = {"dataset": "land/lamps", "level": 1, "class": "general"}
    register(chain, digest, **opened)
    register(chain, digest, **{**opened, "version": 2, "level": 2})
    register(chain, digest, **{**opened, "version": 3})
    assert do("withdraw").code == Code.NOT_FOUND
    assert do("publish", sender="tax").code == Code.NOT_OWNER
    assert do("publish", dataset="land/none").code == Code.NOT_FOUND
    assert do("publish", version=4).code == Code.NOT_FOUND
    closed = do("publish", version=2)
    assert (closed.code, closed.details) == (Code.WRONG_STATUS, ["land/lamps v2", "L2"])
    height = chain.height
    (event,) = do("publish").events
    assert (event.name, event.data) == ("published", ["land/lamps", 1])
    assert chain.ask("catalogue", "published", dataset="land/lamps", version=1) == height
    assert do("publish").code == Code.EXISTS
    assert do("withdraw", sender="tax").code == Code.NOT_OWNER
    (event,) = do("withdraw").events
    assert (event.name, event.data) == ("withdrawn", ["land/lamps", 1])
    gone = {"dataset": "land/lamps", "version": 1, "rows": []}
    chain.run("land", "catalogue", "destroy", gone)
    assert do("publish").code == Code.DESTROYED
    chain.run("land", "catalogue", "retire", {"dataset": "land/lamps"})
    assert do("publish", version=3).code == Code.RETIRED

"""Grants where they are used: quota, time, revocation, series whose data changes."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import checks
from contracts.api import Args, Context, Contract, Signature
from contracts.codes import Code
from contracts.system import VERSIONS, access
from tests.contracts.exchange import DAY_MS, FIELDS, INCOME, SECTOR, Exchange


def _take(ctx: Context, args: Args) -> None:
    access.reserve(ctx, args["grant"], args["rows"])


def _give(ctx: Context, args: Args) -> None:
    access.settle(ctx, args["grant"], args["rows"], args["used"])


_NUMBER = checks.integer(1, 1 << 40)
METER = Contract(
    "meter",
    {
        "take": Signature(_take, {"grant": _NUMBER, "rows": _NUMBER}),
        "give": Signature(
            _give, {"grant": _NUMBER, "rows": _NUMBER, "used": checks.integer(0, 1 << 40)}
        ),
    },
    {},
)
"""Reserves and settles as the contract of deliveries does."""


@pytest.fixture
def net() -> Exchange:
    """city has grant 1: 100 rows of the series, for 30 days."""
    made = Exchange()
    made.versions = {1: {**VERSIONS[1], METER.name: METER}}
    made.ask_for(SECTOR)
    return made


def take(net: Exchange, rows: int, by: str = "city", grant: int = 1) -> Any:
    receipt = net.run(by, "meter", "take", {"grant": grant, "rows": rows})
    return Code(receipt.code), receipt.details


def give(net: Exchange, rows: int, used: int) -> None:
    args = {"grant": 1, "rows": rows, "used": used}
    assert net.run("city", "meter", "give", args).code == Code.OK


def test_the_quota_is_never_passed(net: Exchange) -> None:
    assert take(net, 60) == (Code.OK, None)
    assert take(net, 60) == (Code.QUOTA_EXCEEDED, 40)
    assert take(net, 40) == (Code.OK, None)
    assert (net.grant(1)["used"], net.grant(1)["reserved"]) == (0, 100)
    give(net, 60, 10)
    give(net, 40, 40)
    assert (net.grant(1)["used"], net.grant(1)["reserved"]) == (50, 0)
    assert take(net, 51) == (Code.QUOTA_EXCEEDED, 50)
    assert take(net, 50) == (Code.OK, None)


def test_ten_at_once_share_one_quota(net: Exchange) -> None:
    from contracts.envelope import Call

    call = Call("meter", "take", {"grant": 1, "rows": 30})
    signed = [net.sign("city", call, valid_until=net.height + 10) for _ in range(10)]
    codes = [Code(receipt.code) for receipt in net.execute(*signed).receipts]
    assert codes.count(Code.OK) == 3
    assert codes.count(Code.QUOTA_EXCEEDED) == 7
    assert net.grant(1)["reserved"] == 90


def test_only_the_recipient_uses_a_grant(net: Exchange) -> None:
    assert take(net, 1, by="town")[0] == Code.NOT_OWNER
    assert take(net, 1, grant=2)[0] == Code.NOT_FOUND


def test_time_is_judged_at_use_and_tidied_later(net: Exchange) -> None:
    later = net.ask_for(SECTOR, **{"from": net.now + DAY_MS})
    assert take(net, 1, grant=later["id"])[0] == Code.GRANT_NOT_BEGUN
    until = net.grant(1)["until"]
    assert net.usable(1, until - net.now) == Code.OK
    assert net.usable(1, until - net.now + 1) == Code.GRANT_EXPIRED
    [first, second] = net.pass_time(40 * DAY_MS)
    assert (first.name, first.data) == ("ended", [1, "expired"])
    assert (net.grant(1)["status"], second.data[0]) == ("expired", 2)
    assert take(net, 1)[0] == Code.GRANT_EXPIRED


@pytest.mark.parametrize(("by", "code"), [("tax", 0), ("land", 0), ("sea", Code.NOT_SUPERVISOR)])
def test_owner_and_supervisor_revoke(net: Exchange, by: str, code: int) -> None:
    receipt = net.run(by, "access", "revoke", {"grant": 1, "reason": "misuse"})
    assert receipt.code == code
    assert net.usable(1) == (Code.OK if code else Code.GRANT_ENDED)
    if not code:
        assert receipt.events[0].data == [1, "misuse"]
        assert net.run(by, "access", "revoke", {"grant": 1, "reason": "x"}).code == (
            Code.WRONG_STATUS
        )
        assert take(net, 1)[0] == Code.GRANT_ENDED
        assert net.ask("schedule", "list") == []


def test_what_was_reserved_before_the_revocation_is_still_settled(net: Exchange) -> None:
    take(net, 60)
    net.run("tax", "access", "revoke", {"grant": 1, "reason": "misuse"})
    give(net, 60, 20)
    found = net.grant(1)
    assert (found["used"], found["reserved"], found["status"]) == (20, 0, "revoked")


def test_suspended_members_use_nothing(net: Exchange) -> None:
    net.change("tax", status="suspended")
    assert take(net, 1) == (Code.NOT_ACTIVE, "grant 1")
    net.change("tax", status="active")
    assert take(net, 1)[0] == Code.OK


def again(net: Exchange, **changes: Any) -> list[str]:
    """Register the next version; returns the names of the events."""
    return [event.name for event in net.register(**changes).events]


def test_a_series_goes_on_while_its_shape_stays(net: Exchange) -> None:
    latest = net.ask("catalogue", "get", dataset="tax/firms")
    same = {word: latest[word] for word in ("standard", "level", "class")}
    registration = net.registration(b"", **{**same, "dataset": "tax/firms", "version": 2})
    receipt = net.run("tax", "catalogue", "register", registration)
    assert [event.name for event in receipt.events] == ["registered"]
    assert take(net, 1)[0] == Code.OK
    net.version = 2
    higher = {**registration, "version": 3, "class": "core", "level": 4}
    assert net.run("tax", "catalogue", "register", higher).code == Code.OK


def test_a_series_whose_shape_changes_pauses(net: Exchange) -> None:
    net.ask_for(SECTOR, version=1)
    assert again(net) == ["registered", "reshaped"]
    assert take(net, 1) == (Code.GRANT_PAUSED, "grant 1")
    assert take(net, 1, grant=2) == (Code.OK, None)  # bound to version 1, which stays


def test_datasets_without_a_series_are_not_watched() -> None:
    net = Exchange()
    net.ask_for(SECTOR, version=1)
    assert again(net) == ["registered"]


def resume(net: Exchange, by: str = "tax", grant: int = 1) -> Any:
    receipt = net.run(by, "access", "resume", {"grant": grant})
    return Code(receipt.code), receipt.details


def test_the_owner_lets_a_series_go_on(net: Exchange) -> None:
    assert resume(net) == (Code.WRONG_STATUS, ["grant 1", "active"])
    moved = (FIELDS[2], FIELDS[1], FIELDS[0])
    again(net, fields=moved, level=3, **{"class": "general"})
    assert resume(net, by="city")[0] == Code.NOT_OWNER
    take(net, 1)
    assert resume(net) == (Code.OK, None)
    found = net.grant(1)
    assert (found["fields"], found["standard"][1]) == ([[1, None]], 2)
    assert take(net, 1)[0] == Code.OK


def test_fields_are_found_again_by_name(net: Exchange) -> None:
    again(net, fields=(FIELDS[1], FIELDS[0]), level=2, **{"class": "general"})
    assert resume(net)[0] == Code.OK
    assert net.grant(1)["fields"] == [[0, None]]


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ((FIELDS[0],), 1),  # the field is gone
        (((*FIELDS[1][:2], 3, *FIELDS[1][3:]),), 3),  # the field is more sensitive
    ],
)
def test_what_was_not_agreed_on_needs_a_new_request(net: Exchange, fields: Any, level: int) -> None:
    again(net, fields=fields, level=level, **{"class": "general"})
    assert resume(net)[0] == Code.NEEDS_NEW_REQUEST
    assert net.usable(1) == Code.GRANT_PAUSED


def test_places_of_fields_do_not_outlive_their_standard(net: Exchange) -> None:
    waiting = net.ask_for(INCOME, basis="public-task")
    again(net, fields=FIELDS[::-1])
    for method in ("amend", "clone"):
        args = {"request": 2, "changes": {"rows": 5}}
        receipt = net.run("city", "access", method, args)
        assert receipt.code == Code.NEEDS_NEW_REQUEST
    assert net.review("tax", waiting["id"]).code == Code.OK
    assert net.ask("access", "request", request=2)["rule"] == "reshaped"
    shown = net.ask("access", "explain", request=1, time=net.now)
    assert (shown["request"]["rule"], shown["now"]["outcome"]) == ("automatic", "DENY")
    assert ["reshaped", "DENY", ["fields", []]] in shown["now"]["reasons"]
    args = {"request": 2, "changes": {"fields": [0]}}
    assert net.run("city", "access", "clone", args).code == Code.OK
    net.run("tax", "catalogue", "retire", {"dataset": "tax/firms"})
    gone = net.ask("access", "explain", request=1, time=net.now)
    assert (gone["now"], gone["fault"]) == (None, Code.RETIRED)


def test_a_request_can_say_which_standard_it_means(net: Exchange) -> None:
    meant = net.grant(1)["standard"][2]
    assert net.run("city", "access", "request", net.terms(standard=meant)).code == Code.OK
    again(net, fields=FIELDS[::-1])
    receipt = net.run("city", "access", "request", net.terms(standard=meant))
    assert (receipt.code, receipt.details) == (Code.WRONG_DIGEST, "tax/firm")
    args = {"request": 1, "changes": {"fields": [SECTOR]}, "standard": meant}
    assert net.run("city", "access", "clone", args).code == Code.WRONG_DIGEST

"""Reviews: deadlines, deputies, escalation, masks that reviewers add, what waits for whom."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from tests.contracts.exchange import DAY_MS, INCOME, PERSON, SECTOR, Exchange

TASK = {"basis": "public-task"}


@pytest.fixture
def net() -> Exchange:
    """Request 1 of city waits for tax."""
    made = Exchange()
    made.ask_for(SECTOR, PERSON, INCOME, **TASK)
    return made


def waiting(net: Exchange, member: str) -> list[int]:
    return [row["id"] for row in net.ask("access", "waiting", member=member, time=net.now)]


def deputise(net: Exchange, deputy: str | None, days: int = 9, by: str = "tax") -> Code:
    args = {"deputy": deputy, "until": net.now + days * DAY_MS}
    return Code(net.run(by, "access", "set_deputy", args).code)


def test_a_review_that_denies_ends_the_request(net: Exchange) -> None:
    reason = net.seal("tax", "city")
    receipt = net.review("tax", 1, "deny", reason=reason)
    assert [event.name for event in receipt.events] == ["reviewed", "denied"]
    request = net.ask("access", "request", request=1)
    assert (request["status"], request["rule"]) == ("denied", "refused")
    assert request["reviews"]["owner"][4] == reason
    assert waiting(net, "tax") == []
    assert net.ask("schedule", "list") == []


def test_the_reason_is_one_that_the_recipient_can_read(net: Exchange) -> None:
    assert net.review("tax", 1, "deny", reason=bytes(32)).code == Code.NOT_FOUND
    assert net.review("tax", 1, "deny", reason=net.seal("tax")).code == Code.NOT_PARTY
    assert net.review("tax", 1, "deny", reason=net.seal("city")).code == Code.NOT_PARTY


def test_masks_of_reviewers_and_rules_unite(net: Exchange) -> None:
    more = [[INCOME, ["round", 1, {"step": 1_000}]], [SECTOR, ["keep-first", 1, {}]],
            [SECTOR, ["keep-first", 1, {"count": 2}]], [PERSON, ["keep-first", 1, {}]]]  # fmt: skip
    assert net.review("tax", 1, masks=more).code == Code.OK
    assert net.grant(1)["fields"] == [
        [SECTOR, ["keep-first", 1, {"count": 1, "length": 5}]],  # what both let through
        [PERSON, ["redact", 1, {}]],  # that and the default mask have no order
        [INCOME, ["round", 1, {"step": 1_000}]],
    ]


@pytest.mark.parametrize(
    "masks",
    [
        [[0, ["name", 1, {}]]],
        [[PERSON, ["name", 0, {}]]],
        [[PERSON, ["Name", 1, {}]]],
        [[PERSON, ["name", 1, {"n": 1}]]],
        [[PERSON, ["veil", 1, {}]]],
        [[PERSON, ["keep-first", 1, {"count": "x"}]]],
        [[PERSON, ["name", 1]]],
    ],
)
def test_masks_that_make_no_sense_are_refused(net: Exchange, masks: Any) -> None:
    assert net.review("tax", 1, masks=masks).code == Code.BAD_ARGUMENT
    assert net.status(1) == "waiting"


def test_a_mask_on_a_filter_field_ends_in_denial() -> None:
    net = Exchange()
    sealed = net.seal("city", "tax")
    net.ask_for(SECTOR, INCOME, filter=[[SECTOR, "eq"]], envelope=sealed, **TASK)
    assert net.review("tax", 1, masks=[[SECTOR, ["redact", 1, {}]]]).code == Code.OK
    assert net.ask("access", "request", request=1)["rule"] == "masked-filter"


def test_a_deputy_reviews_while_it_is_one(net: Exchange) -> None:
    assert net.review("town", 1).code == Code.NOT_REVIEWER
    assert deputise(net, "tax") == Code.BAD_ARGUMENT
    assert deputise(net, "nobody") == Code.NOT_FOUND
    assert deputise(net, "town", days=1) == Code.OK
    assert waiting(net, "town") == [1]
    assert net.ask("access", "deputy", member="tax")[0] == "town"
    net.pass_time(2 * DAY_MS)
    assert waiting(net, "town") == []
    assert net.review("town", 1).code == Code.NOT_REVIEWER
    assert deputise(net, "sea") == Code.OK
    assert deputise(net, "town") == Code.OK
    assert (waiting(net, "sea"), waiting(net, "town")) == ([], [1])
    assert net.review("town", 1).code == Code.OK
    assert net.ask("access", "request", request=1)["reviews"]["owner"][0] == "town"


def test_a_deputy_does_not_decide_on_its_own_request(net: Exchange) -> None:
    assert deputise(net, "city") == Code.OK
    assert waiting(net, "city") == []
    assert net.review("city", 1).code == Code.OWN_REQUEST
    assert deputise(net, None) == Code.OK
    assert net.ask("access", "deputy", member="tax") is None


def test_a_late_review_goes_to_the_member_above(net: Exchange) -> None:
    assert net.review("land", 1).code == Code.NOT_REVIEWER
    [escalated] = net.pass_time(5 * DAY_MS)
    assert (escalated.name, escalated.data) == ("escalated", [1, ["member/land"]])
    assert (waiting(net, "tax"), waiting(net, "land")) == ([1], [1])
    assert net.review("land", 1).code == Code.OK
    assert net.status(1) == "granted"
    assert (waiting(net, "tax"), waiting(net, "land")) == ([], [])


def test_silence_never_grants(net: Exchange) -> None:
    net.pass_time(5 * DAY_MS)
    [denied] = net.pass_time(5 * DAY_MS)
    assert (denied.name, denied.data) == ("denied", [1, "no-answer"])
    assert net.review("tax", 1).code == Code.WRONG_STATUS
    assert (waiting(net, "tax"), waiting(net, "land")) == ([], [])
    assert net.ask("schedule", "list") == []


def test_what_has_changed_meanwhile_counts_at_the_last_review(net: Exchange) -> None:
    net.change("city", jurisdiction="sg")
    assert net.review("tax", 1).code == Code.OK
    request = net.ask("access", "request", request=1)
    assert (request["status"], request["waits_for"]) == ("waiting", ["central"])
    assert net.review("sea", 1).code == Code.OK
    assert net.status(1) == "granted"


def test_the_number_of_waiting_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from contracts.system.access import process

    monkeypatch.setattr(process, "MAX_WAITING", 2)
    net = Exchange()
    net.ask_for(INCOME, **TASK)
    net.ask_for(INCOME, **TASK)
    receipt = net.run("city", "access", "request", net.terms(INCOME, **TASK))
    assert (receipt.code, receipt.details) == (Code.TOO_MANY_WAITING, 2)
    assert net.ask_for(SECTOR)["status"] == "granted"
    net.review("tax", 1)
    assert net.ask_for(INCOME, **TASK)["status"] == "waiting"

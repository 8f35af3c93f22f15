"""Requests, the default policy rule by rule, and grants that hold what was agreed."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from contracts.codes import Code
from contracts.system.access import rules
from tests.contracts.exchange import (
    DAY_MS,
    DIVISION,
    FIELDS,
    INCOME,
    PERSON,
    PHONE,
    RESERVE,
    RESIDENT,
    SECTOR,
    SITE,
    Exchange,
)
from tests.contracts.system.test_governance import propose, vote
from tests.contracts.system.test_operators import act, grant

TASK = {"basis": "public-task"}
BY_LAW = {"basis": "statute", "statute": "act-12"}
CONSENT = {"basis": "consent"}


@pytest.fixture
def net() -> Exchange:
    return Exchange()


def reason(request: Any, rule: str) -> Any:
    """What a rule said: (outcome, what would change it)."""
    return next((tuple(row[1:]) for row in request["reasons"] if row[0] == rule), None)


# Levels


def test_open_data_is_granted_at_once(net: Exchange) -> None:
    request = net.ask_for(DIVISION, basis="open", purpose="open-use")
    assert (request["status"], request["level"], request["rule"]) == ("granted", 1, "open")
    assert net.usable(request["id"]) == Code.OK


def test_level_two_is_automatic_and_the_grant_is_bound(net: Exchange) -> None:
    receipt = net.run("city", "access", "request", net.terms(DIVISION, SECTOR))
    names = [event.name for event in receipt.events]
    assert names == ["requested", "decided", "granted"]
    found = net.grant(1)
    assert found["fields"] == [[DIVISION, None], [SECTOR, None]]
    assert (found["owner"], found["recipient"], found["level"]) == ("tax", "city", 2)
    assert (found["mode"], found["subjects"], found["watermark"]) == ("linked", None, False)
    assert (found["rule"], found["class"], found["k"]) == ("automatic", "general", 0)
    assert len(found["policy"]) == 32


def test_level_three_waits_for_the_owner_and_is_masked(net: Exchange) -> None:
    request = net.ask_for(SECTOR, PERSON, INCOME, **TASK)
    assert (request["status"], request["waits_for"]) == ("waiting", ["owner"])
    assert reason(request, "restricted") == ("REVIEW", ["fields", [PERSON, INCOME]])
    assert net.ask("access", "waiting", member="tax", time=net.now)[0]["id"] == 1
    assert net.ask("access", "waiting", member="land", time=net.now) == []
    assert net.review("tax", 1).code == Code.OK
    assert net.ask("access", "waiting", member="tax", time=net.now) == []
    assert net.grant(1)["fields"] == [[SECTOR, None], [PERSON, ["name", 1, {}]], [INCOME, None]]
    assert net.ask("schedule", "list")[0][1] == "access"  # the grant's end, not the deadline
    assert len(net.ask("schedule", "list")) == 1


def test_level_four_needs_the_subjects_or_a_statute(net: Exchange) -> None:
    request = net.ask_for(RESIDENT, **CONSENT)
    assert (request["level"], request["waits_for"]) == (4, ["owner"])
    net.review("tax", 1)
    found = net.grant(1)
    assert (found["subjects"], found["notice"]) == ({"scope": "tax/firms"}, False)
    assert (found["mode"], found["watermark"]) == ("audited", True)
    enact(net)
    by_law = net.ask_for(RESIDENT, **BY_LAW)
    assert by_law["waits_for"] == ["owner", "supervisor"]
    net.review("tax", 2)
    assert net.status(2) == "waiting"
    net.review("land", 2)
    assert (net.grant(2)["subjects"], net.grant(2)["notice"]) == (None, True)
    denied = net.ask_for(RESIDENT, basis="public-task")
    assert (denied["status"], denied["rule"]) == ("denied", "basis-level")
    assert reason(denied, "basis-level") == ("DENY", ["basis", ["consent", "statute"]])


def enact(net: Exchange, days: int = 90, name: str = "act-12") -> None:
    """Put a statute in force for so many days, as a vote does."""
    statute = {"statute": name, "digest": bytes(32), "until": net.now + days * DAY_MS,
               "notice_days": 10}  # fmt: skip
    net.state.values[b"governance/statute/" + name.encode()] = encode(statute)


def test_a_basis_by_law_names_a_statute_that_is_in_force(net: Exchange) -> None:
    enact(net, 90)
    enact(net, -1, "act-1")
    for named, rule in ((None, "no-statute"), ("act-1", "statute-not-in-force"),
                        ("act-99", "statute-not-in-force")):  # fmt: skip
        for field in (RESIDENT, INCOME, SECTOR):
            denied = net.ask_for(field, basis="statute", statute=named)
            assert (denied["status"], denied["rule"]) == ("denied", rule)
            assert reason(denied, rule) == ("DENY", ["statute", []])
    refused = net.run("city", "access", "request", net.terms(SECTOR, statute="act-12"))
    assert refused.code == Code.BAD_ARGUMENT
    made = net.ask_for(SECTOR, **BY_LAW)
    assert (made["status"], net.grant(made["id"])["statute"]) == ("granted", "act-12")
    assert net.usable(made["id"]) == Code.OK
    enact(net, -1)  # members vote it out
    assert net.usable(made["id"]) == Code.NOT_IN_FORCE


def test_a_use_under_another_statute_is_none_of_the_grant(net: Exchange) -> None:
    enact(net)
    enact(net, name="act-7")
    net.ask_for(RESIDENT, **BY_LAW)
    net.review("tax", 1)
    net.review("land", 1)
    net.change("sea", roles=["registrar"])
    for number, (statute, code) in enumerate(
        (("act-7", Code.NO_USE_BY_LAW), ("act-12", Code.OK)), 1
    ):
        use = {"dataset": "tax/firms", "purpose": "public-service", "statute": statute,
               "registrar": "sea", "until": net.now + 60 * DAY_MS}  # fmt: skip
        assert net.run("city", "subjects", "invoke", use).code == Code.OK
        allow = {"use": number, "notice": net.now + 5 * DAY_MS}
        assert net.run("land", "subjects", "review", allow).code == Code.OK
        assert net.usable(1) == code


def test_a_grant_by_law_waits_for_the_use_and_its_notice(net: Exchange) -> None:
    enact(net)
    net.ask_for(RESIDENT, **BY_LAW)
    net.review("tax", 1)
    net.review("land", 1)
    assert net.usable(1) == Code.NO_USE_BY_LAW
    net.change("sea", roles=["registrar"])
    use = {"dataset": "tax/firms", "purpose": "public-service", "statute": "act-12",
           "registrar": "sea", "until": net.now + 60 * DAY_MS}  # fmt: skip
    assert net.run("city", "subjects", "invoke", use).code == Code.OK
    assert net.usable(1) == Code.NO_USE_BY_LAW
    allow = {"use": 1, "notice": net.now + 5 * DAY_MS}
    assert net.run("land", "subjects", "review", allow).code == Code.OK
    assert net.usable(1) == Code.OK
    assert net.usable(1, 6 * DAY_MS) == Code.NO_USE_BY_LAW
    assert net.run("sea", "subjects", "notified", {"use": 1}).code == Code.OK
    assert net.usable(1, 6 * DAY_MS) == Code.OK


def test_filters_and_keys_count_as_delivered(net: Exchange) -> None:
    sealed = net.seal("city", "tax")
    assert net.ask_for(SECTOR, filter=[[INCOME, "gt"]], envelope=sealed, **TASK)["level"] == 3
    lookup = {"kind": "lookup", "key": RESIDENT}
    assert net.ask_for(SECTOR, **lookup, **CONSENT)["level"] == 4
    assert net.ask_for(SECTOR)["level"] == 2


def test_combinations_and_volume_raise_and_are_named(net: Exchange) -> None:
    assert net.ask_for(PERSON, **TASK)["raised"] == []
    fields = tuple((n, t, 2 if lv > 2 else lv, c, m) for n, t, lv, c, m in FIELDS)
    net.register(fields=fields, level=2)
    assert net.ask_for(PERSON)["level"] == 2
    both = net.ask_for(PERSON, PHONE, **TASK)
    assert (both["level"], both["raised"]) == (3, ["person-contact"])
    many = net.ask_for(PERSON, PHONE, rows=2_000_000, **TASK)
    assert many["raised"] == ["person-contact", "many-persons"]


def test_a_dataset_above_its_fields_raises_all(net: Exchange) -> None:
    net.register(fields=FIELDS[:2], level=3, **{"class": "important"})
    request = net.ask_for(DIVISION, **TASK)
    assert (request["level"], request["raised"]) == (3, ["dataset-level", "dataset-class"])


# The default policy


@pytest.mark.parametrize(
    ("fields", "changes", "rule"),
    [
        ((SECTOR,), {"purpose": "curiosity"}, "unknown-purpose"),
        ((SECTOR,), {"basis": "whim"}, "unknown-basis"),
        ((SECTOR,), {"purpose": "open-use"}, "purpose-level"),
        ((SECTOR,), {"basis": "open"}, "basis-level"),
        ((SECTOR,), {"rows": 1 << 40}, "too-many-rows"),
        ((SECTOR,), {"retention_days": 36_000}, "too-many-retention"),
        ((INCOME,), {**TASK, "onward": True}, "onward"),
        ((INCOME,), {**TASK, "purpose": "statistics", "kind": "lookup", "key": SECTOR}, "k-lookup"),
    ],
)
def test_what_is_denied_says_why(
    net: Exchange, fields: tuple[int, ...], changes: dict[str, Any], rule: str
) -> None:
    request = net.ask_for(*fields, **changes)
    assert (request["status"], request["rule"], request["outcome"]) == ("denied", rule, "DENY")
    outcome, change = reason(request, rule)
    assert outcome == "DENY"
    assert change is not None
    assert net.grant(request["id"]) is None


def test_answers_about_all_records_are_decided_as_records_but_not_masked(net: Exchange) -> None:
    asked = {**TASK, "kind": "aggregate", "purpose": "statistics", "rows": 20}
    number = net.ask_for(PERSON, INCOME, **asked)["id"]
    assert net.status(number) == "waiting"
    net.review("tax", number)
    grant = net.grant(number)
    assert grant["fields"] == [[PERSON, None], [INCOME, None]]
    assert (grant["level"], grant["mode"], grant["k"]) == (3, "linked", 5)
    consent = {**CONSENT, "kind": "aggregate"}
    assert net.ask_for(RESIDENT, **consent)["rule"] == "authorised-aggregate"
    sealed = net.seal("city", "tax")
    for wrong in ({"key": SECTOR}, {"filter": [[SECTOR, "eq"]], "envelope": sealed}):
        terms = net.terms(SECTOR, **{**asked, **wrong})
        assert net.run("city", "access", "request", terms).code == Code.BAD_ARGUMENT


def test_a_denied_request_is_granted_once_it_is_changed_as_told(net: Exchange) -> None:
    request = net.ask_for(SECTOR, until=net.now + 9_000 * DAY_MS)
    assert request["rule"] == "too-many-days"
    _, (what, (days,)) = reason(request, "too-many-days")
    assert what == "days"
    changes = {"until": request["args"]["from"] + days * DAY_MS}
    assert net.run("city", "access", "clone", {"request": 1, "changes": changes}).code == Code.OK
    assert net.status(2) == "granted"


def test_filters_on_masked_fields_are_refused(net: Exchange) -> None:
    sealed = net.seal("city", "tax")
    request = net.ask_for(SECTOR, filter=[[PERSON, "eq"]], envelope=sealed, **TASK)
    assert (request["rule"], reason(request, "masked-filter")) == (
        "masked-filter", ("DENY", ["filter", [PERSON]]),
    )  # fmt: skip


def test_a_filter_makes_the_delivery_audited(net: Exchange) -> None:
    sealed = net.seal("city", "tax")
    net.ask_for(SECTOR, filter=[[DIVISION, "eq"]], envelope=sealed)
    assert net.grant(1)["mode"] == "audited"
    assert net.grant(1)["envelope"] == sealed


def test_statistics_are_k_anonymous_within_office_hours(net: Exchange) -> None:
    net.ask_for(INCOME, purpose="statistics", **TASK)
    net.review("tax", 1)
    found = net.grant(1)
    assert (found["k"], found["mode"]) == (5, "audited")
    assert found["hours"] == [[480, 31, 480, 1080]]
    assert net.usable(1) == Code.OFF_HOURS  # Sunday, 23:06 in UTC+8
    assert net.usable(1, 9 * 3_600_000) == Code.OK  # Monday, 8:06
    assert net.usable(1, 19 * 3_600_000) == Code.OFF_HOURS


def test_asked_hours_hold_too(net: Exchange) -> None:
    net.ask_for(SECTOR, hours=[480, 1 << 6, 0, 23 * 60])
    assert net.usable(1) == Code.OFF_HOURS
    net.ask_for(SECTOR, hours=[480, 1 << 6, 23 * 60, 24 * 60])
    assert net.usable(2) == Code.OK


def test_important_data_downwards_waits_and_upwards_does_not(net: Exchange) -> None:
    down = net.ask_for(RESERVE, by="city")
    assert (down["rule"], down["waits_for"]) == ("important-downwards", ["owner"])
    assert net.ask_for(RESERVE, by="sea")["status"] == "granted"


def test_core_data_needs_owner_and_central_tier(net: Exchange) -> None:
    request = net.ask_for(SITE, **TASK)
    assert request["waits_for"] == ["central", "owner"]
    assert net.review("town", 1).code == Code.NOT_REVIEWER
    assert net.review("sea", 1).code == Code.OK
    assert net.review("tax", 1).code == Code.OK
    assert net.status(1) == "granted"


def test_third_parties_need_permit_and_supervisor(net: Exchange) -> None:
    net.change("city", roles=["third-party"])
    assert net.ask_for(DIVISION, basis="open")["status"] == "granted"
    denied = net.ask_for(SECTOR)
    assert (denied["rule"], reason(denied, "no-permit")) == (
        "no-permit", ("DENY", ["permit", ["public-service"]]),
    )  # fmt: skip
    permit = {"member": "city", "scenarios": ["audit"], "until": net.now + 9 * DAY_MS}
    assert net.run("sea", "permits", "issue", permit).code == Code.NOT_SUPERVISOR
    assert net.run("land", "permits", "issue", permit).code == Code.OK
    assert net.ask_for(SECTOR)["rule"] == "no-permit"
    permit["scenarios"] = ["public-service", "audit"]
    assert net.run("land", "permits", "issue", permit).code == Code.OK
    request = net.ask_for(SECTOR)
    assert (request["rule"], request["waits_for"]) == ("third-party", ["supervisor"])
    number = request["id"]
    assert net.review("land", number).code == Code.OK
    assert net.grant(number)["mode"] == "audited"
    assert net.usable(number) == Code.OK
    assert net.usable(number, 10 * DAY_MS) == Code.NO_PERMIT
    assert net.run("land", "permits", "revoke", {"member": "city"}).code == Code.OK
    assert net.usable(number) == Code.NO_PERMIT
    assert net.run("land", "permits", "revoke", {"member": "city"}).code == Code.WRONG_STATUS


@pytest.mark.parametrize(
    ("places", "crosses"),
    [
        ({"jurisdiction": "cn-11", "storage": "cn-11"}, False),
        ({"jurisdiction": "sg", "storage": "sg"}, True),
        ({"jurisdiction": "cn-11", "storage": "sg-01"}, True),
        ({"jurisdiction": None, "storage": None}, True),
    ],
)
def test_crossing_a_border_is_computed(
    net: Exchange, places: dict[str, Any], crosses: bool
) -> None:
    net.change("city", **places)
    request = net.ask_for(SECTOR)
    assert request["waits_for"] == (["central"] if crosses else [])
    assert net.ask_for(DIVISION, basis="open")["status"] == "granted"
    core = net.ask_for(SITE, **TASK)
    assert (core["rule"] == "core-abroad") == crosses


def test_nobody_asks_for_or_decides_on_its_own(net: Exchange) -> None:
    assert net.ask_for(SECTOR, by="tax")["rule"] == "own-data"
    net.ask_for(SITE, by="sea", **TASK)
    assert net.review("sea", 2).code == Code.OWN_REQUEST
    assert [each["id"] for each in net.ask("access", "waiting", member="sea", time=net.now)] == []


def test_sanctions_bar_requests_and_end_use(net: Exchange) -> None:
    net.ask_for(SECTOR)
    until = net.now + DAY_MS
    bar(net, "restrict", until)
    assert net.ask_for(SECTOR)["status"] == "granted"
    assert reason(net.ask_for(INCOME, **TASK), "sanction") == ("DENY", ["wait", [until]])
    assert net.usable(1) == Code.OK
    bar(net, "suspend", until)
    assert net.ask_for(SECTOR)["rule"] == "sanction"
    assert net.usable(1) == Code.SANCTIONED
    assert net.usable(1, 2 * DAY_MS) == Code.OK


def bar(net: Exchange, measure: str, until: int) -> None:
    """Put a violation into the state as `sanctions` keeps it."""
    row = {"id": 1, "status": "imposed", "measure": measure, "from": 0, "until": until}
    net.state.values[b"sanctions/of/city"] = encode([1])
    net.state.values[b"sanctions/violation/" + (1).to_bytes(8, "big")] = encode(row)


def test_training_is_needed_from_level_three(net: Exchange) -> None:
    grant(net, "li", "dispatcher", member="city")
    grant(net, "wang", "steward", member="city")
    for name, fields, rule in (
        ("li", (SECTOR,), "automatic"), ("li", (INCOME,), "untrained"),
        ("wang", (INCOME,), "restricted"),
    ):  # fmt: skip
        terms = net.terms(*fields, **TASK)
        assert act(net, name, "access", "request", terms, member="city")[0] == Code.OK
        found = net.ask("access", "list", member="city")[0]
        assert found["rule"] == rule
    assert net.ask("access", "request", request=3)["by"] == "wang"


def test_reviews_need_the_duty(net: Exchange) -> None:
    net.ask_for(INCOME, **TASK)
    grant(net, "li", "steward", member="tax")
    grant(net, "wang", "approver", member="tax")
    args = {"request": 1, "revision": 1, "outcome": "approve"}
    assert act(net, "li", "access", "review", args, member="tax")[0] == Code.NEEDS_DUTY
    assert act(net, "wang", "access", "review", args, member="tax")[0] == Code.OK
    row = net.ask("access", "request", request=1)["reviews"]["owner"]
    assert row[:3] == ["tax", "wang", "approve"]


# Malformed


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"dataset": "tax/none"}, Code.NOT_FOUND, "tax/none"),
        ({"version": 9}, Code.NOT_FOUND, "tax/firms"),
        ({"fields": [2, 1]}, Code.BAD_ARGUMENT, "fields"),
        ({"fields": [1, 1]}, Code.BAD_ARGUMENT, "fields"),
        ({"fields": [99]}, Code.BAD_ARGUMENT, "fields"),
        ({"fields": []}, Code.BAD_ARGUMENT, "fields"),
        ({"filter": [[1, "like"]]}, Code.BAD_ARGUMENT, "filter"),
        ({"filter": [[1, "eq"]]}, Code.BAD_ARGUMENT, "envelope"),
        ({"filter": [[99, "eq"]], "envelope": bytes(32)}, Code.NOT_FOUND, "00"),
        ({"filter": [[1, "eq"]] * 17}, Code.BAD_ARGUMENT, "filter"),
        ({"kind": "lookup"}, Code.BAD_ARGUMENT, "key"),
        ({"key": 1}, Code.BAD_ARGUMENT, "key"),
        ({"until": 5}, Code.BAD_ARGUMENT, "until"),
        ({"from": 1 << 50, "until": 1 << 50}, Code.BAD_ARGUMENT, "until"),
        ({"rows": 0}, Code.BAD_ARGUMENT, "rows"),
        ({"hours": [0, 0, 0, 1]}, Code.BAD_ARGUMENT, "hours"),
        ({"hours": [0, 1, 5, 5]}, Code.BAD_ARGUMENT, "hours"),
        ({"hours": [900, 1, 5, 6]}, Code.BAD_ARGUMENT, "hours"),
        ({"onward": 1}, Code.BAD_ARGUMENT, "onward"),
        ({"mode": "open"}, Code.BAD_ARGUMENT, "mode"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(
    net: Exchange, changes: dict[str, Any], code: Code, word: str
) -> None:
    before = dict(net.state.values)
    receipt = net.run("city", "access", "request", net.terms(SECTOR, **changes))
    assert receipt.code == code
    assert word in str(receipt.details)
    assert net.state.values == before


def test_an_envelope_is_one_that_both_sides_can_open(net: Exchange) -> None:
    for sender, parties in (("city", ("town",)), ("tax", ())):
        terms = net.terms(SECTOR, envelope=net.seal(sender, *parties))
        assert net.run("city", "access", "request", terms).code == Code.NOT_PARTY


def test_retired_and_destroyed_data_cannot_be_asked_for(net: Exchange) -> None:
    args = {"dataset": "tax/firms", "version": 1, "rows": []}
    assert net.run("tax", "catalogue", "destroy", args).code == Code.OK
    assert net.run("city", "access", "request", net.terms()).code == Code.DESTROYED
    assert net.run("tax", "catalogue", "retire", {"dataset": "tax/firms"}).code == Code.OK
    assert net.run("city", "access", "request", net.terms()).code == Code.RETIRED


# Amending, cloning, taking back


def change(net: Exchange, method: str, by: str = "city", number: int = 1, **changes: Any) -> Any:
    return net.run(by, "access", method, {"request": number, "changes": changes})


def test_an_amended_request_is_decided_anew(net: Exchange) -> None:
    net.ask_for(SITE, **TASK)
    assert net.review("sea", 1).code == Code.OK
    assert change(net, "amend", by="town", rows=9).code == Code.NOT_OWNER
    assert change(net, "amend", dataset="tax/other").code == Code.BAD_ARGUMENT
    assert change(net, "amend", colour="red").code == Code.BAD_ARGUMENT
    assert change(net, "amend", rows=9).code == Code.OK
    request = net.ask("access", "request", request=1)
    assert (request["revision"], request["args"]["rows"], request["reviews"]) == (2, 9, {})
    # Who read the first revision does not approve the second unseen.
    assert net.review("tax", 1).code == Code.WRONG_VERSION
    assert change(net, "amend", fields=[SECTOR]).code == Code.OK
    assert net.status(1) == "granted"
    assert net.ask("access", "waiting", member="tax", time=net.now) == []
    assert change(net, "amend", rows=8).code == Code.WRONG_STATUS


def test_a_clone_is_a_request_of_its_own(net: Exchange) -> None:
    net.ask_for(SECTOR)
    assert change(net, "clone", by="town", rows=7).code == Code.NOT_OWNER
    assert change(net, "clone", rows=7).code == Code.OK
    assert (net.grant(1)["rows"], net.grant(2)["rows"]) == (100, 7)
    assert [each["id"] for each in net.ask("access", "list", member="city")] == [2, 1]
    assert [each["id"] for each in net.ask("access", "list", member="tax", before=2)] == [1]


def test_requests_and_grants_are_taken_back(net: Exchange) -> None:
    net.ask_for(INCOME, **TASK)
    net.ask_for(SECTOR)
    for number, status in ((1, "withdrawn"), (2, "granted")):
        assert net.run("town", "access", "withdraw", {"request": number}).code == Code.NOT_OWNER
        assert net.run("city", "access", "withdraw", {"request": number}).code == Code.OK
        assert net.run("city", "access", "withdraw", {"request": number}).code == Code.WRONG_STATUS
        assert net.status(number) == status
    assert net.usable(2) == Code.GRANT_ENDED
    assert net.review("tax", 1).code == Code.WRONG_STATUS
    assert net.ask("schedule", "list") == []


# Explaining


def test_explain_and_preview_say_what_the_chain_would(net: Exchange) -> None:
    terms = net.terms(INCOME, **TASK)
    asked = {"recipient": "city", "time": net.now, "trained": True, **terms}
    preview = net.ask("access", "preview", **asked)
    assert (preview["outcome"], preview["rule"], preview["level"]) == ("REVIEW", "restricted", 3)
    assert preview["reviewers"] == ["owner"]
    net.ask_for(INCOME, **TASK)
    shown = net.ask("access", "explain", request=1, time=net.now)
    assert shown["request"]["reasons"] == preview["reasons"]
    assert shown["now"]["outcome"] == "REVIEW"
    later = net.ask("access", "explain", request=1, time=net.now)
    assert later["now"]["policy"] == shown["request"]["policy"]


def test_members_vote_for_another_table(net: Exchange) -> None:
    table = {**rules.DEFAULT, "version": 1, "purposes": []}
    before = net.ask("access", "rules")
    vote(net, propose(net, "access", rules=table), "land", "sea", "tax")
    net.end_epoch()
    assert (before["version"], net.ask("access", "rules")["version"]) == (0, 1)
    assert net.ask_for(SECTOR)["rule"] == "unknown-purpose"
    old = {"kind": "access", "args": {"rules": table}}
    assert net.run("tax", "governance", "propose", old).code == Code.WRONG_VERSION
    for wrong in ({"version": 2, "days": [1]}, {"version": 2, "office_hours": [0, 0, 0, 0]}):
        old = {"kind": "access", "args": {"rules": {**table, **wrong}}}
        assert net.run("tax", "governance", "propose", old).code == Code.BAD_ARGUMENT

"""Supervision by pages: alerts, cases, violations, permits, opinions."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.system.sanctions import DAY_MS
from node.trace.index import Index
from node.web.console.sanctions import allowed, rung_of, said_with
from tests.node.alliance import command
from tests.web.conftest import Town, second_of, sign
from tests.web.test_proofs import check
from tests.web.watch import OTHER, STATUTE, WATCHED, Watch

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def watch(town: Town) -> Watch:
    return Watch(town)


def path_of(page: str, kind: str) -> str:
    """The path of a thing that a transaction's page names."""
    found = re.search(rf'href="(/supervision/{kind}/[0-9]+)"', page)
    assert found is not None, page
    return found[1]


# Alerts


def test_alerts_are_listed_by_gravity_and_narrowed_down(watch: Watch) -> None:
    mild, grave = watch.alert("rows", 2), watch.alert("bulk", 4, watch.town.theirs)
    with watch.console.enter() as client:
        page = client.get("/supervision").text
        assert page.index(f"/alerts/{grave}") < page.index(f"/alerts/{mild}")
        assert "one delivery of many more rows" in page
        page = client.get("/supervision", params={"detector": "rows"}).text
        assert f"/alerts/{mild}" in page
        assert f"/alerts/{grave}" not in page
        page = client.get("/supervision", params={"state": "disposed", "member": "nobody"}).text
        assert "There are none." in page
        for hostile in (
            {"detector": SCRIPT},
            {"member": SCRIPT},
            {"state": SCRIPT},
            {"page": "-1"},
        ):
            answer = client.get("/supervision", params=hostile)
            assert answer.status_code == 200
            assert "<script>alert" not in answer.text
        assert client.get("/supervision/alerts/999999").status_code == 404
        assert 400 <= client.get(f"/supervision/alerts/{'9' * 40}").status_code < 500

        path = f"/supervision/alerts/{mild}"
        watch.console.press(client, f"{path}/dispose", disposition="expected", case="")
        assert f"/alerts/{mild}" not in client.get("/supervision").text
        disposed = client.get("/supervision", params={"state": "disposed"}).text
        assert f"/alerts/{mild}" in disposed


def test_an_alert_says_why_in_words_and_draws_what_made_it(watch: Watch) -> None:
    watch.town.ask_for_ours()
    number = watch.alert("requests", member=watch.town.neighbour)
    with watch.console.enter() as client:
        page = client.get(f"/supervision/alerts/{number}").text
        assert "many more requests in a day than usual" in page
        assert "5.2 usual spreads above what is usual" in page
        assert "2.1 usual spreads below what is usual" in page
        assert "requests in a day on each of the last 30 days; at the alert 9, usual is 1.5" in page
        assert page.count('<svg class="against"') == 2
        assert 'class="usual"' in page
        # what the neighbour has asked for today is drawn
        drawn = page.partition('<svg class="plot')[2].partition("</svg>")[0]
        assert "<rect" in drawn
    with watch.console.enter(language="zh-CN") as client:
        assert "一天内的申请远多于通常" in client.get(f"/supervision/alerts/{number}").text


# Cases


def test_a_case_goes_from_alert_to_measure_with_two_operators(watch: Watch, tmp_path: Path) -> None:
    alert = watch.alert("denied", 3, watch.town.theirs)
    with watch.console.enter() as li, watch.console.enter("wang") as wang:
        form = li.get(f"/supervision/cases/new?alert={alert}").text
        assert f'name="alerts" maxlength="200" value="{alert}"' in form
        page = watch.console.press(li, "/supervision/cases/new", kind="anomaly", severity=3,
                                   member=WATCHED, dataset=watch.town.theirs, alerts=alert,
                                   text=f"Look at it {SCRIPT}")  # fmt: skip
        case = path_of(page, "cases")
        assert "A text that travels sealed." in li.get(case).text
        read = li.get(f"{case}?read=1").text
        assert "Look at it &lt;script&gt;" in read
        assert "<script>alert" not in read
        watch.console.press(li, f"{case}/assign", member=watch.home, operator="wang")
        watch.console.press(wang, f"{case}/comment", text="Whose copy is it?")
        attach = f"/supervision/attach/{case.rpartition('/')[2]}"
        watch.console.press(li, attach, kind="alert", what=alert)
        watch.console.press(li, attach, kind="file", what="ab" * 32, text="A list")
        chosen = {"file": (f"{SCRIPT}.csv", b"rows on a forum")}
        csrf = watch.console.csrf(li)
        answer = li.post(attach, data={"csrf": csrf, "kind": "alert"}, files=chosen)
        assert f"file {SCRIPT}" not in li.get(answer.headers["location"]).text
        sign(li, answer, csrf)
        watch.console.press(wang, f"{case}/dispose", disposition="confirmed", text="Theirs.")
        shown = li.get(f"{case}?read=1").text
        for words in ("Whose copy is it?", "A list", "Theirs.", f"to {watch.home}/wang",
                      "ab" * 32, hashlib.sha256(b"rows on a forum").hexdigest(),
                      "disposed: found true"):  # fmt: skip
            assert words in shown
        raised = re.search(r'alert <a class="mono" href="/tx/([0-9a-f]{64})"', shown)
        assert raised is not None
        assert "alerts.raise" in li.get(f"/tx/{raised[1]}").text

        page = watch.console.press(
            li, f"{case}/find", rule="leak", gravity=2, text="Rows on a forum"
        )
        violation = path_of(page, "violations")
        before = li.get(violation).text
        assert "The ladder would impose" in before
        assert "Rows on a forum" in li.get(f"{violation}?read=1").text
        watch.console.press(li, f"{violation}/impose")
        waits = li.get(violation).text
        assert "Waits for a second person" in waits
        assert "Confirm</button>" not in waits  # not by who prepared it
        second = second_of(wang.get(violation).text)
        asked = watch.console.post(wang, second, back=violation)
        assert "sanctions.impose" in wang.get(asked.headers["location"]).text
        sign(wang, asked, watch.console.csrf(wang))
        after = wang.get(violation).text
        assert "imposed by tax" in after
        assert "Lift the measure" in after
        watch.console.press(wang, f"/supervision/alerts/{alert}/dispose", disposition="confirmed",
                            case=case.rpartition("/")[2])  # fmt: skip
        assert f'href="{case}"' in wang.get(f"/supervision/alerts/{alert}").text
        watch.console.press(li, f"{case}/close")
        watch.console.press(li, f"{case}/reopen")
        data = watch.console.load(li, f"{case}/export")
        checked = check(watch.console, li, data, "1.case").text
        assert "every step of the case is here with its receipt" in checked
        assert "cases.reopen" in checked
        assert "sanctions.impose" in checked or "operators.confirm" in checked
        file = tmp_path / "1.case"
        file.write_bytes(data)
        assert "proved" in command("verify", file, "--genesis", watch.console.home.genesis)
        watch.console.press(li, f"{violation}/lift")
        [waiting] = [row for row in watch.town.query("operators", "requests", member=watch.home)
                     if row["method"] == "lift"]  # fmt: skip
        watch.console.press(wang, f"/seconds/{waiting['id']}/confirm", back="//elsewhere")
        assert "lifted" in wang.get(violation).text
        assert violation in li.get("/supervision/violations?state=lifted").text
        assert watch.console.post(wang, "/seconds/999999/confirm").status_code == 400


def test_similar_cases_stand_beside_a_case(watch: Watch) -> None:
    first = watch.case(kind="leak", dataset=watch.town.theirs)
    second = watch.case(kind="leak", dataset=watch.town.theirs)
    with watch.console.enter() as client:
        page = client.get(f"/supervision/cases/{second}").text
        assert f"/supervision/cases/{first}" in page.partition("Similar cases before")[2]
        listed = client.get("/supervision/cases", params={"kind": "leak"}).text
        assert f"/supervision/cases/{second}" in listed


def test_who_was_first_decides(watch: Watch) -> None:
    case = f"/supervision/cases/{watch.case()}"
    with watch.console.enter() as li, watch.console.enter("wang") as wang:
        decided = {"disposition": "unfounded"}
        late = watch.console.post(li, f"{case}/dispose", **decided)
        watch.console.press(wang, f"{case}/dispose", **decided)
        answer = watch.console.post(li, late.headers["location"], decision="sign")
        assert answer.status_code == 400
        assert "Somebody else was first: it is disposed by now." in answer.text


def test_bad_forms_are_refused_and_auditors_do_not_decide(watch: Watch) -> None:
    number, violation = watch.case(), watch.violation()
    case, attach = f"/supervision/cases/{number}", f"/supervision/attach/{number}"
    with watch.console.enter() as client:
        for path, form in (
            ("/supervision/cases/new", {"kind": "x", "severity": "2"}),
            ("/supervision/cases/new", {"kind": "leak", "severity": "2", "member": SCRIPT}),
            ("/supervision/cases/new", {"kind": "leak", "severity": "2", "dataset": SCRIPT}),
            ("/supervision/cases/new", {"kind": "leak", "severity": "2", "alerts": "1 x"}),
            (f"{case}/comment", {"text": " "}),
            (f"{case}/comment", {"text": "x" * 20_000}),
            (f"{case}/assign", {"member": SCRIPT}),
            (attach, {"kind": "alert", "what": "999999"}),
            (attach, {"kind": "file", "what": SCRIPT}),
            (attach, {"kind": "file"}),
            (f"{case}/dispose", {"disposition": SCRIPT}),
            (f"{case}/find", {"rule": SCRIPT, "gravity": "1"}),
            (f"/supervision/violations/{violation}/decide", {"outcome": SCRIPT}),
            (f"/supervision/violations/{violation}/burn", {}),
            ("/supervision/permits/issue", {"member": "health", "until": "soon"}),
            ("/supervision/permits/revoke", {"member": SCRIPT}),
            ("/supervision/feedback/answer", {"dataset": SCRIPT, "member": "health"}),
        ):
            answer = watch.console.post(client, path, **form)
            assert answer.status_code in (400, 404), (path, form)
            assert "<script>alert" not in answer.text
    with watch.console.enter("zhao") as auditor:
        page = auditor.get(case).text
        assert "/comment" in page
        assert "/dispose" not in page
        for path in (f"{case}/dispose", f"{case}/close", f"{case}/find", "/seconds/1/confirm",
                     f"/supervision/violations/{violation}/impose", "/supervision/permits/issue",
                     "/supervision/feedback/answer"):  # fmt: skip
            answer = watch.console.post(auditor, path, disposition="confirmed")
            assert answer.status_code == 403, path


# Violations


def test_who_imposed_a_measure_does_not_decide_the_appeal(watch: Watch) -> None:
    number = watch.violation()
    watch.act(watch.home, ("sanctions", "impose", {"violation": number}))
    appeal = {"violation": number, "envelope": None}
    watch.act(WATCHED, ("sanctions", "appeal", appeal))
    path = f"/supervision/violations/{number}"
    with watch.console.enter() as li, watch.console.enter("wang") as wang:
        page = li.get(path).text
        assert "Lift the measure" in page
        assert "Decide the appeal" not in page
        # a form that the page does not offer gets as far as the chain, which refuses it
        watch.console.press(li, f"{path}/decide", outcome="granted", text="It was another copy.")
        second = second_of(wang.get(path).text)
        asked = watch.console.post(wang, second, back=path)
        done = watch.console.post(wang, asked.headers["location"], decision="sign")
        assert "Final, and failed" in wang.get(done.headers["location"]).text
        watch.act(watch.home, ("operators", "drop", {"request": int(second.split("/")[2])}))
    assert watch.town.query("sanctions", "get", violation=number)["status"] == "appealed"
    watch.act(watch.home, ("sanctions", "lift", {"violation": number}))


@pytest.fixture(scope="module")
def voted(watch: Watch) -> Watch:
    """The network after a vote: another supervisor and registrar, and a statute."""
    watch.allow_use_by_law()
    return watch


def test_a_use_by_law_is_allowed_until_a_day_or_refused(voted: Watch) -> None:
    first, second = voted.use_by_law(), voted.use_by_law()
    path = "/exchange/authorisations"
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400))
    with voted.console.enter() as client:
        assert f'action="{path}/uses/{first}/review"' in client.get(path).text
        for wrong in ({"outcome": "allow"}, {"outcome": "allow", "notice": SCRIPT},
                      {"outcome": "allow", "notice": "2030-02-30"}, {}):  # fmt: skip
            answer = voted.console.post(client, f"{path}/uses/{first}/review", **wrong)
            assert answer.status_code == 400, wrong
            assert "<script>alert" not in answer.text
        voted.console.press(client, f"{path}/uses/{first}/review", outcome="allow", notice=day)
        voted.console.press(client, f"{path}/uses/{second}/review", outcome="refuse")
        assert f"/uses/{first}/review" not in client.get(path).text
        for act in ("uses/999999/review", "uses/999999/notified", "999999/tell", "999999/erase"):
            answer = voted.console.post(client, f"{path}/{act}", outcome="refuse")
            assert answer.status_code == 404, act
        assert voted.console.post(client, f"{path}/999999/look").status_code == 400
    with voted.console.enter("zhao") as auditor:
        for act in (f"uses/{first}/review", f"uses/{first}/notified", "1/look", "1/erase"):
            answer = voted.console.post(auditor, f"{path}/{act}", outcome="refuse")
            assert answer.status_code == 403, act
    own = {"statute": STATUTE, "dataset": voted.town.theirs, "purpose": "enforcement",
           "registrar": OTHER, "until": day}  # fmt: skip
    with voted.console.enter() as client:
        for wrong in ({"statute": SCRIPT}, {"until": "soon"}, {"dataset": ""},
                      {"until": "2030-02-30"}, {"until": ""}):  # fmt: skip
            answer = voted.console.post(client, f"{path}/uses", **{**own, **wrong})
            assert answer.status_code in (400, 404), wrong
            assert "<script>alert" not in answer.text
        voted.console.press(client, f"{path}/uses", **own)
        third = voted.town.query("subjects", "uses")[-1]
        assert (third["recipient"], third["status"]) == (voted.home, "asked")
        assert f"/uses/{third['id']}/review" not in client.get(path).text  # it is our own
    states = [voted.town.query("subjects", "use", use=each)["status"] for each in (first, second)]
    assert states == ["allowed", "refused"]


def test_an_appeal_succeeds_and_the_measure_is_taken_back(voted: Watch) -> None:
    number = voted.violation(OTHER)
    voted.act(OTHER, ("sanctions", "impose", {"violation": number}))
    voted.act(WATCHED, ("sanctions", "appeal", {"violation": number, "envelope": None}))
    path = f"/supervision/violations/{number}"
    with voted.console.enter() as li, voted.console.enter("wang") as wang:
        assert "Decide the appeal" in li.get(path).text
        voted.console.press(
            li, f"{path}/decide", outcome="granted", text=f"It was a backup. {SCRIPT}"
        )
        assert f"imposed by {OTHER}" in li.get(path).text  # one person has not decided
        voted.console.press(wang, second_of(wang.get(path).text), back=path)
        after = wang.get(f"{path}?read=1").text
        assert "overturned" in after
        assert "It was a backup. &lt;script&gt;" in after
        assert "Decide the appeal" not in after
        assert "Lift the measure" not in after
    found = voted.town.query("sanctions", "get", violation=number)
    assert (found["status"], found["decider"]) == ("overturned", voted.home)


@pytest.mark.parametrize("for_two", [False, True])
def test_what_was_said_with_a_decision_is_found(tmp_path: Path, for_two: bool) -> None:
    said, other = "ab" * 32, "cd" * 32

    def block(height: int, sender: str, *events: list[Any]) -> dict[str, Any]:
        rows = [[f"{height:064x}", sender, 0, [], list(events)]]
        return {"height": height, "digest": "", "time": height, "rows": rows}

    anchor = ["envelopes", "anchored", [said, "tax", ["tax"]]]
    decided = ["sanctions", "decided", [1, "city", "granted"]]
    index = Index(tmp_path / "trace.db", "chain")
    blocks = [block(1, "tax/li", ["envelopes", "anchored", [other, "tax", ["tax"]]],
                    ["operators", "prepared", [6, "tax", "li", "sanctions", "lift"]])]  # fmt: skip
    if for_two:
        prepared = ["operators", "prepared", [7, "tax", "li", "sanctions", "decide"]]
        confirmed = ["operators", "confirmed", [7, "tax", "li", "wang"]]
        blocks += [block(2, "tax/li", anchor, prepared), block(3, "tax/wang", confirmed, decided)]
    else:
        blocks.append(block(3, "tax", anchor, decided))
    for each in blocks:
        index.add(each, {"tax", "city"})
    [step] = index.trace("violation:1")
    assert said_with(index, step) == said
    index.close()


def test_the_rules_of_violations_say_who_may_do_what() -> None:
    row = {"member": "city", "status": "found", "imposer": None, "appeal": None, "appeal_until": 9}
    supervisor = {"roles": ["supervisor"], "tier": "local"}
    plain, central = {"roles": [], "tier": "local"}, {"roles": [], "tier": "central"}
    assert allowed(row, "tax", supervisor, 5) == {"impose", "dismiss"}
    assert allowed(row, "city", supervisor, 5) == set()
    imposed = {**row, "status": "imposed", "imposer": "tax"}
    assert allowed(imposed, "tax", supervisor, 5) == {"lift"}
    assert allowed(imposed, "city", plain, 9) == {"appeal"}
    assert allowed(imposed, "city", plain, 10) == set()
    assert allowed({**imposed, "appeal": [1, None]}, "city", plain, 5) == set()
    appealed = {**imposed, "status": "appealed", "appeal": [1, None]}
    assert allowed(appealed, "tax", supervisor, 5) == {"lift"}
    assert allowed(appealed, "land", supervisor, 5) == {"lift", "decide"}
    assert allowed(appealed, "land", central, 5) == {"decide"}
    assert allowed(appealed, "land", plain, 5) == set()


def test_the_ladder_rises_with_what_stands() -> None:
    ladder = {"rungs": [["notice", DAY_MS], ["warning", 2 * DAY_MS]], "window_ms": 100}
    row = {"gravity": 1}
    stands = {"status": "imposed", "from": 950}
    assert rung_of(ladder, row, [], 1_000) == ("notice", DAY_MS)
    assert rung_of(ladder, row, [stands], 1_000) == ("warning", 2 * DAY_MS)
    assert rung_of(ladder, row, [{**stands, "from": 900}], 1_000)[0] == "notice"
    assert rung_of(ladder, row, [{**stands, "status": "overturned"}], 1_000)[0] == "notice"
    assert rung_of(ladder, {"gravity": 4}, [stands], 1_000)[0] == "warning"


# Permits, opinions


def test_permits_are_given_and_ended(watch: Watch) -> None:
    purpose = watch.town.query("access", "rules")["purposes"][0]["name"]
    with watch.console.enter() as client:
        watch.console.press(client, "/supervision/permits/issue", member="land", until="2031-12-31",
                            **{f"scenario-{purpose}": "on"})  # fmt: skip
        page = client.get("/supervision/permits").text
        assert "in force" in page
        assert purpose in page
        watch.console.press(client, "/supervision/permits/revoke", member="land")
        assert "revoked" in client.get("/supervision/permits").text
    assert watch.town.query("permits", "get", member="land")["revoked"] is not None


def test_opinions_are_answered_with_a_sealed_text(watch: Watch) -> None:
    ours = watch.town.ours
    give = {"dataset": ours, "version": 1, "stars": 2, "topics": ["timeliness"], "envelope": None}
    watch.act("land", ("feedback", "give", give))
    with watch.console.enter() as client:
        assert "Answer</summary>" in client.get("/supervision/feedback").text
        watch.console.press(client, "/supervision/feedback/answer", dataset=ours, member="land",
                            version=1, text=f"It is mended {SCRIPT}")  # fmt: skip
        page = client.get("/supervision/feedback?read=1").text
        assert "Answered" in page
    given = watch.town.query("feedback", "list", dataset=ours)
    [answer] = [row["answer"] for row in given if row["member"] == "land"]
    assert answer[1] == 1
    parties = watch.town.query("envelopes", "get", id="hex:" + answer[2])["parties"]
    assert "land" in parties

"""Supervision by pages: alerts, cases, violations, permits, opinions, the time line."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from consensus.crypto import Signer
from contracts.system.sanctions import DAY_MS
from node.keys import find_keys, load_key
from node.network import load_genesis
from node.rpc.client import Client
from node.trace.index import Index
from node.transactions import sign_calls
from node.web.console.exchange import now_ms
from node.web.console.sanctions import allowed, rung_of, said_with
from tests.node.alliance import command
from tests.web.conftest import Console, Town
from tests.web.test_exchange import sign
from tests.web.test_proofs import check

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"
Call = tuple[str, str, dict[str, Any]]
WATCHED = "land"
"""Whom alerts, cases and measures are about: no other test's requests may be refused."""


OTHER = "health"
"""Who supervises too, by a vote, so that the console's member may decide what it imposed."""


YEAR_2100_MS = 4_102_444_800_000


@dataclass
class Watch:
    """A network whose members act by their own keys, without a command for each act."""

    town: Town
    signers: dict[tuple[str, str], Signer]

    @property
    def console(self) -> Console:
        return self.town.console

    @property
    def home(self) -> str:
        return self.console.member

    def act(self, member: str, *calls: Call, purpose: str = "member") -> list[Any]:
        """Sign calls with a member's key, wait until they are final; returns their events."""
        home = self.console.net.home(member)
        if (member, purpose) not in self.signers:
            path = next(iter(find_keys(home.keys, purpose).values()))
            secret = home.passphrase.read_text().strip()
            self.signers[member, purpose] = Signer(load_key(path, purpose, secret))
        sender = member if purpose == "member" else f"{member}/{purpose}"
        chain_id = load_genesis(home.genesis).genesis.chain_id
        with Client(self.console.home.socket) as client:
            made = sign_calls(client, chain_id, self.signers[member, purpose], sender, calls)
            client.call("tx.submit", tx=made.raw.hex())
            state = client.call("tx.wait", txid=made.txid.hex(), timeout_ms=20_000)
        assert state["code"] == 0, state
        return list(state["events"])

    def alert(
        self, detector: str, severity: int = 3, subject: str | None = None, member: str = WATCHED
    ) -> int:
        """The console's own node notices something about a member."""
        args = {"detector": detector, "member": member, "subject": subject,
                "severity": severity, "height": 1,
                "reasons": [["requests", 900, 150, 520], ["lag", 20, 310, -210]]}  # fmt: skip
        events = self.act(self.home, ("alerts", "raise", args), purpose="node")
        return int(events[0][2][0])

    def case(self, by: str = "", **given: Any) -> int:
        args = {"kind": "anomaly", "severity": 2, "member": WATCHED, "dataset": None,
                "grant": None, "alerts": [], "envelope": None, **given}  # fmt: skip
        return int(self.act(by or self.home, ("cases", "open", args))[0][2][0])

    def violation(self, by: str = "") -> int:
        """A violation that a supervisor, by default the console's member, has found."""
        case, who = self.case(by), by or self.home
        self.act(who, ("cases", "dispose", {"case": case, "disposition": "confirmed",
                                            "envelope": None}))  # fmt: skip
        args = {"member": WATCHED, "rule": "leak", "gravity": 1, "case": case,
                "envelope": None}  # fmt: skip
        return int(self.act(who, ("sanctions", "find", args))[0][2][0])

    def enact(self, *proposals: tuple[str, dict[str, Any]]) -> None:
        """Put changes to the vote; they hold once the epoch has ended."""
        calls = [("governance", "propose", {"kind": kind, "args": args})
                 for kind, args in proposals]  # fmt: skip
        numbers = [data[0] for _, name, data in self.act(self.home, *calls) if name == "proposed"]
        for member in (self.home, self.town.neighbour, WATCHED):
            self.act(member, *(("governance", "vote", {"proposal": each, "choice": "yes"})
                               for each in numbers))  # fmt: skip
        while any(self.town.query("governance", "get", proposal=each)["status"] != "executed"
                  for each in numbers):  # fmt: skip
            self.case()


@pytest.fixture(scope="session")
def watch(town: Town) -> Watch:
    return Watch(town, {})


def path_of(page: str, kind: str) -> str:
    """The path of a thing that a transaction's page names."""
    found = re.search(rf'href="(/supervision/{kind}/[0-9]+)"', page)
    assert found is not None, page
    return found[1]


def press(client: httpx.Client, path: str, csrf: str, **form: object) -> str:
    """Send a form and sign what it leads to; returns the transaction's page."""
    return sign(client, client.post(path, data={"csrf": csrf, **form}), csrf)


@contextmanager
def inside(watch: Watch, operator: str = "li", language: str = "en") -> Iterator[Any]:
    """A client that is logged in, and its token."""
    with watch.console.enter(operator, language) as client:
        yield client, watch.console.csrf(client)


# Alerts


def test_alerts_are_listed_by_gravity_and_narrowed_down(watch: Watch) -> None:
    mild, grave = watch.alert("rows", 2), watch.alert("bulk", 4, watch.town.theirs)
    with inside(watch) as (client, csrf):
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
        press(client, f"{path}/dispose", csrf, disposition="expected", case="")
        assert f"/alerts/{mild}" not in client.get("/supervision").text
        disposed = client.get("/supervision", params={"state": "disposed"}).text
        assert f"/alerts/{mild}" in disposed


def test_an_alert_says_why_in_words_and_draws_what_made_it(watch: Watch) -> None:
    watch.town.ask_for_ours()
    number = watch.alert("requests", member=watch.town.neighbour)
    with inside(watch) as (client, _):
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
    with inside(watch, language="zh-CN") as (client, _):
        assert "一天内的申请远多于通常" in client.get(f"/supervision/alerts/{number}").text


# Cases


def loaded(watch: Watch, client: httpx.Client, path: str) -> bytes:
    """A file whose proofs wait for the next block."""
    with ThreadPoolExecutor() as aside:
        answer = aside.submit(client.get, path, timeout=60)
        while not answer.done():
            watch.case()
    assert answer.result().status_code == 200, answer.result().text
    return bytes(answer.result().content)


def test_a_case_goes_from_alert_to_measure_with_two_operators(watch: Watch, tmp_path: Path) -> None:
    alert = watch.alert("denied", 3, watch.town.theirs)
    with inside(watch) as (li, csrf), inside(watch, "wang") as (wang, token):
        form = li.get(f"/supervision/cases/new?alert={alert}").text
        assert f'name="alerts" maxlength="200" value="{alert}"' in form
        page = press(li, "/supervision/cases/new", csrf, kind="anomaly", severity=3,
                     member=WATCHED, dataset=watch.town.theirs, alerts=alert,
                     text=f"Look at it {SCRIPT}")  # fmt: skip
        case = path_of(page, "cases")
        assert "A text that travels sealed." in li.get(case).text
        read = li.get(f"{case}?read=1").text
        assert "Look at it &lt;script&gt;" in read
        assert "<script>alert" not in read
        press(li, f"{case}/assign", csrf, member=watch.home, operator="wang")
        press(wang, f"{case}/comment", token, text="Whose copy is it?")
        attach = f"/supervision/attach/{case.rpartition('/')[2]}"
        press(li, attach, csrf, kind="alert", what=alert)
        press(li, attach, csrf, kind="file", what="ab" * 32, text="A list")
        chosen = {"file": (f"{SCRIPT}.csv", b"rows on a forum")}
        answer = li.post(attach, data={"csrf": csrf, "kind": "alert"}, files=chosen)
        assert f"file {SCRIPT}" not in li.get(answer.headers["location"]).text
        sign(li, answer, csrf)
        press(wang, f"{case}/dispose", token, disposition="confirmed", text="Theirs.")
        shown = li.get(f"{case}?read=1").text
        for words in ("Whose copy is it?", "A list", "Theirs.", f"to {watch.home}/wang",
                      "ab" * 32, hashlib.sha256(b"rows on a forum").hexdigest(),
                      "disposed: found true"):  # fmt: skip
            assert words in shown
        raised = re.search(r'alert <a class="mono" href="/tx/([0-9a-f]{64})"', shown)
        assert raised is not None
        assert "alerts.raise" in li.get(f"/tx/{raised[1]}").text

        page = press(li, f"{case}/find", csrf, rule="leak", gravity=2, text="Rows on a forum")
        violation = path_of(page, "violations")
        before = li.get(violation).text
        assert "The ladder would impose" in before
        assert "Rows on a forum" in li.get(f"{violation}?read=1").text
        press(li, f"{violation}/impose", csrf)
        waits = li.get(violation).text
        assert "Waits for a second person" in waits
        assert "Confirm</button>" not in waits  # not by who prepared it
        second = re.search(r'action="(/seconds/[0-9]+/confirm)"', wang.get(violation).text)
        assert second is not None
        asked = wang.post(second[1], data={"csrf": token, "back": violation})
        assert "sanctions.impose" in wang.get(asked.headers["location"]).text
        sign(wang, asked, token)
        after = wang.get(violation).text
        assert "imposed by tax" in after
        assert "Lift the measure" in after
        press(wang, f"/supervision/alerts/{alert}/dispose", token, disposition="confirmed",
              case=case.rpartition("/")[2])  # fmt: skip
        assert f'href="{case}"' in wang.get(f"/supervision/alerts/{alert}").text
        press(li, f"{case}/close", csrf)
        press(li, f"{case}/reopen", csrf)
        data = loaded(watch, li, f"{case}/export")
        checked = check(watch.console, li, data, "1.case").text
        assert "every step of the case is here with its receipt" in checked
        assert "cases.reopen" in checked
        assert "sanctions.impose" in checked or "operators.confirm" in checked
        file = tmp_path / "1.case"
        file.write_bytes(data)
        assert "proved" in command("verify", file, "--genesis", watch.console.home.genesis)
        press(li, f"{violation}/lift", csrf)
        [waiting] = [row for row in watch.town.query("operators", "requests", member=watch.home)
                     if row["method"] == "lift"]  # fmt: skip
        press(wang, f"/seconds/{waiting['id']}/confirm", token, back="//elsewhere")
        assert "lifted" in wang.get(violation).text
        assert violation in li.get("/supervision/violations?state=lifted").text
        assert wang.post("/seconds/999999/confirm", data={"csrf": token}).status_code == 400


def test_similar_cases_stand_beside_a_case(watch: Watch) -> None:
    first = watch.case(kind="leak", dataset=watch.town.theirs)
    second = watch.case(kind="leak", dataset=watch.town.theirs)
    with inside(watch) as (client, _):
        page = client.get(f"/supervision/cases/{second}").text
        assert f"/supervision/cases/{first}" in page.partition("Similar cases before")[2]
        listed = client.get("/supervision/cases", params={"kind": "leak"}).text
        assert f"/supervision/cases/{second}" in listed


def test_who_was_first_decides(watch: Watch) -> None:
    case = f"/supervision/cases/{watch.case()}"
    with inside(watch) as (li, csrf), inside(watch, "wang") as (wang, token):
        decided = {"disposition": "unfounded"}
        late = li.post(f"{case}/dispose", data={"csrf": csrf, **decided})
        press(wang, f"{case}/dispose", token, **decided)
        answer = li.post(late.headers["location"], data={"csrf": csrf, "decision": "sign"})
        assert answer.status_code == 400
        assert "Somebody else was first: it is disposed by now." in answer.text


def test_bad_forms_are_refused_and_auditors_do_not_decide(watch: Watch) -> None:
    number, violation = watch.case(), watch.violation()
    case, attach = f"/supervision/cases/{number}", f"/supervision/attach/{number}"
    with inside(watch) as (client, csrf):
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
            answer = client.post(path, data={"csrf": csrf, **form})
            assert answer.status_code in (400, 404), (path, form)
            assert "<script>alert" not in answer.text
    with inside(watch, "zhao") as (auditor, csrf):
        page = auditor.get(case).text
        assert "/comment" in page
        assert "/dispose" not in page
        for path in (f"{case}/dispose", f"{case}/close", f"{case}/find", "/seconds/1/confirm",
                     f"/supervision/violations/{violation}/impose", "/supervision/permits/issue",
                     "/supervision/feedback/answer"):  # fmt: skip
            answer = auditor.post(path, data={"csrf": csrf, "disposition": "confirmed"})
            assert answer.status_code == 403, path


# Violations


def test_who_imposed_a_measure_does_not_decide_the_appeal(watch: Watch) -> None:
    number = watch.violation()
    watch.act(watch.home, ("sanctions", "impose", {"violation": number}))
    appeal = {"violation": number, "envelope": None}
    watch.act(WATCHED, ("sanctions", "appeal", appeal))
    path = f"/supervision/violations/{number}"
    with inside(watch) as (li, csrf), inside(watch, "wang") as (wang, token):
        page = li.get(path).text
        assert "Lift the measure" in page
        assert "Decide the appeal" not in page
        # a form that the page does not offer gets as far as the chain, which refuses it
        press(li, f"{path}/decide", csrf, outcome="granted", text="It was another copy.")
        found = re.search(r'action="(/seconds/[0-9]+/confirm)"', wang.get(path).text)
        assert found is not None
        asked = wang.post(found[1], data={"csrf": token, "back": path})
        done = wang.post(asked.headers["location"], data={"csrf": token, "decision": "sign"})
        assert "Final, and failed" in wang.get(done.headers["location"]).text
        request = re.search("[0-9]+", found[1])
        assert request is not None
        watch.act(watch.home, ("operators", "drop", {"request": int(request[0])}))
    assert watch.town.query("sanctions", "get", violation=number)["status"] == "appealed"
    watch.act(watch.home, ("sanctions", "lift", {"violation": number}))


@pytest.fixture(scope="module")
def voted(watch: Watch) -> Watch:
    """The network after a vote: another supervisor and registrar, and a statute."""
    statute = {"statute": "audit-act-7", "digest": bytes(32), "until": YEAR_2100_MS,
               "notice_days": 3_650}  # fmt: skip
    watch.enact(
        ("change", {"member": OTHER, "roles": ["registrar", "supervisor", "validator"]}),
        ("statute", statute),
    )
    return watch


def use_by_law(voted: Watch) -> int:
    """Another member asks to use the neighbour's data by law."""
    args = {"statute": "audit-act-7", "dataset": voted.town.theirs, "purpose": "enforcement",
            "registrar": OTHER, "until": now_ms() + DAY_MS}  # fmt: skip
    return int(voted.act(WATCHED, ("subjects", "invoke", args))[0][2][0])


def test_a_use_by_law_is_allowed_until_a_day_or_refused(voted: Watch) -> None:
    first, second = use_by_law(voted), use_by_law(voted)
    path, day = (
        "/exchange/authorisations",
        time.strftime("%Y-%m-%d", time.gmtime(now_ms() // 1_000 + 30 * 86_400)),
    )
    with inside(voted) as (client, csrf):
        assert f'action="{path}/uses/{first}/review"' in client.get(path).text
        for wrong in ({"outcome": "allow"}, {"outcome": "allow", "notice": SCRIPT},
                      {"outcome": "allow", "notice": "2030-02-30"}, {}):  # fmt: skip
            answer = client.post(f"{path}/uses/{first}/review", data={"csrf": csrf, **wrong})
            assert answer.status_code == 400, wrong
            assert "<script>alert" not in answer.text
        press(client, f"{path}/uses/{first}/review", csrf, outcome="allow", notice=day)
        press(client, f"{path}/uses/{second}/review", csrf, outcome="refuse")
        assert f"/uses/{first}/review" not in client.get(path).text
        for act in ("uses/999999/review", "uses/999999/notified", "999999/tell", "999999/erase"):
            answer = client.post(f"{path}/{act}", data={"csrf": csrf, "outcome": "refuse"})
            assert answer.status_code == 404, act
        assert client.post(f"{path}/999999/look", data={"csrf": csrf}).status_code == 400
    with inside(voted, "zhao") as (auditor, csrf):
        for act in (f"uses/{first}/review", f"uses/{first}/notified", "1/look", "1/erase"):
            answer = auditor.post(f"{path}/{act}", data={"csrf": csrf, "outcome": "refuse"})
            assert answer.status_code == 403, act
    own = {"statute": "audit-act-7", "dataset": voted.town.theirs, "purpose": "enforcement",
           "registrar": OTHER, "until": day}  # fmt: skip
    with inside(voted) as (client, csrf):
        for wrong in ({"statute": SCRIPT}, {"until": "soon"}, {"dataset": ""},
                      {"until": "2030-02-30"}, {"until": ""}):  # fmt: skip
            answer = client.post(f"{path}/uses", data={"csrf": csrf, **own, **wrong})
            assert answer.status_code in (400, 404), wrong
            assert "<script>alert" not in answer.text
        press(client, f"{path}/uses", csrf, **own)
        third = voted.town.query("subjects", "uses")[-1]
        assert (third["recipient"], third["status"]) == (voted.home, "asked")
        assert f"/uses/{third['id']}/review" not in client.get(path).text  # it is our own
    states = [voted.town.query("subjects", "use", use=each)["status"] for each in (first, second)]
    assert states == ["allowed", "refused"]


def test_an_appeal_succeeds_and_the_measure_is_taken_back(voted: Watch) -> None:
    watch = voted
    number = watch.violation(OTHER)
    watch.act(OTHER, ("sanctions", "impose", {"violation": number}))
    watch.act(WATCHED, ("sanctions", "appeal", {"violation": number, "envelope": None}))
    path = f"/supervision/violations/{number}"
    with inside(watch) as (li, csrf), inside(watch, "wang") as (wang, token):
        assert "Decide the appeal" in li.get(path).text
        press(li, f"{path}/decide", csrf, outcome="granted", text=f"It was a backup. {SCRIPT}")
        assert f"imposed by {OTHER}" in li.get(path).text  # one person has not decided
        second = re.search(r'action="(/seconds/[0-9]+/confirm)"', wang.get(path).text)
        assert second is not None
        sign(wang, wang.post(second[1], data={"csrf": token, "back": path}), token)
        after = wang.get(f"{path}?read=1").text
        assert "overturned" in after
        assert "It was a backup. &lt;script&gt;" in after
        assert "Decide the appeal" not in after
        assert "Lift the measure" not in after
    found = watch.town.query("sanctions", "get", violation=number)
    assert (found["status"], found["decider"]) == ("overturned", watch.home)


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
    with inside(watch) as (client, csrf):
        press(client, "/supervision/permits/issue", csrf, member="land", until="2031-12-31",
              **{f"scenario-{purpose}": "on"})  # fmt: skip
        page = client.get("/supervision/permits").text
        assert "in force" in page
        assert purpose in page
        press(client, "/supervision/permits/revoke", csrf, member="land")
        assert "revoked" in client.get("/supervision/permits").text
    assert watch.town.query("permits", "get", member="land")["revoked"] is not None


def test_opinions_are_answered_with_a_sealed_text(watch: Watch) -> None:
    ours = watch.town.ours
    give = {"dataset": ours, "version": 1, "stars": 2, "topics": ["timeliness"], "envelope": None}
    watch.act("land", ("feedback", "give", give))
    with inside(watch) as (client, csrf):
        assert "Answer</summary>" in client.get("/supervision/feedback").text
        press(client, "/supervision/feedback/answer", csrf, dataset=ours, member="land", version=1,
              text=f"It is mended {SCRIPT}")  # fmt: skip
        page = client.get("/supervision/feedback?read=1").text
        assert "Answered" in page
    answer = watch.town.query("feedback", "list", dataset=ours)[0]["answer"]
    assert answer[1] == 1
    parties = watch.town.query("envelopes", "get", id="hex:" + answer[2])["parties"]
    assert "land" in parties


# The time line


def test_a_life_is_told_with_who_what_when_and_proof(watch: Watch) -> None:
    number = watch.town.ask_for_ours()
    with inside(watch) as (client, _):
        page = _traced(client, kind="grant", id=number)
        assert "data was asked for" in page
        assert "Rule <code>" in page
        assert re.search(r'href="/tx/[0-9a-f]{64}"', page)
        assert 'href="/blocks/' in page
        assert f"/data/{watch.town.ours}" in page
        page = _traced(client, kind="record", id=watch.town.ours, row=1)
        assert "a version was registered" in page
        assert "/trace/export/prov?id=" in page
        page = _traced(client, kind="dataset", id=watch.town.ours, by=watch.town.neighbour)
        assert "a version was registered" not in page
        first = _traced(client, kind="dataset", id=watch.town.ours)
        last = _traced(client, kind="dataset", id=watch.town.ours, order="latest")
        assert _heights(first) == _heights(last)[::-1]
        page = _traced(client, kind="dataset", id=watch.town.ours, until="2020-01-01", status=400)
        assert "The chain tells nothing of" in page
        for wrong in ({"kind": SCRIPT}, {"id": SCRIPT}, {"since": SCRIPT}, {"page": "9999"},
                      {"kind": "record", "row": "77"}, {"until": "9999-12-31"}):  # fmt: skip
            asked = {"kind": "dataset", "id": watch.town.ours, **wrong}
            answer = client.get("/trace", params=asked)
            assert answer.status_code == 400, wrong
            assert "<script>alert" not in answer.text


def _traced(client: httpx.Client, status: int = 200, **asked: object) -> str:
    answer = client.get("/trace", params={name: str(value) for name, value in asked.items()})
    assert answer.status_code == status, answer.text
    return answer.text


def _heights(page: str) -> list[str]:
    return re.findall(r'Proof: <a href="/blocks/([0-9]+)"', page)


def test_lineage_is_exported_for_other_tools(watch: Watch) -> None:
    with inside(watch) as (client, _):
        asked = {"id": watch.town.ours}
        document = client.get("/trace/export/prov", params=asked).json()
        assert any(watch.town.ours in name for name in document["entity"])
        events = client.get("/trace/export/openlineage", params=asked)
        assert events.headers["content-type"] == "application/x-ndjson"
        assert events.text.count("\n") >= 1
        for path, name in (("prov", "x/y"), ("prov", SCRIPT), ("csv", watch.town.ours)):
            answer = client.get(f"/trace/export/{path}", params={"id": name})
            assert answer.status_code in (400, 404)
            assert "<script>alert" not in answer.text


def test_who_read_a_dataset_is_asked_by_the_desk(watch: Watch) -> None:
    with inside(watch) as (client, csrf):
        assert "Ask who read it" in _traced(client, kind="dataset", id=watch.town.ours)
        page = _answered(client, "/trace/logs", {"csrf": csrf, "dataset": watch.town.ours})
        assert "All logs are verified." in page
        assert f"<td>{watch.home}</td>" in page
        for dataset in (SCRIPT, ""):
            answer = client.post("/trace/logs", data={"csrf": csrf, "dataset": dataset})
            assert answer.status_code == 400
        for job in ("x", "0" * 16):
            assert client.get(f"/trace/logs/{job}").status_code in (400, 404)


def test_a_records_row_is_found_by_a_value_in_the_own_vault(watch: Watch) -> None:
    ours = watch.town.ours
    with inside(watch) as (client, csrf):
        assert "Find the row by a value" in _traced(client, 400, kind="record", id=ours)
        form = {"csrf": csrf, "dataset": ours, "field": "city", "value": "Shanghai"}
        page = _answered(client, "/trace/row", form)
        assert "1 record has this value." in page
        assert "row=2" in page
        assert "0 records have this value." in _answered(
            client, "/trace/row", {**form, "value": SCRIPT}
        )
        assert "no field" in _answered(client, "/trace/row", {**form, "field": "nothing"})
        logs = _answered(client, "/trace/logs", {"csrf": csrf, "dataset": ours})
        assert "trace record by city" in logs
        assert "<td>li</td>" in logs
        for wrong in ({"dataset": watch.town.theirs}, {"value": ""}, {"dataset": SCRIPT}):
            assert client.post("/trace/row", data={**form, **wrong}).status_code == 400


def _answered(client: httpx.Client, path: str, form: dict[str, str]) -> str:
    """What the desk says in the end to a question that a form asks."""
    asked = client.post(path, data=form)
    assert asked.status_code == 303, asked.text
    page = client.get(asked.headers["location"]).text
    while "data-waits" in page:
        page = client.get(asked.headers["location"]).text
    return page

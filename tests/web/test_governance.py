"""Government by pages: proposals and votes, members, parameters, contracts, operators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.data.rules import shipped
from node.network import to_json
from node.provision import make_home
from node.rpc.client import Client
from tests.node.alliance import command
from tests.web.conftest import PASSPHRASE, Console, Town, needs_browser, sign
from tests.web.looking import visitor
from tests.web.watch import Watch

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
SOURCE = f'''"""Keeps a note. {SCRIPT}"""

def note(text):
    """Keep a text. {SCRIPT}"""
    state.put("note/" + ctx.sender, text)
    emit("noted", [ctx.sender])

method(note, text = text(256))
'''


@pytest.fixture
def li(console: Console) -> Iterator[httpx.Client]:
    with console.enter() as client:
        yield client


def put_forward(console: Console, client: httpx.Client, path: str, **form: str) -> int:
    """Sign a proposal by a form; returns its number."""
    console.press(client, path, **form)
    number: int = console.query("governance", "list")[0]["id"]
    return number


def put_document(
    console: Console, client: httpx.Client, kind: str, document: Any, **form: str
) -> httpx.Response:
    """Post a document as the form's file; text stays as it is."""
    data = document if isinstance(document, bytes) else json.dumps(document, indent=1).encode()
    return client.post(f"/governance/propose/{kind}", files={"file": ("given.json", data)},
                       data={"csrf": console.csrf(client), **form})  # fmt: skip


def act(console: Console, client: httpx.Client, number: int, act: str, **form: str) -> None:
    console.press(client, f"/governance/proposals/{number}/{act}", **form)


@pytest.fixture(scope="module")
def deployed(town: Town) -> int:
    """The contracts `noted`, with script wherever it goes, and `poll`; the number of the first."""
    watch, console = Watch(town), town.console
    with console.enter() as client:
        number = put_forward(console, client, "/governance/contracts", name="noted", title=SCRIPT,
                             source=SOURCE)  # fmt: skip
    watch.carry(number)
    watch.deploy_polls()
    return number


def test_a_parameter_is_proposed_voted_on_and_the_proposal_withdrawn(
    console: Console, li: httpx.Client
) -> None:
    page = li.get("/governance/parameters").text
    assert "after how long without transactions an empty block is made" in page
    number = put_forward(console, li, "/governance/parameters", idle_ms="9000")
    proposal = f"/governance/proposals/{number}"
    assert proposal in li.get("/governance").text
    assert "The vote of this member is missing." in li.get("/governance").text
    page = li.get(proposal).text
    assert page.index("10000") < page.index("9000")  # before, after
    assert page.count("missing so far") == 4
    with console.enter("wang") as wang:
        csrf = console.csrf(wang)
        late = wang.post(f"{proposal}/vote", data={"csrf": csrf, "choice": "no"})
        act(console, li, number, "vote", choice="yes")
        told = wang.post(late.headers["location"], data={"csrf": csrf, "decision": "sign"})
        assert (told.status_code, "somebody has voted" in told.text) == (400, True)
        assert "Vote against it" not in wang.get(proposal).text
    assert li.get(proposal).text.count("missing so far") == 3
    act(console, li, number, "withdraw")
    assert console.query("governance", "get", proposal=number)["status"] == "withdrawn"


def test_bad_forms_are_refused_with_a_sentence(console: Console, li: httpx.Client) -> None:
    csrf = console.csrf(li)
    for bad in ({"idle_ms": "x"}, {"idle_ms": "-5"}, {"idle_ms": "9" * 20}, {"idle_ms": SCRIPT},
                {"fault_model": "none"}, {}, {"max_block_gas": "10000"}):  # fmt: skip
        answer = li.post("/governance/parameters", data={"csrf": csrf, **bad})
        assert answer.status_code == 400, bad
        assert 'role="alert"' in answer.text
        assert "<script>alert" not in answer.text
    for path, form in (
        ("/governance/contracts", {"name": "Rota", "source": "x"}),
        ("/governance/contracts", {"name": "rota", "source": ""}),
        ("/governance/contracts", {"name": "rota", "source": "x" * 70_000}),
        ("/governance/operators", {"card": SCRIPT, "duty-admin": "on"}),
        ("/governance/operators", {"card": '{"operator": "x", "key": "zz", "proof": ""}'}),
        ("/governance/operators", {"card": '{"operator": "x", "key": "00", "proof": "00"}'}),
        ("/governance/operators/wang/train", {"trained_until": "tomorrow"}),
        ("/governance/members/civil/change", {"tier": "local", "parent": "health",
                                              "role-validator": "on"}),
    ):  # fmt: skip
        answer = li.post(path, data={"csrf": csrf, **form})
        assert answer.status_code == 400, (path, form)
        assert "<script>alert" not in answer.text
    for path in ("/governance/proposals/999999", "/governance/members/nobody",
                 "/governance/contracts/nothing"):  # fmt: skip
        assert li.get(path).status_code == 404, path
    for path in (f"proposals/{'9' * 40}", "members/%3Cscript%3E", "contracts/%3Cscript%3E",
                 "contracts?after=<x>"):  # fmt: skip
        answer = li.get(f"/governance/{path}")
        assert 400 <= answer.status_code < 500, path
        assert "<script>" not in answer.text


def test_tables_are_put_to_the_vote_as_documents(console: Console, li: httpx.Client) -> None:
    assert "/governance/propose/access" in li.get("/governance").text
    table = console.query("access", "rules")
    page = li.get("/governance/propose/access").text
    assert f"&#34;version&#34;: {table['version'] + 1}" in page  # what holds now, as the next one
    table |= {"version": table["version"] + 1, "review_ms": 2 * table["review_ms"]}
    table["purposes"][0]["k"] = 7
    csrf = console.csrf(li)
    answer = put_document(console, li, "access", table)
    told = li.get(answer.headers["location"]).text  # before it is signed
    assert "purposes.audit.k" in told
    assert "0 → 7" in told
    sign(li, answer, csrf)
    number = console.query("governance", "list")[0]["id"]
    assert console.query("governance", "get", proposal=number)["args"]["rules"] == table
    act(console, li, number, "withdraw")
    limits = console.query("deliveries", "limits") | {"misses": 31}
    ladder = console.query("sanctions", "ladder")
    ladder["rungs"][0] = ["warning", 86_400_000]
    for kind, document in (("deliveries", limits), ("ladder", ladder)):
        text = json.dumps(document, indent=2).replace("\n", "\r\n")  # as browsers send it
        number = put_forward(console, li, f"/governance/propose/{kind}", document=text)
        found = console.query("governance", "get", proposal=number)
        assert (found["kind"], found["args"]) == (kind, document)
        act(console, li, number, "withdraw")


def test_a_wrong_document_is_told_by_line_and_field(console: Console, li: httpx.Client) -> None:
    table = console.query("access", "rules")
    table["version"] += 1
    wrong = json.loads(json.dumps(table))
    wrong["bases"][1]["level"] = 9
    lines = json.dumps(wrong, indent=1).splitlines()
    place = lines.index('   "level": 9,') + 1
    for kind, document, told in (
        ("access", wrong, f"Line {place}: wrong argument: rules.bases[1].level"),
        ("access", table, "Nothing is to be changed"),
        ("access", b'{"version": 2,\n "purposes": [}', "at line 2, column 15"),
        ("access", {SCRIPT: SCRIPT}, "must be a map of"),
        ("access", b'{"version": \xff}', "not text in UTF-8"),
        ("access", b"[" * 60_000, "not JSON"),
        ("access", b"[1]", "has to be a map"),
        ("access", b'{"version": ' + b"9" * 5_000 + b"}", "not JSON"),
        ("access", b" " * 140_000, "at most"),
        ("ladder", {"rungs": [["warning", 1.5]], "window_ms": 0, "appeal_ms": 0}, "rungs"),
        ("deliveries", {"misses": 3}, "missing"),
        ("deliveries", {**console.query("deliveries", "limits"), SCRIPT: 1}, "unknown argument"),
        ("pack", {"version": 2}, "must be a map of"),
        ("pack", SCRIPT.encode(), "not JSON"),
        ("rotate", {"name": "tax"}, "not a valid card"),
        ("rotate", b"x", "no card"),
    ):
        answer = put_document(console, li, kind, document)
        assert (answer.status_code, told in answer.text) == (400, True), (kind, told, answer.text)
        assert 'role="alert"' in answer.text
        assert "<script>alert" not in answer.text
    csrf = console.csrf(li)
    for kind, form in (
        ("version", {"version": "x"}), ("version", {"version": "0"}), ("version", {}),
        ("rule", {"kind": "admit", "share": "50", "window": "1", "window-unit": "days"}),
        ("rule", {"kind": "admit", "share": "6e9", "window": "1", "window-unit": "days"}),
        ("rule", {"kind": "admit", "share": "66.67", "window": "1", "window-unit": "years"}),
        ("statute", {"statute": "law-1", "until": "2030-02-30", "notice": "3"}),
        ("statute", {"statute": SCRIPT, "until": "2030-02-03", "notice": "3"}),
    ):  # fmt: skip
        answer = li.post(f"/governance/propose/{kind}", data={"csrf": csrf, **form})
        assert answer.status_code == 400, (kind, form)
    assert li.get("/governance/propose/deploy").status_code == 404
    for digest in ("0" * 64, "..%2f..%2fsettings.toml", "%2e%2e"):
        assert 400 <= li.get(f"/governance/packs/{digest}").status_code < 500, digest


def test_small_forms_are_put_to_the_vote(
    console: Console, li: httpx.Client, tmp_path: Path
) -> None:
    listen = "/ip4/127.0.0.1/tcp/4998"
    home, card, _ = make_home(tmp_path / "land", "land", "a passphrase", (listen,), (listen,))
    law = b"Article 1. \xd0"  # not text: any file can be a law's
    csrf = console.csrf(li)
    for kind, form, file, args in (
        ("version", {"version": "2", "height": "500000"}, b"", {"version": 2, "height": 500_000}),
        ("rule", {"kind": "admit", "share": "75,5", "window": "9", "window-unit": "days"}, b"",
         {"kind": "admit", "threshold_bp": 7_550, "window_ms": 777_600_000}),
        ("statute", {"statute": "law-1", "until": "2030-12-31", "notice": "90"}, law,
         {"statute": "law-1", "digest": sha256(law).hexdigest(), "notice_days": 90,
          "until": 1_924_991_999_999}),
        ("rotate", {}, home.card.read_bytes(), {"card": to_json(card.to_value())}),
    ):  # fmt: skip
        answer = li.post(f"/governance/propose/{kind}", data={"csrf": csrf, **form},
                         files={"file": ("given", file)})  # fmt: skip
        sign(li, answer, csrf)
        number = console.query("governance", "list")[0]["id"]
        assert console.query("governance", "get", proposal=number)["args"] == args, kind
        act(console, li, number, "withdraw")
    assert "There is no such statute" in li.get("/governance/propose/statute?statute=law-2").text


def test_a_pack_is_put_to_the_vote_and_handed_on(console: Console, li: httpx.Client) -> None:
    page = "/governance/propose/pack"
    pack = json.loads(shipped().data) | {"version": 77}
    csrf = console.csrf(li)
    answer = put_document(console, li, "pack", pack)
    sign(li, answer, csrf)
    number = console.query("governance", "list")[0]["id"]
    digest = console.query("governance", "get", proposal=number)["args"]["digest"]
    handed = li.get(f"/governance/packs/{digest}")
    assert (sha256(handed.content).hexdigest(), handed.json()) == (digest, pack)
    assert f"/governance/packs/{digest}" in li.get(f"/governance/proposals/{number}").text
    act(console, li, number, "withdraw")
    answer = put_document(console, li, "pack", pack | {"version": 78}, keep="1")
    assert answer.headers["location"] == page


def test_a_contract_is_deployed_shown_safely_and_changed(
    console: Console, li: httpx.Client, deployed: int
) -> None:
    page = "/governance/contracts/noted"
    assert page in li.get("/governance/contracts").text
    for path in ("/governance/contracts", page, "/governance",
                 f"/governance/proposals/{deployed}"):  # fmt: skip
        text = li.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;" in li.get(page).text
    assert "noted.note" in li.get(page).text
    upgraded = put_forward(console, li, f"{page}/upgrade", source=SOURCE.replace("256", "512"))
    text = li.get(f"/governance/proposals/{upgraded}").text
    assert '<span class="gone">-method(note, text = text(256))</span>' in text
    act(console, li, upgraded, "withdraw")
    assert "Retire it" in li.get(page).text


def test_a_poll_is_voted_in_shown_and_closed(
    console: Console, li: httpx.Client, deployed: int
) -> None:
    csrf, page = console.csrf(li), "/governance/polls/rule-7"
    form = {"csrf": csrf, "poll": "rule-7", "choices": "3", "to-tax": "on", "quorum": "50",
            "votes": "5", "votes-unit": "seconds", "shown": "1", "shown-unit": "hours"}  # fmt: skip
    file = {"file": ("rule.pdf", b"%PDF")}
    for bad in ({"choices": "1"}, {"choices": "33"}, {"quorum": "101"}, {"poll": SCRIPT},
                {"registrar": SCRIPT}, {"shown": "0"}, {"to-tax": ""}):  # fmt: skip
        given = {name: value for name, value in {**form, **bad}.items() if value}
        answer = li.post("/governance/new-poll", data=given, files=file)
        assert (answer.status_code, "<script>alert" in answer.text) == (400, False), bad
    assert li.post("/governance/new-poll", data=form).status_code == 400  # about nothing
    sign(li, li.post("/governance/new-poll", data=form, files=file), csrf)
    found = console.query("poll", "poll", poll="rule-7")
    until_ms = found["votes_until"]
    assert (found["question"], found["voters"]) == (sha256(b"%PDF").hexdigest(), 1)
    assert (found["quorum"], found["shown_until"] - until_ms) == (5_000, 3_600_000)
    assert li.get("/governance/polls", params={"poll": "rule-7"}).headers["location"] == page
    for bad in ("3", "-1", "x", ""):
        answer = li.post(f"{page}/vote", data={"csrf": csrf, "choice": bad})
        assert answer.status_code == 400, bad
    early = li.post(f"{page}/show", data={"csrf": csrf})
    assert (early.status_code, "once no more are taken" in early.text) == (400, True)
    sign(li, li.post(f"{page}/vote", data={"csrf": csrf, "choice": "1"}), csrf)
    assert "not shown yet" in li.get(page).text
    other = li.post(f"{page}/vote", data={"csrf": csrf, "choice": "2"})
    assert (other.status_code, "cannot be changed" in other.text) == (400, True)

    def is_over() -> bool:
        with Client(console.home.socket) as client:
            block = client.call("block.get", height="latest")
        return bool(block["timestamp"] >= until_ms)

    while not is_over():
        console.make_block()
    for step in ("show", "close"):
        sign(li, li.post(f"{page}/{step}", data={"csrf": csrf}), csrf)
    found = console.query("poll", "poll", poll="rule-7")
    assert (found["tally"], found["result"]["choice"]) == ([0, 1, 0], 1)
    assert "choice 1" in li.get(page).text
    for nothing in ("nothing", "%3Cscript%3E", "x" * 200):
        assert 400 <= li.get(f"/governance/polls/{nothing}").status_code < 500


def test_the_ledgers_own_contracts_are_documented(li: httpx.Client) -> None:
    listed = li.get("/governance/contracts").text
    assert "/governance/contracts/dispatch" in listed
    page = li.get("/governance/contracts/dispatch").text
    for told in ("dispatch.issue", "an integer from 0 to 100", "escalated", "Duties: dispatcher"):
        assert told in page, told
    page = li.get("/governance/contracts/dispatch", headers={"accept-language": "zh"}).text
    assert "dispatch.issue" in page
    for told in ("下发指令或通知。", "须为 0 到 100 的整数", "指令沿成员的上下级向下传达"):
        assert told in page, told


def test_members_stand_in_a_tree_with_keys_and_operators(
    console: Console, li: httpx.Client
) -> None:
    tree = li.get("/governance/members").text
    assert tree.index(">tax</a>") < tree.index(">health</a>") < tree.index(">civil</a>")
    page = li.get("/governance/members/tax").text
    record = console.query("members", "get", name="tax")
    for shown in (record["voting_key"], "li", "dispatcher"):
        assert shown in page
    number = put_forward(console, li, "/governance/members/civil/change", tier="local",
                         parent="tax", **{"role-validator": "on"})  # fmt: skip
    assert console.query("governance", "get", proposal=number)["args"] == {
        "member": "civil", "parent": "tax",
    }  # fmt: skip
    act(console, li, number, "withdraw")
    number = put_forward(console, li, "/governance/members/land/suspend")
    assert "suspended" in li.get(f"/governance/proposals/{number}").text
    act(console, li, number, "withdraw")


def test_a_new_member_is_put_to_the_vote_by_its_card(
    console: Console, li: httpx.Client, tmp_path: Path
) -> None:
    listen = "/ip4/127.0.0.1/tcp/4999"
    home, card, _ = make_home(tmp_path / "water", "water", "a passphrase", (listen,), (listen,))
    number = put_forward(console, li, "/governance/members", card=home.card.read_text(),
                         tier="local", parent="health", **{"role-observer": "on"})  # fmt: skip
    page = li.get(f"/governance/proposals/{number}").text
    assert "water" in page
    assert card.voting_key.hex() in page
    act(console, li, number, "withdraw")
    csrf = console.csrf(li)
    for bad in ("", "[" * 5_000, "{}", '{"name": "water"}', SCRIPT):
        answer = li.post("/governance/members", data={"csrf": csrf, "card": bad, "tier": "local"})
        assert answer.status_code == 400, bad
        assert "<script>alert" not in answer.text


def test_duties_are_granted_by_two_renewed_and_revoked(
    console: Console, li: httpx.Client, tmp_path: Any
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    command("operator", "new", "sun", "--home", console.home.path, "--passphrase-file", secret)
    card = (console.home.operators / "sun.json").read_text()
    csrf = console.csrf(li)
    assert "sun" in li.get("/governance/operators").text
    form = {"csrf": csrf, "card": card, "duty-auditor": "on", "duty-steward": "on",
            "trained_until": "2030-01-01", "confidential_until": "2030-01-01"}  # fmt: skip
    sign(li, li.post("/governance/operators", data=form), csrf)
    row = console.query("operators", "requests", member="tax")[-1]
    confirm = f"/seconds/{row['id']}/confirm"
    assert confirm not in li.get("/governance/operators").text  # nobody is two persons
    with console.enter("wang") as wang:
        assert confirm in wang.get("/governance/operators").text
        assert "Grant duties" not in wang.get("/governance/operators").text
        token = console.csrf(wang)
        for path in ("/governance/operators", "/governance/operators/sun/revoke"):
            assert wang.post(path, data={"csrf": token}).status_code == 403
        back = {"csrf": token, "back": "/governance/operators"}
        sign(wang, wang.post(confirm, data=back), token)
    found = console.query("operators", "get", member="tax", operator="sun")
    assert found["duties"] == ["auditor", "steward"]
    terms = {"csrf": csrf, "trained_until": "2032-02-29", "confidential_until": ""}
    sign(li, li.post("/governance/operators/sun/train", data=terms), csrf)
    found = console.query("operators", "get", member="tax", operator="sun")
    assert (found["trained_until"], found["confidential_until"]) == (1_961_711_999_999, 0)
    sign(li, li.post("/governance/operators/sun/revoke", data={"csrf": csrf}), csrf)
    found = console.query("operators", "get", member="tax", operator="sun")
    assert found["status"] == "revoked"


def test_auditors_read_and_do_nothing(console: Console) -> None:
    with console.enter("zhao") as zhao:
        csrf = console.csrf(zhao)
        for path in ("/governance", "/governance/parameters", "/governance/contracts",
                     "/governance/members/tax", "/governance/operators",
                     "/governance/propose/access", "/governance/polls"):  # fmt: skip
            text = zhao.get(path).text
            assert "Show what is signed" not in text, path
            assert "to the vote</button>" not in text, path
        for path in ("/governance/parameters", "/governance/contracts",
                     "/governance/contracts/dispatch/retire", "/governance/members/civil/expel",
                     "/governance/proposals/1/vote", "/governance/propose/access",
                     "/governance/new-poll"):  # fmt: skip
            assert zhao.post(path, data={"csrf": csrf}).status_code == 403, path


@needs_browser
def test_a_vote_is_given_by_mouse(browser: Any, console: Console, li: httpx.Client) -> None:
    number = put_forward(console, li, "/governance/parameters", max_calls="50")
    page = visitor(browser, console, "en-GB")
    page.goto(f"{console.address}/governance/proposals/{number}")
    page.get_by_role("button", name="Vote against it").click()
    page.get_by_role("button", name="Sign and send").click()
    page.wait_for_selector(".badge.good")
    page.get_by_role("link", name="Go on").click()
    page.wait_for_selector("td:has-text('tax') + td:has-text('no')")
    page.context.close()
    act(console, li, number, "withdraw")

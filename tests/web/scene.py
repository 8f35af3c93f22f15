"""Something on every page of a console and its portal, for those who look at all of them."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from node.data.inbox import Intake
from node.exchange import letter
from node.exchange.letter import LetterBox
from node.publish import remarks
from tests.node.alliance import command
from tests.web.conftest import Console, Town, standard_of
from tests.web.open_data import publish_trees
from tests.web.test_deliveries import granted, serving
from tests.web.test_dispatch import ORDER, issue
from tests.web.test_exchange import FORM
from tests.web.test_governance import put_forward
from tests.web.test_portal import ANSWER, a_letter
from tests.web.watch import WATCHED, Watch

FIELDS = (("code", "identifier", 1), ("fee", "amount", 2), ("note", "text", 1), ("seal", "date", 4))
REFUSED = [["A1", "10", "fine", "2024-01-01"], ["A2", "ten", "two words", "2024-01-02"],
           ["A3", "3", "所附材料不完整，等待补正", "not a day"]]  # fmt: skip
TITLE = "企业登记与纳税信用季度汇总表（含分支机构和历史变更记录）"
STATE = {"owner", "height", "time", "latest", "status"}
"""What the catalogue says of a dataset beyond what was registered."""
WORDS = "Check the dikes on both banks. 请于今日十八时前完成堤防巡查并上报。"


@dataclass(frozen=True)
class Scene:
    """What there is: words for the places of paths, and files that are checked."""

    console: Console
    token: str
    signing: Mapping[str, str]
    words: Mapping[str, object]
    receipt: bytes
    code: str


@contextmanager
def scene_of(town: Town, folder: Path) -> Iterator[Scene]:
    """Make one with the operator li, who has all duties but the auditor's."""
    watch, console = Watch(town), town.console
    with console.enter() as client:
        words = {"member": town.console.member, "neighbour": town.neighbour}
        words |= _data(town, watch, client, folder)
        words |= _exchange(town, client)
        words |= _supervision(watch, client)
        words |= _dispatch(watch, client)
        words |= _government(watch, client)
        words |= _evidence(town, client)
        box = LetterBox(console.home.letters, bytes(32))
        box.open()
        sealed, code = a_letter()
        box.answer(letter.hand_in(console.home.letters, sealed), ANSWER)
        receipt = client.get(f"/tx/{words['txid']}/receipt").content
        yield Scene(
            console, client.cookies["muniment"], _signing(town, client), words, receipt, code
        )


def _post(town: Town, client: httpx.Client, path: str, **form: str) -> str:
    """Send a form; returns where it leads."""
    answer = town.console.post(client, path, **form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _data(town: Town, watch: Watch, client: httpx.Client, folder: Path) -> dict[str, object]:
    """A source that refuses records, a file of an outsider, two versions, and open data."""
    member, home = town.console.member, town.console.home
    standard, file = folder / "crate.json", folder / "crates.csv"
    standard.write_text(standard_of(f"{member}/crate", TITLE, FIELDS))
    with file.open("w", newline="") as target:
        csv.writer(target).writerows([[name for name, _, _ in FIELDS], *REFUSED])
    town.at(member, "standard", "publish", standard)
    declared = (f"standard={member}/crate", f"title={TITLE}", "key=code")
    command("source", "add", "crate-fees", "--home", home.path, "kind=file", f"path={file}",
            *declared)  # fmt: skip
    command("source", "add", "letters-in", "--home", home.path, "kind=inbox", *declared)
    token = command("inbox", "invite", "outsider", "letters-in", "--home", home.path).strip()
    intake = Intake(home)
    arrival = intake.begin(intake.sender_of(token), "2024 年第三季度企业申报表（补充）.csv")
    arrival.add(b"code,fee,note,seal\nC1,5,ok,2024-01-01\n")
    arrival.complete()
    source = "/data/sources/crate-fees"
    _post(town, client, f"{source}/run")
    town.console.await_jobs()
    town.console.press(client, f"{source}/register")
    client.get(source)  # sees that it is registered
    with file.open("a", newline="") as target:
        csv.writer(target).writerow(["A4", "12.50", "补正后重新提交", "2024-02-01"])
    _post(town, client, f"{source}/run")  # what this one made waits

    table = folder / "stores.csv"
    for cities in ("Beijing,10\nTianjin,20\n", "Beijing,11\nTianjin,20\nShanghai,30\n"):
        table.write_text("city,income\n" + cities)
        done = town.at(member, "dataset", "register", table, "--standard", f"{member}/firm",
                       "--title", TITLE, "--keyword", "纳税信用")  # fmt: skip
    stores = f"{member}/stores"
    _derive(watch, stores, [town.ours, town.theirs])
    publish_trees(home)
    remarks.hand_in(home.open, f"{member}/trees", "The heights are wrong, " * 20, "Somebody")
    town.console.await_jobs()
    _post(town, client, f"/data/{stores}/compare", old="1", new="2")
    town.console.await_jobs()
    return {"txid": done["txid"], "block": done["height"]}


def _derive(watch: Watch, like: str, sources: list[str]) -> None:
    """Register what was made of others, and is otherwise like a dataset."""
    known = watch.town.query("catalogue", "get", dataset=like)
    name, version, digest = known["standard"]
    given = {key: known[key] for key in known.keys() - STATE} | {
        "dataset": f"{watch.home}/summary", "version": 1,
        "standard": [name, version, bytes.fromhex(digest)],
        "commitment": bytes.fromhex(known["commitment"]),
        "derived_from": [{"dataset": each, "version": 1, "process": "sum"} for each in sources],
    }  # fmt: skip
    watch.act(watch.home, ("catalogue", "register", given))


def _exchange(town: Town, client: httpx.Client) -> dict[str, object]:
    """Requests in both directions, grants, a delivery, and what waits for a second person."""
    member = town.console.member
    given, waiting = town.ask_for_ours(), town.ask_for_ours()
    town.at(member, "request", "approve", given)
    town.at(member, "operator", "prepare", "catalogue", "destroy", f"dataset={town.ours}",
            "version=1", "rows=[1]")  # fmt: skip
    fetched = granted(client, town)
    asked = granted(client, town, **{"field-1": "on"}, text="For the plan. 用于年度规划。")
    with serving(town.console, town.neighbour):
        _post(town, client, f"/exchange/grants/{fetched}/fetch")
        town.console.await_jobs()
    (delivery,) = town.query("deliveries", "of", grant=fetched)
    return {"given": given, "waiting": waiting, "asked": asked, "fetched": fetched,
            "delivery": delivery}  # fmt: skip


def _supervision(watch: Watch, client: httpx.Client) -> dict[str, object]:
    town = watch.town
    alert = watch.alert("misses", 4, town.theirs)
    case, violation = watch.case(alerts=[alert], dataset=town.theirs), watch.violation()
    for words in ("Whose copy is it?", "已向属地部门发函核实，待其三个工作日内答复。"):
        town.console.press(client, f"/supervision/cases/{case}/comment", text=words)
    purpose = town.query("access", "rules")["purposes"][0]["name"]
    town.console.press(client, "/supervision/permits/issue", member=WATCHED, until="2031-12-31",
                       **{f"scenario-{purpose}": "on"})  # fmt: skip
    opinion = {"dataset": town.ours, "version": 1, "stars": 2, "topics": ["timeliness"],
               "envelope": None}  # fmt: skip
    watch.act(town.neighbour, ("feedback", "give", opinion))
    logs = _post(town, client, "/trace/logs", dataset=town.ours)
    row = _post(town, client, "/trace/row", dataset=town.ours, field="city", value="Shanghai")
    town.console.await_jobs()
    return {"alert": alert, "case": case, "violation": violation, "logs": _last(logs),
            "row": _last(row)}  # fmt: skip


def _dispatch(watch: Watch, client: httpx.Client) -> dict[str, object]:
    town = watch.town
    plan = {**ORDER, "plan": "flood-9", "to-health": "on", "text": WORDS}
    town.console.press(client, "/dispatch/plans/new", **plan)
    group = {"group": "dikes-9", "to-health": "on", "to-civil": "on", "text": "Duty room: 555-0100"}
    town.console.press(client, "/dispatch/groups", **group)
    order = issue(town.console, client, "health", "civil", text=WORDS, severity="emergency")
    watch.act("health", ("dispatch", "acknowledge", {"order": order}))
    return {"order": order}


def _government(watch: Watch, client: httpx.Client) -> dict[str, object]:
    """What was put to the vote: a poll's contract and a use by law, which hold, and parameters."""
    town, console = watch.town, watch.console
    watch.allow_use_by_law()
    deployed = watch.deploy_polls()
    watch.use_by_law()
    until = time.time_ns() // 1_000_000 + 3_600_000
    poll = {"poll": "rule-9", "question": bytes(32), "choices": 3,
            "members": [console.member, town.neighbour], "registrar": None, "votes_until": until,
            "shown_until": until + 3_600_000, "quorum": 0}  # fmt: skip
    watch.act(console.member, ("poll", "open", poll))
    proposal = put_forward(console, client, "/governance/parameters", idle_ms="8000",
                           max_calls="50")  # fmt: skip
    watch.act(town.neighbour, ("governance", "vote", {"proposal": proposal, "choice": "yes"}))
    return {"proposal": proposal, "deployed": deployed}


def _signing(town: Town, client: httpx.Client) -> dict[str, str]:
    """What waits to be signed, by the language that it was asked for in."""
    form = {**FORM, "dataset": town.theirs, "decision": "propose",
            "csrf": town.console.csrf(client)}  # fmt: skip
    answers = {
        language: client.post("/exchange/ask", data=form, headers={"accept-language": language})
        for language in ("en-GB", "zh-CN")
    }
    return {language: _last(answer.headers["location"]) for language, answer in answers.items()}


def _evidence(town: Town, client: httpx.Client) -> dict[str, object]:
    """An export that waits for its signature."""
    with_it = {"title": TITLE, "dataset": f"{town.console.member}/stores", "from": "1", "to": "1"}
    export = _post(town, client, "/evidence/export", **with_it)
    town.console.make_block()  # the proof of the key waits for it
    town.console.await_jobs()
    return {"export": _last(export)}

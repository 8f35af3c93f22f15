"""Dispatch by pages: orders down the tiers and back, what escalates, plans, groups, bad forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from node.rpc.client import Client
from node.web.console.dispatch import below
from tests.web.conftest import Console, sign

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = '<script>alert(1)</script> "><img src=x onerror=alert(1)>'
ORDER = {"kind": "order", "severity": "urgent", "acknowledge": "2", "acknowledge-unit": "hours",
         "complete": "3", "complete-unit": "days", "escalate": "1", "escalate-unit": "hours",
         "origin": ""}  # fmt: skip


def until(console: Console, is_so: Callable[[], bool]) -> None:
    """Wait, from block to block, until something is so."""
    with Client(console.home.socket) as client:
        blocks = client.subscribe(("blocks",))
        while not is_so():
            next(blocks)


def issue(console: Console, client: httpx.Client, *to: str, **fields: str) -> int:
    """Issue an order by the form; returns its number, known to the node of the second console."""
    form = {**ORDER, **{f"to-{name}": "on" for name in to}, **fields}
    console.press(client, "/dispatch/new", **form)
    number: int = console.query("dispatch", "list")[0]["id"]
    return number


def act(console: Console, client: httpx.Client, number: int, act: str, **fields: str) -> str:
    return console.press(client, f"/dispatch/orders/{number}/{act}", **fields)


def shared(console: Console, number: int, is_so: Callable[[Any], bool]) -> Any:
    """An order as this console's node has it, once it is so."""
    until(console, lambda: is_so(console.query("dispatch", "get", order=number)))
    return console.query("dispatch", "get", order=number)


def told(console: Console, client: httpx.Client, number: int) -> str:
    """An order's page, once all that it says has arrived."""
    order = console.query("dispatch", "get", order=number)
    steps = [step for part in order["parts"].values() for step in part["steps"]]
    with Client(console.home.socket) as node:
        for envelope in (*order["envelopes"], *filter(None, (step[4] for step in steps))):
            node.call("envelope.wait", id=envelope)
    return client.get(f"/dispatch/orders/{number}").text


def test_who_stands_below_whom() -> None:
    def member(name: str, parent: str | None, status: str = "active") -> dict[str, Any]:
        return {"name": name, "parent": parent, "status": status}

    tree = [member("a", None), member("b", "a"), member("c", "b"), member("d", "c", "suspended"),
            member("e", "f"), member("f", "e")]  # fmt: skip
    assert below(tree, "a") == ["b", "c"]
    assert below(tree, "c") == []
    assert below(tree, "e") == ["f"]  # a loop ends


def test_an_order_goes_down_and_its_answers_come_back(
    console: Console, second_console: Console
) -> None:
    with console.enter() as li, second_console.enter("chen") as chen:
        number = issue(console, li, "health", text=f"Check the dikes. {SCRIPT}")
        shared(second_console, number, lambda order: order is not None)
        page = f"/dispatch/orders/{number}"
        assert page in chen.get("/dispatch").text
        text = told(second_console, chen, number)
        assert "Check the dikes. &lt;script&gt;" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text

        act(second_console, chen, number, "acknowledge")
        act(second_console, chen, number, "report", progress="40", text=f"East bank. {SCRIPT}")
        act(second_console, chen, number, "complete", text="")
        shared(console, number, lambda order: order["parts"]["health"]["status"] == "completed")
        assert page in li.get("/dispatch").text.partition("To be confirmed")[2]
        text = told(console, li, number)
        assert "East bank. &lt;script&gt;" in text
        assert "<script>alert" not in text
        act(console, li, number, "send_back", member="health", text="The west bank too.")
        shared(second_console, number, lambda o: o["parts"]["health"]["status"] == "reported")
        assert "The west bank too." in told(second_console, chen, number)
        act(second_console, chen, number, "complete", text="Both banks.")
        shared(console, number, lambda order: order["parts"]["health"]["status"] == "completed")
        act(console, li, number, "confirm", member="health")
        assert console.query("dispatch", "get", order=number)["status"] == "closed"
        with li.stream("GET", "/live") as events:
            lines = events.iter_lines()
            while "All is confirmed" not in li.get(page).text:
                next(lines)  # what the pages know is brought up to date with each
        assert li.get(page).text.count('href="/tx/') >= 7  # each step has its proof


def test_texts_are_for_dispatchers_and_auditors(console: Console, second_console: Console) -> None:
    with console.enter() as li, console.enter("wang") as wang, console.enter("zhao") as zhao:
        number = issue(console, li, "health", text="Words of an order.")
        page = f"/dispatch/orders/{number}"
        assert "Words of an order." in zhao.get(page).text
        assert "Words of an order." not in wang.get(page).text
        for client in (wang, zhao):
            csrf = console.csrf(client)
            assert "Take it back" not in client.get(page).text
            for path in (f"{page}/cancel", "/dispatch/new", "/dispatch/plans/new",
                         "/dispatch/groups", "/dispatch/groups/end"):  # fmt: skip
                assert client.post(path, data={"csrf": csrf}).status_code == 403, path
        act(console, li, number, "cancel")
        assert console.query("dispatch", "get", order=number)["status"] == "cancelled"


def test_of_two_that_answer_at_once_the_second_is_told(
    console: Console, second_console: Console
) -> None:
    with console.enter() as li:
        number = issue(console, li, "health", text="Be quick.")
        shared(second_console, number, lambda order: order is not None)
    with second_console.enter("chen") as chen:
        csrf = second_console.csrf(chen)
        path = f"/dispatch/orders/{number}/acknowledge"
        first, second = (chen.post(path, data={"csrf": csrf}) for _ in range(2))
        sign(chen, first, csrf)
        told = chen.post(second.headers["location"], data={"csrf": csrf, "decision": "sign"})
        assert told.status_code == 400
        assert "Somebody else was first" in told.text


def test_bad_forms_are_refused_with_a_sentence(console: Console) -> None:
    with console.enter() as li:
        csrf = console.csrf(li)
        good = {**ORDER, "csrf": csrf, "to-health": "on", "text": "x"}
        for change in (
            {"kind": "war"}, {"severity": ""}, {"acknowledge": "0"}, {"acknowledge": "-1"},
            {"acknowledge": "١"}, {"acknowledge-unit": "years"}, {"complete": "9" * 9},
            {"escalate": ""}, {"origin": "x"}, {"text": ""}, {"text": "x" * 65_537},
            {"text": "  "}, {"complete": "1", "complete-unit": "minutes"},
        ):  # fmt: skip
            answer = li.post("/dispatch/new", data={**good, **change})
            assert answer.status_code == 400, change
            assert 'role="alert"' in answer.text
        nobody = {key: value for key, value in good.items() if key != "to-health"}
        assert li.post("/dispatch/new", data=nobody).status_code == 400
        for strange in ("tax", "nobody", "../x", SCRIPT):  # not below: as if not ticked
            assert (
                li.post("/dispatch/new", data={**nobody, f"to-{strange}": "on"}).status_code == 400
            )
        for name in ("Flood", SCRIPT, "", "a" * 200, "洪水"):
            for path in ("/dispatch/plans/new", "/dispatch/groups"):
                answer = li.post(path, data={**good, "plan": name, "group": name})
                assert answer.status_code == 400, name
                assert "<script>alert" not in answer.text
        for path in ("/dispatch/orders/999999", "/dispatch/plans/tax/nothing"):
            assert li.get(path).status_code == 404, path
            assert li.post(f"{path}/drill", data={"csrf": csrf}).status_code == 404, path
        for path in (f"/dispatch/orders/{'9' * 40}", "/dispatch/plans/%3Cscript%3E/x",
                     "/dispatch/plans?after=<script>"):  # fmt: skip
            assert 400 <= li.get(path).status_code < 500, path
        for before in ("x", "0", "9" * 100):
            assert li.get("/dispatch/orders", params={"before": before}).status_code == 200


@pytest.fixture
def chen(second_console: Console) -> Iterator[httpx.Client]:
    with second_console.enter("chen") as client:
        yield client


def test_a_plan_is_prepared_drilled_put_into_force_and_ended(
    console: Console, second_console: Console, chen: httpx.Client
) -> None:
    with console.enter() as li:
        csrf = console.csrf(li)
        form = {**ORDER, "csrf": csrf, "plan": "flood-1", "severity": "emergency",
                "to-health": "on", "text": "Open the gates."}  # fmt: skip
        sign(li, li.post("/dispatch/plans/new", data=form), csrf)
        page = "/dispatch/plans/tax/flood-1"
        assert page in li.get("/dispatch/plans").text
        assert "Open the gates." in li.get(page).text
        twice = li.post(f"{page}/activate", data={"csrf": csrf}).headers["location"]
        for step in ("drill", "activate"):
            sign(li, li.post(f"{page}/{step}", data={"csrf": csrf}), csrf)
        late = li.post(twice, data={"csrf": csrf, "decision": "sign"}).headers["location"]
        assert "the status does not allow it: active" in li.get(late).text
        chinese = li.get(late, headers={"accept-language": "zh-CN"}).text
        assert "当前状态不允许：有效" in chinese
        plan = console.query("emergency", "get", owner="tax", plan="flood-1")
        number = plan["active"][0]
        assert (plan["drills"], plan["version"]) == (1, 1)
        assert f"/dispatch/orders/{number}" in li.get(page).text
        shared(second_console, number, lambda order: order is not None)
        assert "Open the gates." in told(second_console, chen, number)
        assert (
            chen.post(
                f"{page}/activate",
                data={"csrf": second_console.csrf(chen)},
            ).status_code
            == 404
        )  # it is another member's
        sign(li, li.post(f"{page}/stand_down", data={"csrf": csrf}), csrf)
        for order in (number, plan["last_drill"][0]):
            act(console, li, order, "cancel")


def test_a_contact_group_is_set_used_and_ended(console: Console) -> None:
    with console.enter() as li:
        csrf = console.csrf(li)
        form = {"csrf": csrf, "group": "dikes-1", "to-health": "on", "to-civil": "on",
                "text": "Duty room: 555-0100"}  # fmt: skip
        sign(li, li.post("/dispatch/groups", data=form), csrf)
        assert "Duty room: 555-0100" in li.get("/dispatch/groups").text
        with console.enter("wang") as wang:
            assert "555-0100" not in wang.get("/dispatch/groups").text
        number = issue(console, li, text="To the group.", **{"group-dikes-1": "on"})
        assert console.query("dispatch", "get", order=number)["recipients"] == ["civil", "health"]
        act(console, li, number, "cancel")
        sign(li, li.post("/dispatch/groups/end", data={"csrf": csrf, "group": "dikes-1"}), csrf)
        groups = console.query("dispatch", "groups", owner="tax")
        assert "dikes-1" not in [name for name, *_ in groups]

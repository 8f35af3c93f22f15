"""All that a request can say, said on pages; what travels sealed stays between its parties."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.node.alliance import command
from tests.web.conftest import Town, sign
from tests.web.test_exchange import FORM

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"
WHERE = {"where-field-0": "city", "where-is-0": "in", "where-value-0": 'Beijing; "a;b"',
         "where-field-1": "income", "where-is-1": "ge", "where-value-1": "5"}  # fmt: skip


def post(client: httpx.Client, town: Town, path: str, **form: str) -> httpx.Response:
    data = {"csrf": town.console.csrf(client), "dataset": town.theirs, "decision": "propose"}
    return client.post(path, data={**data, **form})


def latest(town: Town) -> Any:
    """The request that this member made last."""
    return next(row for row in town.requests(town.console.member) if row["dataset"] == town.theirs)


def ask(client: httpx.Client, town: Town, **form: str) -> int:
    """What is empty in `form` is left out. Returns the request's number."""
    given = {name: text for name, text in {**FORM, **form}.items() if text}
    answer = post(client, town, "/exchange/ask", **given)
    sign(client, answer, town.console.csrf(client))
    return int(latest(town)["id"])


def sealed_at(town: Town, member: str, number: int) -> Any:
    """What a member reads of a request that travels sealed."""
    home = town.console.net.home(member).path
    return command("request", "show", number, "--sealed", "--home", home)


def test_a_filter_and_a_text_go_sealed_to_the_owner(town: Town) -> None:
    with town.console.enter() as client:
        number = ask(client, town, **WHERE, text=f"For the plan {SCRIPT}", audited="on")
        asked = town.query("access", "request", request=number)
        assert asked["args"]["filter"] == [[0, "in"], [1, "ge"]]
        assert asked["args"]["mode"] == "audited"
        page = client.get(f"/exchange/requests/{number}").text
        assert "city in Beijing, a;b" in page
        assert "For the plan &lt;script&gt;" in page
        assert SCRIPT not in page
        told = sealed_at(town, town.console.member, number)
        assert "income >= 5" in told
    with town.console.enter("zhao") as client:  # an auditor has no duty to act
        page = client.get(f"/exchange/requests/{number}").text
        assert "For the plan" not in page
        assert "city in …" in page


def test_a_request_is_amended_and_asked_again(town: Town) -> None:
    with town.console.enter() as client:
        number = ask(client, town, **WHERE, text="first", audited="on")
        before = town.query("access", "request", request=number)
        path = f"/exchange/requests/{number}/amend"
        form = client.get(path).text
        assert 'value="Beijing;&#34;a;b&#34;"' in form
        assert ">first</textarea>" in form

        kept = {**FORM, **WHERE, "text": "first", "audited": "on", "rows": "7"}
        sign(client, post(client, town, path, **kept), town.console.csrf(client))
        after = town.query("access", "request", request=number)
        assert (after["revision"], after["args"]["rows"]) == (2, 7)
        assert after["args"]["envelope"] == before["args"]["envelope"]

        changed = {**kept, "text": "second", "where-value-1": "6"}
        sign(client, post(client, town, path, **changed), town.console.csrf(client))
        told = sealed_at(town, town.console.member, number)
        assert "income >= 6" in told
        assert "second" in told

        again = f"/exchange/requests/{number}/clone"
        assert ">second</textarea>" in client.get(again).text
        sign(client, post(client, town, again, **FORM), town.console.csrf(client))
        made = town.query("access", "request", request=latest(town)["id"])
        assert made["id"] > number
        assert (made["args"]["filter"], made["args"]["envelope"]) == ([], None)


def test_look_ups_versions_and_terms(town: Town) -> None:
    with town.console.enter() as client:
        number = ask(client, town, kind="lookup", key="city", version="1", onward="on",
                     retention="9", hours="mon-fri 08:00-18:00 +08:00")  # fmt: skip
        args = town.query("access", "request", request=number)["args"]
        assert (args["kind"], args["key"], args["version"]) == ("lookup", 0, 1)
        assert (args["onward"], args["retention_days"]) == (True, 9)
        form = client.get(f"/exchange/requests/{number}/clone").text
        assert 'value="mon-fri 08:00-18:00 +08:00"' in form
        assert "<option selected>city</option>" in form


def test_purpose_and_basis_come_from_the_dataset(town: Town) -> None:
    with town.console.enter() as client:
        ask(client, town, audited="on")
        form = client.get("/exchange/ask", params={"dataset": town.theirs}).text
        assert '<option value="public-service" selected>' in form
        assert '<option value="public-task" selected>' in form
        assert town.theirs in client.get("/exchange/ask").text


HOSTILE = (
    {"kind": "lookup", "key": "<script>"},
    {"where-field-0": "city", "where-is-0": "<script>", "where-value-0": "x"},
    {"where-field-0": "<script>", "where-is-0": "eq", "where-value-0": "x"},
    {"where-field-0": "city", "where-is-0": "eq"},
    {"where-field-0": "city", "where-is-0": "in", "where-value-0": ";" * 300},
    {"begin": "<script>"}, {"retention": "x"}, {"text": "x" * 20_000}, {"version": "999"},
)  # fmt: skip


def test_hostile_forms_are_refused(town: Town) -> None:
    theirs = town.ask_for_ours()
    with town.console.enter() as client:
        for form in HOSTILE:
            answer = post(client, town, "/exchange/ask", **{**FORM, **form})
            assert answer.status_code == 400, form
            assert "<script>" not in answer.text
        for path in ("/exchange/requests/999999/amend", "/exchange/requests/999999/clone"):
            assert post(client, town, path, **FORM).status_code == 404
        assert client.get(f"/exchange/requests/{theirs}/amend").status_code == 404

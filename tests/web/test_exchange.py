"""Asking, reviewing and ending by pages alone; who may do it; what hostile forms meet."""

from __future__ import annotations

import pytest

from tests.web.conftest import Town, sign

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
FORM = {"field-0": "on", "field-1": "on", "purpose": "public-service", "basis": "public-task",
        "rows": "500", "days": "90"}  # fmt: skip


def test_the_form_says_what_would_be_decided_before_anything_is_signed(town: Town) -> None:
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        shown = client.get("/exchange/ask", params={"dataset": town.theirs})
        assert "income" in shown.text
        before = client.get("/exchange/requests").text
        form = {**FORM, "csrf": csrf, "dataset": town.theirs}
        preview = client.post("/exchange/ask", data={**form, "decision": "preview"})
        assert preview.status_code == 200
        assert "L3 data needs its owner&#39;s review" in preview.text
        assert "leave out income" in preview.text
        assert client.get("/exchange/requests").text == before

        page = sign(
            client, client.post("/exchange/ask", data={**form, "decision": "propose"}), csrf
        )
        assert "access.request" in page
        listed = client.get("/exchange/requests").text
        assert town.theirs in listed
        number = max(row["id"] for row in town.requests(town.console.member)
                     if row["dataset"] == town.theirs)  # fmt: skip
        asked = client.get(f"/exchange/requests/{number}").text
        assert 'href="/blocks/' in asked
        assert "Approve</button>" not in asked  # nobody reviews what is asked by oneself
        back = {"csrf": csrf}
        sign(client, client.post(f"/exchange/requests/{number}/withdraw", data=back), csrf)


def test_a_request_is_approved_and_its_grant_revoked_by_pages(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        assert f"/exchange/requests/{number}" in client.get("/exchange").text
        page = client.get(f"/exchange/requests/{number}").text
        assert "Approve</button>" in page
        data = {"csrf": csrf, "revision": "1", "outcome": "approve"}
        sign(client, client.post(f"/exchange/requests/{number}/review", data=data), csrf)
        assert "<meter" in client.get("/exchange/grants").text
        assert "0 of 500 used" in client.get(f"/exchange/grants/{number}").text
        revoke = f"/exchange/grants/{number}/revoke"
        for bad in ("", "<script>", "Misuse", "x" * 40):
            answer = client.post(revoke, data={"csrf": csrf, "reason": bad})
            assert answer.status_code == 400
            assert "<script>" not in answer.text
        sign(client, client.post(revoke, data={"csrf": csrf, "reason": "misuse"}), csrf)
        assert "misuse" in client.get(f"/exchange/grants/{number}").text
    state = town.query("access", "grant", grant=number)
    assert (state["status"], state["reason"]) == ("revoked", "misuse")


def test_a_request_is_denied_by_a_page(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter("wang") as client:
        csrf = town.console.csrf(client)
        data = {"csrf": csrf, "revision": "1", "outcome": "deny"}
        sign(client, client.post(f"/exchange/requests/{number}/review", data=data), csrf)
    assert town.query("access", "request", request=number)["status"] == "denied"


def test_auditors_read_and_do_nothing(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter("zhao") as client:
        csrf = town.console.csrf(client)
        page = client.get(f"/exchange/requests/{number}").text
        assert "Approve</button>" not in page
        assert "/exchange/ask" not in page
        for path in (f"/exchange/requests/{number}/review", f"/exchange/grants/{number}/revoke",
                     f"/exchange/requests/{number}/withdraw", "/exchange/ask"):  # fmt: skip
            data = {"csrf": csrf, "revision": "1", "outcome": "approve", "reason": "x"}
            assert client.post(path, data=data).status_code == 403, path
    assert town.query("access", "request", request=number)["status"] == "waiting"


def test_bad_forms_are_refused_with_a_sentence(town: Town) -> None:
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        for change in ({"rows": "0"}, {"rows": "-1"}, {"rows": "9" * 30}, {"days": "١"},
                       {"hours": "always"}, {"purpose": "<script>"}):  # fmt: skip
            data = {**FORM, "csrf": csrf, "dataset": town.theirs, "decision": "propose", **change}
            answer = client.post("/exchange/ask", data=data)
            assert answer.status_code == 400, change
            assert "<script>" not in answer.text
        for path in ("/exchange/requests/999999", "/exchange/grants/999999"):
            assert client.get(path).status_code == 404
        huge = client.get(f"/exchange/requests/{'9' * 40}")
        assert 400 <= huge.status_code < 500
        for before in ("x", "0", "9" * 100, "<script>"):
            assert client.get("/exchange/requests", params={"before": before}).status_code == 200


def test_reasons_are_told_in_chinese(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter(language="zh-CN") as client:
        page = client.get(f"/exchange/requests/{number}").text
        assert "L3 数据须经所有者审核" in page
        assert "去掉 income" in page

"""The console over real HTTP: who gets in, what is refused, what every answer carries."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from node.rpc.client import Client, NodeError
from node.web.console.situation import MAX_STREAMS_EACH
from tests.node.alliance import command
from tests.web.conftest import PASSPHRASE, Console

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_nothing_is_shown_before_login(console: Console) -> None:
    with httpx.Client(base_url=console.address) as client:
        for path in ("/", "/evidence", "/blocks/1", "/tx/" + "0" * 64, "/sign/x"):
            answer = client.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login")
        assert client.get("/live").status_code == 403
        assert client.get("/nothing").status_code == 404


def test_wrong_names_and_passphrases_are_told_alike(console: Console) -> None:
    with httpx.Client(base_url=console.address) as client:
        texts = []
        for operator, passphrase in (("li", "wrong"), ("nobody", PASSPHRASE), ("../tax", "x")):
            data = {"operator": operator, "passphrase": passphrase}
            answer = client.post("/login", data=data)
            assert answer.status_code == 403
            texts.append(answer.text.partition('role="alert">')[2].partition("<")[0])
        assert len(set(texts)) == 1
        assert "muniment" not in client.cookies


def test_every_answer_carries_the_policy(console: Console) -> None:
    with console.enter() as client:
        for path in ("/", "/static/app.css", "/nothing", "/login", "/blocks/1"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        assert client.get("/").headers["cache-control"] == "no-store"
        text = client.get("/").text
        assert "<script>" not in text
        assert "style=" not in text
        assert "onclick" not in text


def test_cookies_are_for_this_site_alone(console: Console) -> None:
    with httpx.Client(base_url=console.address) as client:
        data = {"operator": "li", "passphrase": PASSPHRASE, "to": "//elsewhere.example"}
        answer = client.post("/login", data=data)
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()


def test_forged_requests_are_refused(console: Console) -> None:
    with console.enter() as client:
        assert client.post("/logout", data={}).status_code == 403
        assert client.post("/logout", data={"csrf": "x"}).status_code == 403
        mine = {"csrf": console.csrf(client)}
        answer = client.post("/logout", data=mine, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
        assert client.get("/").status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 421
        assert client.post("/logout", data=mine).status_code == 303
        assert client.get("/").status_code == 303
    with httpx.Client(base_url=console.address, cookies={"muniment": "forged"}) as client:
        assert client.get("/").status_code == 303


def test_paths_lead_nowhere_else(console: Console) -> None:
    with console.enter() as client:
        for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/static//etc/passwd"):
            assert client.get(path).status_code == 404, path
        for path in ("/tx/zz", "/tx/" + "G" * 64, "/blocks/999999999", "/blocks/0x1",
                     "/blocks/" + "9" * 5_000):  # fmt: skip
            assert 400 <= client.get(path).status_code < 500, path
        assert client.get("/evidence", params={"q": "<script>"}).text.count("<script>") == 0
        assert client.get("/evidence", params={"q": "9" * 5_000}).status_code == 200


def test_too_much_is_refused(console: Console) -> None:
    with console.enter() as client:
        data = {"csrf": console.csrf(client), "more": "x" * 300_000}
        assert client.post("/preferences", data=data).status_code == 413
        many = client.post("/preferences", data={f"f{n}": "x" for n in range(1_000)})
        assert many.status_code == 400
        assert client.get("/").status_code == 200


def test_a_transaction_leads_to_its_receipt(console: Console) -> None:
    with console.enter() as client:
        block = client.get("/blocks/1").text
        txid = block.partition('href="/tx/')[2].partition('"')[0]
        assert client.get("/evidence", params={"q": txid}).headers["location"] == f"/tx/{txid}"
        page = client.get(f"/tx/{txid}").text
        assert "operators.grant" in page
        assert "Final, and done." in page
        receipt = console.home.path / "page.receipt"
        receipt.write_bytes(client.get(f"/tx/{txid}/receipt").content)
        said = command("verify", receipt, "--genesis", console.home.genesis)
        assert txid in said


def test_the_page_speaks_the_browsers_language(console: Console) -> None:
    with console.enter(language="zh-CN,zh;q=0.9") as client:
        page = client.get("/").text
        assert 'lang="zh-CN"' in page
        assert "态势" in page
        data = {"csrf": console.csrf(client), "language": "en", "to": "/evidence"}
        assert client.post("/preferences", data=data).headers["location"] == "/evidence"
        assert "Situation" in client.get("/").text


def test_live_events_carry_the_situation(console: Console) -> None:
    with console.enter() as client, client.stream("GET", "/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        line = next(line for line in answer.iter_lines() if line.startswith("data: "))
        assert "Final height" in line


def test_one_session_keeps_few_pages_up_to_date(console: Console) -> None:
    with console.enter() as client, ExitStack() as stack:
        lines = [stack.enter_context(client.stream("GET", "/live")).iter_lines()
                 for _ in range(MAX_STREAMS_EACH)]  # fmt: skip
        assert all(next(each).startswith("data: ") for each in lines)
        assert client.get("/live").status_code == 429


def test_a_session_ends_with_its_operators_duties(console: Console) -> None:
    secret = console.home.path / "sun.pass"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    home = console.home
    command("operator", "new", "sun", "--home", home.path, "--passphrase-file", secret)
    command(
        "operator", "grant", home.operators / "sun.json", "--duty", "auditor", "--home", home.path
    )
    with console.enter("sun") as client:
        assert client.get("/").status_code == 200
        command("operator", "revoke", "sun", "--home", home.path)
        assert client.get("/").headers["location"].startswith("/login")


def test_a_block_is_given_in_parts(console: Console) -> None:
    with Client(console.home.socket) as client:
        whole = client.call("block.get", height=1)
        assert whole["count"] == len(whole["transactions"]) >= 1
        head = client.call("block.get", height=1, most=0)
        assert head == {**whole, "transactions": []}
        beyond = client.call("block.get", height=1, first=whole["count"])
        assert beyond["transactions"] == []
        last = client.call("block.get", height=1, first=whole["count"] - 1, most=1)
        assert last["transactions"] == whole["transactions"][-1:]
        with pytest.raises(NodeError, match="first must be a whole number"):
            client.call("block.get", height=1, first=-1)

"""Who is told what, and that mail and webhooks carry it over real sockets."""

from __future__ import annotations

import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from config.settings import Notices
from node.notices.select import Notice, notice_of
from node.notices.send import NoticeError, send
from node.trace.index import Entry, Index

MEMBERS = {"tax", "civil", "land"}
NOTICE = Notice("trial", "tax", "dispatch", "issued", 7, 12, 1_790_000_000_000, "ab" * 32)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "trace.db", "chain")
    event = ["access", "requested", [7, "civil", "tax/permits"]]
    rows = [["cc" * 32, "civil", 0, [], [event]]]
    made.add({"height": 1, "digest": "d", "time": 1, "rows": rows}, MEMBERS)
    yield made
    made.close()


def told(
    index: Index, member: str, contract: str, name: str, data: Any, *, sender: str = "land",
    code: int = 0, supervisor: bool = False,
) -> bool:  # fmt: skip
    entry = Entry(2, 2, "dd" * 32, sender, code, contract, name, data)
    return notice_of(entry, index, "trial", member, MEMBERS, supervisor) is not None


def test_members_are_told_what_concerns_them(index: Index) -> None:
    order = ("dispatch", "issued", [1, "land", "order", "urgent", ["tax"]])
    assert told(index, "tax", *order)
    assert not told(index, "civil", *order)
    assert not told(index, "land", *order)  # it did it itself
    assert not told(index, "tax", *order, code=17)
    assert not told(index, "tax", "dispatch", "reported", [1, "tax", False, 40])
    assert told(index, "civil", "governance", "proposed", [1, "suspend", "land", 5])


def test_both_sides_of_a_request_are_told_though_the_event_names_neither(index: Index) -> None:
    assert told(index, "tax", "access", "revoked", [7, "owner"])
    assert told(index, "civil", "access", "revoked", [7, "owner"])
    assert not told(index, "land", "access", "revoked", [7, "owner"], sender="tax")
    assert not told(index, "tax", "access", "revoked", [8, "owner"])


def test_supervisors_are_told_of_cases_about_others(index: Index) -> None:
    case = ("cases", "opened", [1, "leak", 3, "land", "open", None])
    assert told(index, "tax", *case, sender="civil", supervisor=True)
    assert not told(index, "tax", *case, sender="civil")


def test_a_notice_holds_ids_only() -> None:
    assert NOTICE.subject == "[trial] dispatch issued 7"
    assert "muniment dispatch show 7" in NOTICE.text
    assert set(NOTICE.to_json()) == {
        "network", "member", "contract", "event", "number", "height", "time", "txid",
    }  # fmt: skip


class _Mailbox(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs that does not encrypt."""

    def handle(self) -> None:
        def say(line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        say("220 mailbox")
        for raw in self.rfile:
            word = raw.split()[0].upper() if raw.split() else b""
            if word == b"DATA":
                say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line)
                self.server.mails.append(b"".join(lines).decode())  # type: ignore[attr-defined]
                say("250 taken")
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 mailbox")


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((body, dict(self.headers)))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_mail_arrives() -> None:
    with serving(socketserver.TCPServer(("127.0.0.1", 0), _Mailbox)) as server:
        server.mails = []
        settings = Notices(
            mail_to=("duty@tax.example", "li@tax.example"), mail_from="node@tax.example",
            smtp=f"127.0.0.1:{server.server_address[1]}", smtp_security="none",
        )  # fmt: skip
        send(NOTICE, settings)
    [mail] = server.mails
    assert "Subject: [trial] dispatch issued 7" in mail
    assert "To: duty@tax.example, li@tax.example" in mail
    assert "ab" * 32 in mail


def test_a_webhook_is_signed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a shared secret\n")
    secret.chmod(0o600)
    with serving(HTTPServer(("127.0.0.1", 0), _Hook)) as server:
        server.posts, server.status = [], 204
        address = f"http://127.0.0.1:{server.server_port}/hook"
        send(NOTICE, Notices(webhooks=(address,), webhook_secret_file=str(secret)))
    [(body, headers)] = server.posts
    assert json.loads(body) == NOTICE.to_json()
    expected = hmac.digest(b"a shared secret", body, "sha256").hex()
    assert headers["Muniment-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_fails_or_leads_elsewhere_is_an_error(status: int) -> None:
    with serving(HTTPServer(("127.0.0.1", 0), _Hook)) as server:
        server.posts, server.status = [], status
        address = f"http://127.0.0.1:{server.server_port}/hook"
        with pytest.raises(NoticeError, match=str(status)):
            send(NOTICE, Notices(webhooks=(address,)))
    assert len(server.posts) == 1


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open")
    secret.chmod(0o644)
    with pytest.raises(NoticeError, match="0600"):
        send(NOTICE, Notices(webhooks=("http://127.0.0.1:9/",), webhook_secret_file=str(secret)))


def test_a_mail_server_that_is_away_is_an_error() -> None:
    settings = Notices(mail_to=("a@b.example",), mail_from="c@b.example", smtp="127.0.0.1:9")
    with pytest.raises(NoticeError, match="does not take mail"):
        send(NOTICE, settings)

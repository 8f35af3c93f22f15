"""Uploads by HTTPS: who may, what is refused, and that nothing stands in plain."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node import intake
from node.data.inbox import Inbox, InboxError, Intake
from node.data.standard import draft
from node.devnet import Devnet
from node.home import Home
from node.keys import load_key

MASTER = bytes(range(32))
BODY = b"number,holder,fee\n1,marker-4711,2.50\n2,marker-4712,3.50\n"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


class Site:
    """A listening intake, and a client that trusts it."""

    def __init__(self, home: Home, pem: tuple[Path, Path]) -> None:
        self._home, self._pem = home, pem
        self._scope = trio.CancelScope()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: trio.run(self._serve))
        self._token: Any = None

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            await intake.serve(
                Intake(self._home), intake.tls(*self._pem), ("127.0.0.1", 0),
                lambda line: None, self._listening,
            )  # fmt: skip

    def _listening(self, port: int) -> None:
        context = ssl.create_default_context(cafile=str(self._pem[0]))
        self.client = httpx.Client(base_url=f"https://localhost:{port}", verify=context)
        self._ready.set()

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()

    def put(self, token: str, name: str, body: Any = BODY) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.put(f"/uploads/{name}", content=body, headers=headers)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def site(home: Home, pem: tuple[Path, Path]) -> Iterator[Site]:
    with Site(home, pem) as made:
        yield made


def test_a_file_arrives_sealed_and_only_the_steward_can_open_it(home: Home, site: Site) -> None:
    inbox = Inbox(home, MASTER)
    token = inbox.invite("acme", "permits", 30)
    answer = site.put(token, "许可.csv", BODY * 100_000)
    assert answer.status_code == 201
    (upload,) = inbox.uploads()
    assert (upload.id, upload.state) == (answer.json()["id"], "waiting")
    assert (upload.sender, upload.source, upload.name) == ("acme", "permits", "许可.csv")
    with inbox.opened(upload) as descriptor, open(descriptor, "rb", closefd=False) as file:
        assert file.read() == BODY * 100_000
    for path in home.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"marker-4711" not in data
            assert token.encode() not in data
    with pytest.raises(InboxError, match="damaged or of another home"):
        Inbox(home, bytes(32)).uploads()
    inbox.remove(upload.id)
    assert inbox.uploads() == []


def test_what_is_refused(home: Home, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox(home, MASTER)
    token = inbox.invite("acme", "permits", 30)
    assert site.put("wrong", "a.csv").status_code == 401
    assert site.client.put("/uploads/a.csv", content=BODY).status_code == 401
    assert site.put(token, "a.exe").status_code == 415
    assert site.put(token, "..%2Fa.csv").status_code == 400
    assert site.client.get("/uploads/a.csv").status_code == 405
    assert site.client.get("/").status_code == 404
    monkeypatch.setattr("node.data.inbox.MAX_UPLOAD_BYTES", 1_000)
    assert site.put(token, "a.csv", b"x" * 1_001).status_code == 413
    assert site.put(token, "a.csv", b"x" * 1_000).status_code == 201
    monkeypatch.setattr("node.data.inbox.MAX_WAITING", 1)
    assert site.put(token, "a.csv").status_code == 503
    inbox.revoke("acme")
    assert site.put(token, "a.csv").status_code == 401
    assert len(inbox.uploads()) == 1
    assert not list((home.path / "inbox" / "waiting").glob("*.part"))


def test_a_connection_that_breaks_off_leaves_nothing(home: Home, site: Site) -> None:
    token = Inbox(home, MASTER).invite("acme", "permits", 30)

    def body() -> Iterator[bytes]:
        yield BODY
        raise ConnectionError

    with pytest.raises(ConnectionError):
        site.put(token, "a.csv", body())
    assert site.put(token, "b.csv").status_code == 201
    assert [upload.name for upload in Inbox(home, MASTER).uploads()] == ["b.csv"]


def test_a_damaged_upload_is_told(home: Home, site: Site) -> None:
    inbox = Inbox(home, MASTER)
    upload = site.put(inbox.invite("acme", "permits", 30), "a.csv").json()["id"]
    path = home.path / "inbox" / "waiting" / upload
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-5])
    with pytest.raises(InboxError, match="damaged"), inbox.opened(inbox.find(upload)):
        pass


def test_an_accepted_upload_becomes_a_version(
    net: Devnet, command: Any, tmp_path: Path, pem: tuple[Path, Path]
) -> None:
    member, home = net.names[0], net.home(net.names[0])
    body = draft(f"{member}/handed", "Handed in", ("number", "holder", "fee"), 2)
    standard = tmp_path / "s.json"
    standard.write_text(json.dumps(body), encoding="utf-8")
    command("standard", "publish", str(standard))
    command("source", "add", "handed", "kind=inbox", f"standard={member}/handed", "title=Handed in",
            "key=number", plain=True)  # fmt: skip
    inbox = Inbox(home, load_key(home.key("vault"), "vault", home.passphrase.read_text().strip()))
    assert command("collect", "run", "handed")["state"] == "unchanged"
    with Site(home, pem) as site:
        token = inbox.invite("acme", "handed", 30)
        first = site.put(token, "a.csv").json()["id"]
        second = site.put(token, "b.jsonl", b'{"number":"2","holder":"x","fee":"9"}').json()["id"]
    look = command("inbox", "look", first)
    assert look["level"] >= 1
    command("inbox", "accept", first, plain=True)
    done = command("collect", "run", "handed")
    assert (done["version"], done["rows"]) == (1, 2)
    assert command("collect", "run", "handed")["state"] == "unchanged"
    command("inbox", "accept", second, plain=True)
    done = command("collect", "run", "handed")
    assert (done["version"], done["rows"], done["changed"]) == (2, 2, 1)
    assert inbox.uploads() == []

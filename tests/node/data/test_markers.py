"""Nothing that a person wrote in confidence stands in plain anywhere, nor comes back once erased.

Markers go into every field that a person can fill beside the catalogue's own: values, refused
values, corrections, reasons, purposes, uploads, secrets of sources. Then everything is searched:
both homes, files, logs, LevelDB values unpacked, what commands print as errors, temporary files.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plyvel
import pytest

from consensus.genesis import PURPOSES
from node.data import vault
from node.data.inbox import Inbox, Intake
from node.data.keyring import Keyring
from node.data.sealing import SealError
from node.devnet import Devnet
from node.keys import load_key

MARKERS = [f"Zq7marker{number:02}x" for number in range(14)]


class Confidant:
    """Runs commands with their own folder for temporary files, and keeps what they say."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.net = Devnet.create(folder / "net", 2)
        os.environ["TMPDIR"] = str(self.temporary)
        self.net.start(*self.net.names)
        self.member = self.net.names[0]
        self.home = self.net.home(self.member)
        self.said: list[str] = []

    def run(self, *args: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "node", *args, "--home", str(self.home.path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stderr or done.stdout
        self.said += [done.stdout, done.stderr]
        return done.stderr if fails else done.stdout

    def key(self, purpose: str) -> bytes:
        passphrase = self.home.passphrase.read_text().strip()
        return load_key(self.home.key(purpose), purpose, passphrase)

    def master(self) -> bytes:
        return self.key("vault")


@pytest.fixture
def confidant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Confidant]:
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", "/tmp"))
    made = Confidant(tmp_path)
    yield made
    made.net.down()


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file, and of databases every pair, unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()
    for current in sorted(folder.rglob("CURRENT")):
        with plyvel.DB(str(current.parent)) as database:
            for key, value in database:
                yield current.parent, key + b"|" + value


def forms(marker: str) -> list[bytes]:
    """How a text may be written: as bytes, and wide."""
    return [*forms_of_bytes(marker.encode()), marker.encode("utf-16-le")]


def forms_of_bytes(data: bytes) -> list[bytes]:
    """How bytes may be written: plainly, in hexadecimal, in base64 at each offset, by Python."""
    coded = [base64.b64encode(b"\0" * offset + data)[4:-4] for offset in range(3)]
    return [data, data.hex().encode(), repr(data)[2:-1].encode(), *coded]


def search(*folders: Path) -> list[tuple[str, str]]:
    wanted = [(marker, form) for marker in MARKERS for form in forms(marker)]
    return [
        (str(path), marker)
        for folder in folders
        for path, data in contents(folder)
        for marker, form in wanted
        if form in data
    ]


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    with plyvel.DB(str(tmp_path / "db"), create_if_missing=True) as database:
        database.put(b"k", b"x" * 5_000 + MARKERS[0].encode() + b"x" * 5_000)
    (tmp_path / "a").write_bytes(b"12" + base64.b64encode(b"z" + MARKERS[1].encode() + b"zz"))
    (tmp_path / "b").write_text(MARKERS[2], encoding="utf-16")
    assert {marker for _, marker in search(tmp_path)} == set(MARKERS[:3])


def test_no_plain_value_stands_anywhere_and_none_comes_back(confidant: Confidant) -> None:
    made, folder = confidant, confidant.temporary.parent / "outside"
    folder.mkdir()
    fill(made, folder)
    name = f"{made.member}/secret"
    backup, keys = folder / "backup", folder / "keys"
    made.run("vault", "backup", str(backup))
    made.run("vault", "backup-keys", str(keys))
    shutil.copytree(backup, folder / "older-backup")
    assert list(vault.Version(vault.folder_of(made.home.vault, name, 1),
                              Keyring(made.home.vault, made.master())).rows())  # fmt: skip

    made.run("dataset", "destroy", name, "--version", "2", "--row", "1", "--yes")
    made.run("dataset", "destroy", name, "--version", "1", "--yes")
    made.run("quarantine", "clear", "secret", "--yes")
    made.run("vault", "anchor")
    # Everything that was kept is put back, as somebody would who wants it again.
    made.run("vault", "restore", str(folder / "older-backup"), "--keys", str(keys))
    made.net.down()

    homes = [made.net.home(each).path for each in made.net.names]
    assert search(*homes, made.temporary, backup, folder / "older-backup") == []
    no_key_stands_in_plain(made, *homes, made.temporary, backup, keys)
    said = "\n".join(made.said)
    assert [marker for marker in MARKERS if marker in said] == []
    keyring = Keyring(made.home.vault, made.master())
    for old in (backup, folder / "older-backup"):
        for version in sorted(old.glob("*secret/*")):
            with pytest.raises((vault.VaultError, SealError)):
                vault.Version(version, keyring)
    left = vault.Version(vault.folder_of(made.home.vault, name, 2), keyring)
    assert left.erased() == [1]
    assert MARKERS[0] not in json.dumps(list(left.rows()))


def no_key_stands_in_plain(made: Confidant, *folders: Path) -> None:
    """Of trial networks alone the passphrase stands in a file of its own."""
    wanted = [made.key(purpose) for purpose in (*PURPOSES, "vault")]
    wanted.append(made.home.passphrase.read_bytes().strip())
    texts = [form for each in wanted for form in forms_of_bytes(each)]
    found = {
        path for folder in folders for path, data in contents(folder)
        if any(text in data for text in texts)
    }  # fmt: skip
    assert found == {made.home.passphrase}
    assert not any(text.decode("latin-1") in said for text in texts for said in made.said)


def test_no_value_of_a_question_stands_in_an_error_of_the_rpc(net: Devnet) -> None:
    """Names of methods and contracts may be told back; what is asked about may not."""
    marker = MARKERS[0]
    get: dict[str, Any] = {"contract": "catalogue", "method": "get"}
    asked: list[dict[str, Any]] = [
        *({"method": "state.query", "params": {**get, "args": args}} for args in (
            {marker: 1}, {"dataset": marker}, {"dataset": "tax/x", "version": marker}, marker,
            {"dataset": [marker]}, {"dataset": {marker: marker}},
        )),
        *({"method": "tx.submit", "params": {"tx": tx}} for tx in (
            marker, marker.encode().hex(), (b"\x61" + marker.encode()).hex(), [marker],
        )),
        {"method": "tx.wait", "params": {"txid": marker, "timeout_ms": marker}},
        {"method": "status", "params": marker},
    ]  # fmt: skip
    lines = [json.dumps({"jsonrpc": "2.0", "id": n, **each}) for n, each in enumerate(asked)]
    lines += [marker, f'{{"id": "{marker}", "method": 5}}', f'["{marker}"]']
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(net.home(net.names[0]).socket))
        with connection.makefile("rwb") as stream:
            stream.write("".join(f"{line}\n" for line in lines).encode())
            stream.flush()
            answers = [json.loads(stream.readline()) for _ in lines]
    assert all("error" in each for each in answers)
    assert not any(marker in json.dumps(each, ensure_ascii=False) for each in answers)


def fill(made: Confidant, folder: Path) -> None:
    """Plant the markers, by every way that a person has."""
    standard = folder / "standard.json"
    fields: list[dict[str, Any]] = [
        {"name": "number", "type": "identifier"}, {"name": "holder", "type": "text", "level": 4},
        {"name": "fee", "type": "amount"},
    ]  # fmt: skip
    body = {"id": f"{made.member}/secret", "title": "Permits", "fields": fields}
    standard.write_text(json.dumps(body), encoding="utf-8")
    made.run("standard", "publish", str(standard))
    table = folder / "secret.csv"
    rows = ["number,holder,fee", f"1,{MARKERS[0]},1.00", f"2,{MARKERS[1]},{MARKERS[2]}",
            f"3,{MARKERS[3]},{MARKERS[4]}"]  # fmt: skip
    table.write_text("\n".join(rows), encoding="utf-8")
    made.run("source", "add", "secret", f"path={table}", f"standard={made.member}/secret",
             "title=Permits", "key=number")  # fmt: skip
    made.run("collect", "run", "secret")
    made.run("quarantine", "list", "secret")
    made.run("quarantine", "fix", "secret", "3", f"holder={MARKERS[5]}", "fee=2.00")
    made.run("quarantine", "release", "secret")
    made.run("classify", "decide", "secret", "holder", "--level", "4", "--reason", MARKERS[6])
    made.run("dataset", "preview", f"{made.member}/secret")
    made.run("dataset", "diff", f"{made.member}/secret", "1", "2")
    silent = ("dataset", "preview", f"{made.member}/secret", "--plain", "--purpose", MARKERS[7])
    made.run(*silent)
    made.said = made.said[:-2]  # that one is to show values
    note = folder / "note.txt"
    note.write_text(f"The patient {MARKERS[8]} was admitted to hospital.", encoding="utf-8")
    made.run("classify", "decide-file", str(note), "--level", "4", "--reason", MARKERS[9])
    plant_uploads(made)
    plant_failures(made, folder)


def plant_uploads(made: Confidant) -> None:
    inbox = Inbox(made.home, made.master())
    inbox.invite("acme", "secret", 1)
    arrival = Intake(made.home).begin(inbox.senders()[0], f"{MARKERS[10]}.csv")
    arrival.add(f"number,holder,fee\n7,{MARKERS[11]},1.00".encode())
    arrival.complete()
    made.run("inbox", "look", arrival.id)


def plant_failures(made: Confidant, folder: Path) -> None:
    """Errors name places, never what stands there."""
    broken = folder / "broken.jsonl"
    broken.write_text(f'{{"number": "1", "holder": "{MARKERS[12]}", "fee"', encoding="utf-8")
    made.run("source", "add", "broken", f"path={broken}", f"standard={made.member}/secret",
             "title=Broken", "key=number")  # fmt: skip
    made.run("collect", "run", "broken")
    header = folder / "header"
    header.write_text(f"Authorization: Bearer {MARKERS[13]}", encoding="utf-8")
    header.chmod(0o600)
    made.run("source", "add", "web", "kind=http", f"url=http://127.0.0.1:9/?q={MARKERS[13]}",
             f"header_file={header}", f"standard={made.member}/secret", "title=Web")  # fmt: skip
    made.run("collect", "run", "web", fails=True)
    # The declaration is the steward's own file: what is secret in it belongs into url_file.
    (made.home.sources / "web.toml").unlink()

"""Versions destroyed, backed up, restored, previewed and compared, on a real node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node.data import vault
from node.data.access import AccessLog
from node.data.backup import KeyBackups
from node.data.keyring import Keyring
from node.data.sealing import SealError
from node.devnet import Devnet
from node.keys import load_key


class Steward:
    """Registers small tables through the command line."""

    def __init__(self, net: Devnet, command: Any, folder: Path) -> None:
        self.net, self.command, self.folder = net, command, folder
        self.home = net.home(net.names[0])
        self.member = net.names[0]
        passphrase = self.home.passphrase.read_text().strip()
        self.master = load_key(self.home.key("vault"), "vault", passphrase)
        self.keyring = Keyring(self.home.vault, self.master)

    def register(self, name: str, rows: list[list[str]]) -> str:
        path = self.folder / f"{name}.csv"
        lines = [["number", "holder", "fee"], *rows]
        path.write_text("\n".join(map(",".join, lines)), encoding="utf-8")
        self.command("dataset", "register", str(path), "--title", f"Fees {name}", "--level", "3")
        return f"{self.member}/{name}"

    def place(self, dataset: str, version: int) -> Path:
        return vault.folder_of(self.home.vault, dataset, version)


@pytest.fixture
def steward(net: Devnet, command: Any, tmp_path: Path) -> Steward:
    return Steward(net, command, tmp_path)


ROWS = [[f"{i:03}", f"holder-{i}", f"{i}.50"] for i in range(1, 31)]


def test_what_is_destroyed_stays_so_through_every_backup(steward: Steward) -> None:
    run, folder = steward.command, steward.folder
    name = steward.register("doomed", ROWS)
    steward.register("doomed", ROWS[:-1])
    copy, keys = folder / "copy", folder / "keys"
    (copy / "something" / "1").mkdir(parents=True)
    (copy / "some+thing" / "2").mkdir(parents=True)
    run("vault", "backup", str(copy))
    made = run("vault", "backup-keys", str(keys), "--days", "30")
    assert made["keys"] >= 2
    away = folder / "keys-kept-elsewhere"
    shutil.copy(keys, away)
    shutil.copytree(steward.home.vault, folder / "whole-vault")

    run("dataset", "destroy", name, "--version", "1", "--yes")
    run("dataset", "destroy", name, "--version", "2", "--row", "7", "--row", "9", "--yes")
    assert not steward.place(name, 1).exists()
    left = KeyBackups(steward.home.vault, steward.master).read(keys)
    assert not any(key.startswith(f"{name}|1|") for key in left)
    with pytest.raises(vault.VaultError, match="destroyed"):
        vault.Version(copy / steward.place(name, 1).relative_to(steward.home.vault),
                      steward.keyring)  # fmt: skip

    # The files are restored from before the erasure, with keys from a copy out of reach.
    shutil.rmtree(steward.place(name, 2))
    done = run("vault", "restore", str(copy), "--keys", str(away))
    assert done == {"restored": [f"{name} version 2"], "destroyed": [f"{name} version 1"]}
    opened = vault.Version(steward.place(name, 2), steward.keyring)
    assert opened.erased() == [7, 9]
    assert not any(key.startswith(f"{name}|1|") for key in steward.keyring.all())

    # The whole vault, keyring included, is put back by hand: replaying destroys again.
    shutil.rmtree(steward.home.vault)
    shutil.copytree(folder / "whole-vault", steward.home.vault)
    assert steward.place(name, 1).exists()
    assert run("vault", "replay") == [[name, 1], [name, 2]]
    assert run("vault", "replay") == []
    assert not steward.place(name, 1).exists()
    copied = run("vault", "backup", str(copy))
    assert copied == {"copied": 1, "removed": 1}
    assert (copy / "something" / "1").exists()
    assert (copy / "some+thing" / "2").exists()
    assert "destroyed already" in run("dataset", "destroy", name, "--version", "1", "--yes",
                                      fails=True)  # fmt: skip


def test_an_expired_key_backup_is_refused_and_removed(
    steward: Steward, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = steward.folder / "keys"
    backups = KeyBackups(steward.home.vault, steward.master)
    expires = backups.make(path, 1).expires
    monkeypatch.setattr("node.data.backup._now", lambda: expires)
    with pytest.raises(SealError, match="expired on"):
        backups.read(path)
    backups.prune()
    assert not path.exists()
    assert all(each.path != str(path) for each in backups.all())


def test_damage_is_found_located_and_restored(steward: Steward) -> None:
    run = steward.command
    name = steward.register("damaged", ROWS)
    run("vault", "backup", str(steward.folder / "copy"))
    segments = steward.place(name, 1) / "segments"
    data = bytearray(segments.read_bytes())
    data[99] ^= 1
    segments.write_bytes(data)
    assert "1 damages; restore" in run("vault", "verify", name, fails=True)
    done = run("vault", "restore", str(steward.folder / "copy"))
    assert done["restored"] == [f"{name} version 1"]
    assert run("vault", "verify", name) == {"versions": 1, "damages": []}
    shutil.rmtree(steward.place(name, 1))
    assert "1 damages; restore" in run("vault", "verify", name, fails=True)
    assert run("vault", "restore", str(steward.folder / "copy"))["restored"]
    (steward.place(name, 1) / "head").unlink()
    assert "1 damages; restore" in run("vault", "verify", name, fails=True)


def test_plain_reads_are_logged_anchored_and_missed_if_taken_away(steward: Steward) -> None:
    run = steward.command
    name = steward.register("read", ROWS)
    veiled = run("dataset", "preview", name, "--rows", "2")
    assert veiled["rows"] == [["***", "***", "***"]] * 2
    args = [sys.executable, "-m", "node", "dataset", "preview", name, "--plain", "--home",
            str(steward.home.path)]  # fmt: skip
    assert subprocess.run(args, capture_output=True, check=False).returncode == 2
    plain = run("dataset", "preview", name, "--rows", "2", "--plain", "--purpose", "marker-purpose")
    assert plain["rows"] == ROWS[:2]
    last = run("vault", "log")[-1]
    assert (last["dataset"], last["first"], last["last"]) == (name, 1, 2)
    assert last["purpose"] == "marker-purpose"
    home = str(steward.home.path)
    subprocess.run([sys.executable, "-m", "node", "vault", "anchor", "--home", home], check=True,
                   capture_output=True)  # fmt: skip
    assert run("vault", "verify", name)["damages"] == []
    path = steward.home.vault / "access.log"
    whole = path.read_bytes()
    assert b"marker-purpose" not in whole
    path.write_bytes(b"")
    AccessLog(steward.home.vault, steward.master).note("eve", name, 1, (1, 1), "nothing")
    assert "damages" in run("vault", "verify", name, fails=True)
    path.write_bytes(whole)


def test_versions_are_compared_by_record_and_datasets_found(steward: Steward) -> None:
    run = steward.command
    rows = [list(row) for row in ROWS]
    path = steward.folder / "compared.csv"
    body = {"id": f"{steward.member}/compared", "title": "Fees", "fields": [
        {"name": "number", "type": "identifier", "level": 1},
        {"name": "holder", "type": "person-name", "level": 3},
        {"name": "fee", "type": "amount"},
    ]}  # fmt: skip
    standard = steward.folder / "s.json"
    standard.write_text(json.dumps(body), encoding="utf-8")
    run("standard", "publish", str(standard))
    home = str(steward.home.path)
    subprocess.run(
        [sys.executable, "-m", "node", "source", "add", "compared", f"path={path}",
         f"standard={steward.member}/compared", "title=Fees compared", "key=number",
         "--home", home], check=True, capture_output=True,
    )  # fmt: skip
    for number in (1, 2):
        lines = [["number", "holder", "fee"], *rows]
        path.write_text("\n".join(map(",".join, lines)), encoding="utf-8")
        assert run("collect", "run", "compared")["version"] == number
        rows[2][1] = "another"
        rows[4][2] = "8.00"
        del rows[9]
    name = f"{steward.member}/compared"
    found = run("dataset", "diff", name, "1", "2")
    assert found == {
        "added": 0, "removed": 1, "changed": 2, "key": ["number"], "unique": [],
        "records": [
            {"what": "changed", "record": "003", "fields": [["holder", "***", "***"]]},
            {"what": "changed", "record": "005", "fields": [["fee", "5.50", "8.00"]]},
            {"what": "removed", "record": "010", "fields": []},
        ],
    }  # fmt: skip
    assert run("dataset", "quality", name)["quality"]["validity"] == 10_000
    assert [row["version"] for row in run("dataset", "versions", name)] == [1, 2]
    assert [r["dataset"] for r in run("dataset", "search", "COMPARED", "fees")] == [name]
    assert run("dataset", "search", "compared", "--level", "1") == []
    out = steward.folder / "c.ttl"
    subprocess.run([sys.executable, "-m", "node", "dataset", "export", "--home", home, "-o",
                    str(out)], check=True, capture_output=True)  # fmt: skip
    assert f'dct:identifier "{name}"' in out.read_text()
    run("dataset", "retire", name)
    assert run("dataset", "search", "compared", "fees") == []
    path.write_text("number,holder,fee\n1,2,3", encoding="utf-8")
    assert "is retired" in run("collect", "run", "compared", fails=True)


def test_records_whose_registration_may_yet_be_final_are_not_replaced(steward: Steward) -> None:
    """As after a command that gave up waiting: its records stay until the chain has passed."""
    name = steward.register("waiting", ROWS)
    place = steward.place(name, 2)
    place.mkdir()
    (place / "submitted").write_text("1000000")
    path = steward.folder / "waiting.csv"
    again = ("dataset", "register", str(path), "--title", "Fees waiting", "--level", "3")
    said = steward.command(*again, fails=True)
    assert "may still become final" in said
    assert "above height 1000000" in said
    assert (place / "submitted").exists()
    (place / "submitted").write_text("0")
    assert steward.command(*again)["version"] == 2
    assert not (place / "submitted").exists()


def _operator(steward: Steward, name: str, *options: str) -> Path:
    """Make and grant an operator; returns the file of its passphrase."""
    file = steward.folder / f"{name}.pass"
    file.write_text(f"passphrase of {name}")
    file.chmod(0o600)
    steward.command("operator", "new", name, "--passphrase-file", str(file))
    card = steward.home.path / "operators" / f"{name}.json"
    steward.command("operator", "grant", str(card), *options)
    return file


def test_operators_read_under_their_name_and_destroy_in_twos(steward: Steward) -> None:
    run = steward.command
    terms = ("--trained-until", "2099-12-31", "--confidential-until", "2099-12-31")
    li = _operator(steward, "li-vault", "--duty", "steward", *terms)
    wang = _operator(steward, "wang-vault", "--duty", "approver", *terms)
    name = steward.register("shared", ROWS)
    plain = ("dataset", "preview", name, "--plain", "--purpose", "audit")
    said = run(*plain, "--as", "wang-vault", "--as-passphrase-file", str(wang), fails=True)
    assert "needs the duty steward or auditor" in said
    run(*plain, "--as", "li-vault", "--as-passphrase-file", str(li))
    key = json.loads((steward.home.path / "operators" / "li-vault.json").read_text())["key"]
    last = run("vault", "log")[-1]
    assert (last["operator"], last["dataset"]) == (f"li-vault {key[:16]}", name)
    prove = ("prove-record", name, "--row", "1", "--txid", "00" * 32, "--field", "holder",
             "-o", str(steward.folder / "r.proof"), "--as")  # fmt: skip
    said = run(*prove, "wang-vault", "--as-passphrase-file", str(wang), plain=True, fails=True)
    assert "needs the duty steward or auditor" in said
    run(*prove, "li-vault", "--as-passphrase-file", str(li), plain=True, fails=True)
    last = run("vault", "log")[-1]  # shown is what the proof would show, so it is noted first
    assert (last["operator"], last["purpose"]) == (f"li-vault {key[:16]}", "proof of: holder")
    anchored = run(
        "vault", "anchor", "--as", "li-vault", "--as-passphrase-file", str(li), plain=True
    )
    assert "entries are anchored" in anchored

    own = ("--as", "li-vault", "--passphrase-file", str(li))
    asked = run("dataset", "destroy", name, "--version", "1", "--yes", *own)
    assert steward.place(name, 1).exists()
    confirm = ("operator", "confirm", str(asked["request"]))
    assert run(*confirm, *own, fails=True)
    assert steward.place(name, 1).exists()
    run(*confirm, "--as", "wang-vault", "--passphrase-file", str(wang))
    assert [name, 1] in run("vault", "replay")
    assert not steward.place(name, 1).exists()

"""Open data as files: written from the vault, checked by proof alone, withdrawn with the chain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from node.data.access import AccessLog
from node.devnet import Devnet
from node.errors import MunimentError
from node.keys import load_key
from node.network import load_genesis
from node.publish import proof, shelf
from node.publish.proof import Checked
from node.publish.shelf import TYPES, Publication, Shelf

COUNT = 2_500
ROWS = [[f"{i:04}", "=cmd|' /C calc'!A0" if i == 7 else f"site, \"{i % 5}\"", f"{i - 9}.50"]
        for i in range(1, COUNT + 1)]  # fmt: skip


class Press:
    """Registers tables of a level, publishes them, and lays out what a visitor loads down."""

    def __init__(self, net: Devnet, command: Any, folder: Path) -> None:
        self.home, self.command, self.folder = net.home(net.names[0]), command, folder
        self.member = net.names[0]
        self.shelf = Shelf(self.home.open)

    def register(self, name: str, rows: list[list[str]], level: int = 1) -> str:
        path = self.folder / f"{name}.csv"
        lines = [["number", "site", "fee"], *rows]
        cells = [",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line)
                 for line in lines]  # fmt: skip
        path.write_text("\n".join(cells), encoding="utf-8")
        self.command("dataset", "register", str(path), "--title", name, "--level", str(level))
        return f"{self.member}/{name}"

    def loaded(self, found: Publication, syntax: str) -> Path:
        """A data file with its proof beside it, as a visitor has them."""
        data = self.folder / f"loaded.{syntax}"
        for place, name in ((data, syntax), (Path(f"{data}.proof"), "proof")):
            with self.shelf.open(found, name) as source, place.open("wb") as target:
                shutil.copyfileobj(source, target)
        return data

    def verify(self, data: Path) -> Checked:
        genesis = load_genesis(self.home.genesis).genesis
        return proof.verify(Path(f"{data}.proof"), data, genesis)

    def fails(self, data: Path) -> str:
        with pytest.raises(MunimentError) as caught:
            self.verify(data)
        return caught.value.message


@pytest.fixture
def press(net: Devnet, command: Any, tmp_path: Path) -> Press:
    return Press(net, command, tmp_path)


def test_published_files_are_what_was_registered(press: Press) -> None:
    name = press.register("sites", ROWS)
    assert press.command("portal", "publish", name)["records"] == COUNT
    [found] = press.shelf.all()
    assert found.names == ["number", "site", "fee"]
    for syntax in TYPES:
        data = press.loaded(found, syntax)
        said = press.verify(data)
        assert (said.records, said.erased, said.registration["level"]) == (COUNT, 0, 1)
    assert press.shelf.records(found, 1_234, 2) == ROWS[1_234:1_236]
    assert press.shelf.records(found, COUNT - 1, 9) == ROWS[-1:]
    assert press.shelf.records(found, COUNT, 9) == []

    csv = press.loaded(found, "csv")
    assert "'=cmd" in csv.read_text()
    whole = csv.read_bytes()
    for changed in (
        whole.replace(b"0042", b"0043", 1),
        whole[: whole.rindex(b"2500")],
        whole + b"2501,x,1\r\n",
        whole.replace(b"'=cmd", b"=cmd"),
    ):
        csv.write_bytes(changed)
        assert press.fails(csv)
    swapped = whole.split(b"\r\n")
    swapped[1], swapped[2] = swapped[2], swapped[1]
    csv.write_bytes(b"\r\n".join(swapped))
    assert "not what was registered" in press.fails(csv)
    csv.write_bytes(whole)
    proof_file = Path(f"{csv}.proof")
    sealed = proof_file.read_bytes()
    for place in (17, 40, len(sealed) // 2, len(sealed) - 1):
        proof_file.write_bytes(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
        assert press.fails(csv)
    proof_file.write_bytes(sealed)
    told = press.command("verify", str(proof_file), "--genesis", str(press.home.genesis),
                         at_home=False)  # fmt: skip
    assert (told["dataset"], told["records"]) == (name, COUNT)

    passphrase = press.home.passphrase.read_text().strip()
    log = AccessLog(press.home.vault, load_key(press.home.key("vault"), "vault", passphrase))
    assert any(e.purpose == "open data" and e.dataset == name for e in log)


def test_what_is_handed_out_at_once_is_bounded(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = press.register("signs", ROWS[:300])
    press.command("portal", "publish", name)
    found = press.shelf.find(name, 1)
    assert found is not None
    assert len(press.shelf.records(found, 100, 200)) == 200
    monkeypatch.setattr(shelf, "MAX_SHOWN_BYTES", 1_000)
    assert len(press.shelf.records(found, 100, 5)) == 5
    with pytest.raises(MunimentError, match="too large"):
        press.shelf.records(found, 100, 200)


def test_only_open_data_is_published(press: Press) -> None:
    name = press.register("staff", ROWS[:3], level=3)
    assert "of level L3" in press.command("portal", "publish", name, fails=True)
    assert press.shelf.find(name, 1) is None
    assert not list(press.home.open.glob("*+staff/*"))


def test_what_ends_on_the_chain_ends_on_the_shelf(press: Press) -> None:
    name = press.register("trees", ROWS[:20])
    press.command("portal", "publish", name)
    press.command("dataset", "destroy", name, "--version", "1", "--row", "7", "--yes")
    assert press.shelf.find(name, 1) is None
    press.command("portal", "publish", name)
    found = press.shelf.find(name, 1)
    assert found is not None
    assert (found.records, found.erased) == (19, (7,))
    for syntax in TYPES:
        assert press.verify(press.loaded(found, syntax)).erased == 1
    press.command("vault", "replay")
    assert press.shelf.find(name, 1) is not None

    press.register("trees", ROWS[:20], level=2)
    [gone] = [e for e in press.command("portal", "list")["removed"] if e["dataset"] == name]
    assert "L2" in gone["why"]
    assert not list(press.home.open.glob("*+trees/*"))
    assert "L2" in press.command("portal", "publish", name, "--version", "1", fails=True)


def test_publishing_again_replaces_and_withdrawing_leaves_nothing(press: Press) -> None:
    name = press.register("lamps", ROWS[:5])
    press.command("portal", "publish", name)
    first = press.shelf.find(name, 1)
    assert first is not None
    with press.shelf.open(first, "json") as reading:
        press.command("portal", "publish", name)
        assert json.loads(reading.read())[0]["number"] == "0001"  # who reads, reads on
    [description] = press.home.open.glob("*+lamps/1.json")
    description.write_text("{")
    (description.parent / "1-unfinished").mkdir()
    press.command("portal", "publish", name)
    assert len(list(press.home.open.glob("*+lamps/*"))) == 2
    kept = press.folder / "kept"
    shutil.copytree(press.home.open / name.replace("/", "+"), kept)
    press.command("portal", "withdraw", name, "--version", "1")
    assert not list(press.home.open.glob("*+lamps/*"))
    shutil.copytree(kept, press.home.open / name.replace("/", "+"), dirs_exist_ok=True)
    [stray] = press.command("portal", "list")["removed"]  # files alone publish nothing
    assert "does not call it published" in stray["why"]
    press.command("portal", "withdraw", name, "--version", "1", fails=True)

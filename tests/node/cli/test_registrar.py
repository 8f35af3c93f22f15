"""The registrar's desk without a network: persons come, act for each other, lose keys and die."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consensus.crypto import Signer, sha256
from node.cli import cli
from node.errors import MunimentError
from node.home import atomic_write
from node.provision import make_home

LI, CHILD = "11010119900307123X", "110101201503070012"
KEYS = [Signer(sha256(bytes([n]))).public_key.hex() for n in range(3)]


class Desk:
    def __init__(self, path: Path) -> None:
        home, _, _ = make_home(path, "civil", "a passphrase", (), ())
        atomic_write(home.passphrase, b"a passphrase", 0o600)
        self.home = path

    def run(self, *args: object) -> str:
        words = ["registrar", *map(str, args), "--home", str(self.home)]
        done = CliRunner().invoke(cli, words, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def shown(self, person: str) -> Any:
        return json.loads(self.run("show", person, "--json"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "civil")


def test_persons_are_registered_once_and_known_however_they_are_written(desk: Desk) -> None:
    desk.run("person", LI, "--key", KEYS[0])
    with pytest.raises(MunimentError, match="is registered"):
        desk.run("person", LI.lower(), "--key", KEYS[1])
    found = desk.shown("1101 0119 9003 0712 3x")
    assert (found["person"], found["key"], found["status"]) == (LI, KEYS[0], "active")
    assert found["authorisations"] == []
    with pytest.raises(MunimentError, match="not registered"):
        desk.shown(CHILD)


def test_a_ward_has_guardians_who_are_known(desk: Desk) -> None:
    ward = ("person", CHILD, "--key", KEYS[1], "--of-age", "2033-03-07", "--guardian", LI)
    with pytest.raises(MunimentError, match="not registered"):
        desk.run(*ward)
    desk.run("person", LI, "--key", KEYS[0])
    desk.run(*ward)
    assert desk.shown(CHILD)["guardians"] == [LI]
    assert "0 authorisations withdrawn" in desk.run("guardians", CHILD)
    assert desk.shown(CHILD)["guardians"] == []


def test_keys_are_replaced_and_the_dead_are_noted(desk: Desk) -> None:
    desk.run("person", LI, "--key", KEYS[0])
    desk.run("lost", LI, "--key", KEYS[2])
    assert desk.shown(LI)["key"] == KEYS[2]
    desk.run("died", LI)
    assert desk.shown(LI)["status"] == "died"
    assert "0 authorisations" in desk.run("withdraw", LI)


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "00" * 33])
def test_what_is_no_key_is_refused(desk: Desk, key: str) -> None:
    import click

    with pytest.raises(click.UsageError, match="64 hexadecimal"):
        desk.run("person", LI, "--key", key)

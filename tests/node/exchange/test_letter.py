"""Letters of subjects: signed as a whole, sealed as they arrive, answered to their writer only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.crypto import Signer, sha256
from node.exchange import letter
from node.exchange.consent import AuthoriseError, Scope
from node.exchange.declaration import ASK, AUTHORISE, Form, declare
from node.exchange.letter import MAX_AGE_MS, Letter, LetterBox, write
from node.exchange.registrar import Person, Register
from node.publish.box import BoxError

LI, WANG = "11010119900307123X", "110101198511110027"
SEEDS = {name: sha256(name.encode()) for name in (LI, WANG)}
MASTER = bytes(32)


class Office:
    """A registrar with two persons and one batch."""

    def __init__(self, folder: Path) -> None:
        self.register = Register(folder / "registrar", MASTER)
        for name, seed in SEEDS.items():
            self.register.put(Person(name, Signer(seed).public_key))
        scope = Scope(sha256(b"chain"), 1, "civil", "land/permits", "tax", "loan", 1, 1 << 50)
        self.form: Form = self.register.open_batch(scope).form
        self.folder = folder / "letters"
        self.box = LetterBox(self.folder, MASTER)

    def write(self, name: str = LI, kind: str = ASK, words: str = "") -> tuple[Letter, str]:
        seed = SEEDS[name]
        return write(self.form, declare(kind, self.form, seed, name, name), seed, words)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_letter_is_answered_to_its_code(office: Office) -> None:
    sealed, code = office.write(words="I never agreed <b>")
    data = sealed.to_json().encode()
    with pytest.raises(BoxError):
        letter.hand_in(office.folder, data)  # no registrar takes letters here yet
    office.box.open()
    name = letter.hand_in(office.folder, data)
    assert letter.read_answer(office.folder, code) is None
    [(known, found)] = office.box.letters()
    assert (known, found) == (name, sealed)
    assert found.check(office.register, found.time).scope.batch == 1
    office.box.answer(name, {"text": "it was withdrawn"})
    assert office.box.letters() == []
    assert letter.read_answer(office.folder, f" {code.upper()} ") == {"text": "it was withdrawn"}
    _, other = office.write()
    assert letter.read_answer(office.folder, other) is None
    stored = b"".join(p.read_bytes() for p in office.folder.rglob("*") if p.is_file())
    assert not any(secret in stored for secret in (LI.encode(), b"never", b"withdrawn"))


def test_no_part_of_a_letter_can_be_exchanged(office: Office) -> None:
    sealed, _ = office.write()
    other, _ = office.write(WANG)
    now = sealed.time
    forged = (
        replace(sealed, words="more"),
        replace(sealed, reply=other.reply),
        replace(sealed, time=now + 1),
        replace(sealed, declaration=office.write(kind=AUTHORISE)[0].declaration),
        replace(other, declaration=sealed.declaration),
        replace(sealed, declaration=replace(sealed.declaration, identity=WANG)),
        replace(sealed, declaration=replace(sealed.declaration, signer=WANG)),
    )
    for each in forged:
        with pytest.raises(AuthoriseError):
            Letter.of_json(each.to_json().encode()).check(office.register, now)
    for age in (-MAX_AGE_MS - 1, MAX_AGE_MS + 1):
        with pytest.raises(AuthoriseError, match="too old"):
            sealed.check(office.register, now + age)


@pytest.mark.parametrize("code", ["", "x", "aaaa", "=" * 9, "é", "a" * 51, "a" * 60, "0" * 52])
def test_what_is_no_code_is_refused(office: Office, code: str) -> None:
    with pytest.raises(AuthoriseError):
        letter.read_answer(office.folder, code)


def test_what_is_no_letter_is_refused(office: Office) -> None:
    office.box.open()
    row = json.loads(office.write()[0].to_json())
    wrong = [b"", b"[]", b"{}", b"[" * 9_000, b"\xff", b" " * 70_000 + b"{}"]
    for name, value in (("letter", 2), ("declaration", {}), ("words", "x" * 20_000), ("time", "1"),
                        ("reply", "00"), ("seal", "zz"), ("words", None)):  # fmt: skip
        wrong.append(json.dumps({**row, name: value}).encode())
    for data in wrong:
        with pytest.raises(AuthoriseError):
            letter.hand_in(office.folder, data)
    assert office.box.letters() == []


def test_old_answers_are_destroyed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.box.open()
    sealed, code = office.write()
    office.box.answer(letter.hand_in(office.folder, sealed.to_json().encode()), {})
    office.box.open()
    assert letter.read_answer(office.folder, code) == {}
    monkeypatch.setattr(letter, "KEPT_S", -1.0)
    office.box.open()
    assert letter.read_answer(office.folder, code) is None

"""From a subject's signature to the question whether a record may be delivered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.crypto import Signer, sha256
from node.envelopes.content import Content
from node.envelopes.sealed import EnvelopeError
from node.exchange.authorise import Authorisations, Batch, Proof
from node.exchange.consent import (
    PART_ENTRIES,
    Authorisation,
    AuthoriseError,
    Scope,
    authorise,
    count_of,
    normalise,
    refer,
)
from node.exchange.declaration import AUTHORISE, WITHDRAW, Declaration, Form, declare
from node.exchange.registrar import Entry, Person, Publication, Register

CHAIN = sha256(b"chain")
NOW, YEAR_MS = 1_750_000_000_000, 365 * 86_400_000
LI, WANG, ZHAO, CHILD = "11010119900307123X", "110101198511110027", "110101197002290017", "C-1"
SEEDS = {name: sha256(name.encode()) for name in (LI, WANG, ZHAO, CHILD)}
SCOPE = ("land/permits", "tax", "loan")


class Desk:
    """A registrar's register, and what chain and owner get to see of it."""

    def __init__(self, folder: Path) -> None:
        self.register = Register(folder, bytes(32))
        self.envelopes: dict[str, Content] = {}
        self.rows: dict[int, dict[str, Any]] = {}

    def enrol(self, *names: str, **known: Any) -> None:
        for name in names:
            self.register.put(Person(name, Signer(SEEDS[name]).public_key, **known))

    def open(self, purpose: str = "loan") -> Form:
        number = len(self.rows) + 1
        scope = Scope(CHAIN, number, "civil", *SCOPE[:2], purpose, 1, NOW + YEAR_MS)
        self.rows[number] = {
            "id": number, "registrar": "civil", "dataset": SCOPE[0], "recipient": "tax",
            "purpose": purpose, "field": 1, "until": scope.until, "revision": 0, "usable": False,
        }  # fmt: skip
        return self.register.open_batch(scope).form

    def sign(self, form: Form, *names: str, kind: str = AUTHORISE) -> None:
        for name in names:
            self.register.take(declare(kind, form, SEEDS[name], name, name), NOW)

    def publish(self, number: int) -> Publication:
        made = self.register.prepare(number, self.rows[number]["revision"])
        for content in (*made.parts, made.states):
            self.envelopes[content.commitment.hex()] = content
        self.rows[number] |= {
            "count": made.count, "root": made.root.hex(), "states": made.states_root.hex(),
            "revision": made.draft.revision, "envelope": made.states.commitment.hex(),
            "parts": [part.commitment.hex() for part in made.parts], "usable": True,
        }  # fmt: skip
        self.register.save(made.draft)
        return made

    def query(self, contract: str, method: str, args: dict[str, Any]) -> Any:
        assert (contract, method) == ("subjects", "batches")
        scope = {name: args[name] for name in ("dataset", "recipient", "purpose")}
        found = [row for row in self.rows.values() if row["id"] > args.get("after", 0)]
        return [row for row in found if scope.items() <= row.items()]

    def unseal(self, envelope: bytes) -> Content:
        if envelope.hex() not in self.envelopes:
            raise EnvelopeError("is not here (yet)")
        return self.envelopes[envelope.hex()]

    def load(self) -> Authorisations:
        return Authorisations.load(CHAIN, self.query, self.unseal, SCOPE, NOW)

    def batch(self, number: int) -> Batch:
        return Batch.open(CHAIN, self.rows[number], self.unseal)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "registrar")
    made.enrol(LI, WANG, ZHAO)
    return made


def test_who_signed_is_covered_until_it_withdraws(desk: Desk) -> None:
    form = desk.open()
    desk.sign(form, LI, WANG)
    assert not desk.load().allowed(LI)
    desk.publish(1)
    found = desk.load()
    rows: list[list[str | None]] = [["1", LI], ["2", ZHAO], [WANG, None], ["4"]]
    assert [found.covers(row) for row in rows] == [True, False, False, False]
    assert [found.allowed(name) for name in (LI, WANG, ZHAO, None)] == [True, True, False, False]
    assert found.allowed("1101 0119-9003 0712 3x"), "identities are compared as people write them"
    desk.sign(form, WANG, kind=WITHDRAW)
    assert desk.register.load(1).is_behind
    desk.publish(1)
    assert not found.is_current(desk.query, SCOPE, NOW), "what was loaded is stale"
    found = desk.load()
    assert found.is_current(desk.query, SCOPE, NOW)
    assert [found.allowed(name) for name in (LI, WANG)] == [True, False]
    assert desk.batch(1).is_withdrawn(WANG)
    assert not desk.register.load(1).is_behind


def test_what_the_chain_sees_neither_counts_nor_links(desk: Desk) -> None:
    forms = [desk.open(), desk.open()]
    for form in forms:
        desk.sign(form, LI)
    desk.sign(forms[1], WANG, ZHAO)
    made = [desk.publish(1), desk.publish(2)]
    assert made[0].count == made[1].count == 16
    before = desk.batch(1), desk.batch(2)
    one, two = ({*b.entries[0].to_value(), *b.leaves, *b.states} for b in before)  # type: ignore[misc]
    assert not one & two, "one person's two authorisations have nothing in common"
    desk.publish(1)
    after = desk.batch(1)
    assert not set(before[0].states) & set(after.states), "a revision changes every leaf"
    assert after.leaves == before[0].leaves


def test_a_proof_shows_one_record_and_holds_for_one_revision(desk: Desk) -> None:
    form = desk.open()
    desk.sign(form, LI, WANG)
    desk.publish(1)
    proof = Proof.decode(desk.load().prove(LI).encode())
    proof.check(CHAIN, desk.rows[1])
    other = desk.load().prove(WANG)
    for wrong in (
        replace(proof, place=proof.place ^ 1),
        replace(proof, salt=bytes(16)),
        replace(proof, entry=other.entry),
        replace(proof, path=other.path),
        replace(proof, state_path=proof.state_path[:-1]),
        replace(proof, batch=2),
    ):
        with pytest.raises(AuthoriseError):
            wrong.check(CHAIN, desk.rows[1])
    desk.sign(form, LI, kind=WITHDRAW)
    desk.publish(1)
    with pytest.raises(AuthoriseError, match="revision 1"):
        proof.check(CHAIN, desk.rows[1])
    with pytest.raises(AuthoriseError, match="withdrawn"):
        replace(proof, revision=2).check(CHAIN, desk.rows[1])
    with pytest.raises(AuthoriseError):
        desk.load().prove(LI)


def forge(desk: Desk, number: int, *entries: Authorisation) -> Batch:
    """Let a registrar put entries into a batch that no subject handed in; the owner opens it."""
    draft = desk.register.load(number)
    listed = tuple(Entry("?", "?", entry) for entry in entries)
    desk.register.save(replace(draft, entries=(*draft.entries, *listed)))
    desk.publish(number)
    return desk.batch(number)


def test_replayed_forged_and_doubled_authorisations_count_for_nothing(desk: Desk) -> None:
    first, second = desk.open(), desk.open()
    old = authorise(first.scope, first.key, SEEDS[LI], LI)
    replayed = replace(old, reference=refer(second.key, LI))
    moved = replace(
        authorise(second.scope, second.key, SEEDS[WANG], WANG), reference=refer(second.key, ZHAO)
    )
    batch = forge(desk, 2, old, replayed, moved)
    assert batch.forged == 3
    assert not any(batch.allows(name) for name in (LI, WANG, ZHAO))
    third = desk.open()
    twice = authorise(third.scope, third.key, SEEDS[LI], LI)
    batch = forge(desk, 3, twice, twice)
    assert batch.forged == 2
    assert not batch.allows(LI)


def test_an_owner_takes_only_what_the_chain_commits_to(desk: Desk) -> None:
    form = desk.open()
    desk.sign(form, LI, WANG)
    desk.publish(1)
    stale = desk.rows[1]["envelope"]
    desk.sign(form, LI, kind=WITHDRAW)
    desk.publish(1)
    row = desk.rows[1]
    for wrong in (
        {**row, "envelope": stale},
        {**row, "states": "00" * 32},
        {**row, "root": "00" * 32},
        {**row, "parts": [row["envelope"]]},
        {**row, "id": 2},
    ):
        with pytest.raises(AuthoriseError):
            Batch.open(CHAIN, wrong, desk.unseal)
    with pytest.raises(EnvelopeError, match="not here"):
        Batch.open(CHAIN, {**row, "envelope": "11" * 32}, desk.unseal)


def test_a_batch_that_cannot_be_opened_harms_no_other(desk: Desk) -> None:
    for names in ((LI, WANG), (ZHAO, WANG)):
        desk.sign(desk.open(), *names)
    desk.publish(1)
    desk.publish(2)
    before = desk.load()
    desk.sign(desk.register.load(1).form, LI, kind=WITHDRAW)
    desk.publish(1)
    del desk.envelopes[desk.rows[1]["envelope"]]
    found = desk.load()
    assert [found.allowed(name) for name in (LI, WANG, ZHAO)] == [False, True, True]
    assert found.faults == ("batch 1 of civil: is not here (yet)",)
    assert found.is_current(desk.query, SCOPE, NOW)
    assert not before.is_current(desk.query, SCOPE, NOW)


def altered(made: Declaration, **changes: Any) -> Declaration:
    return replace(made, **changes)


def test_the_registrar_refuses_what_is_not_the_persons_own(desk: Desk, tmp_path: Path) -> None:
    form, other = desk.open(), desk.open()
    made = declare(AUTHORISE, form, SEEDS[LI], LI, LI)
    path = tmp_path / "li.json"
    path.write_text(made.to_json())
    assert Declaration.load(path) == made
    stranger = declare(AUTHORISE, form, SEEDS[ZHAO], LI, LI)
    for wrong, why in (
        (stranger, "registered key"),
        (altered(made, identity=WANG), "may not sign"),
        (altered(made, identity=WANG, signer=WANG), "registered key"),
        (altered(made, batch=2), "registered key"),
        (altered(made, kind=WITHDRAW), "registered key"),
        (declare(AUTHORISE, replace(other, scope=form.scope), SEEDS[LI], LI, LI), "reference"),
        (declare(AUTHORISE, replace(form, scope=replace(form.scope, recipient="x")), SEEDS[LI],
                 LI, LI), "text"),
        (declare(AUTHORISE, form, SEEDS[LI], CHILD, LI), "not registered"),
        (declare(WITHDRAW, form, SEEDS[LI], LI, LI), "nothing to withdraw"),
    ):  # fmt: skip
        with pytest.raises(AuthoriseError, match=why):
            desk.register.take(wrong, NOW)
    desk.register.take(made, NOW)
    with pytest.raises(AuthoriseError, match="already"):
        desk.register.take(made, NOW)
    desk.publish(1)
    with pytest.raises(AuthoriseError, match="posted"):
        desk.sign(form, WANG)


def test_files_that_are_no_declarations_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text in ("", "[]", "{}", '{"declaration": 1}', '{"declaration": 1, "kind": "authorise"}'):
        path.write_text(text)
        with pytest.raises(AuthoriseError):
            Declaration.load(path)
        with pytest.raises(AuthoriseError):
            Form.load(path)


def test_forms_survive_their_file(desk: Desk, tmp_path: Path) -> None:
    form = desk.open()
    path = tmp_path / "form.json"
    path.write_text(form.to_json())
    assert Form.load(path) == form


def test_guardians_sign_until_the_ward_is_of_age(desk: Desk) -> None:
    register = desk.register
    desk.enrol(CHILD, of_age=NOW + YEAR_MS)
    form = desk.open()
    with pytest.raises(AuthoriseError, match="not of age"):
        desk.sign(form, CHILD)
    with pytest.raises(AuthoriseError, match="may not sign"):
        register.take(declare(AUTHORISE, form, SEEDS[LI], CHILD, LI), NOW)
    register.set_guardians(CHILD, (LI,))
    register.take(declare(AUTHORISE, form, SEEDS[LI], CHILD, LI), NOW)
    desk.publish(1)
    assert desk.load().allowed(CHILD)
    assert register.review_wards(NOW) == 0
    assert register.review_wards(NOW + YEAR_MS) == 1
    desk.publish(1)
    assert not desk.load().allowed(CHILD)
    assert register.may_sign(CHILD, CHILD, NOW + YEAR_MS)


def test_a_new_guardian_a_lost_key_and_a_death_withdraw(desk: Desk) -> None:
    register = desk.register
    desk.enrol(CHILD, of_age=NOW + YEAR_MS)
    register.set_guardians(CHILD, (LI,))
    form = desk.open()
    register.take(declare(AUTHORISE, form, SEEDS[LI], CHILD, LI), NOW)
    desk.sign(form, LI, WANG, ZHAO)
    assert register.set_guardians(CHILD, (WANG,)) == 1
    assert register.replace_key(WANG, Signer(SEEDS[CHILD]).public_key) == 1
    assert register.bury(ZHAO) == 1
    assert desk.publish(1).count == 16
    assert [desk.load().allowed(n) for n in (LI, WANG, ZHAO, CHILD)] == [True, False, False, False]
    assert len(desk.batch(1).entries) == 1, "who withdrew before it was posted never enters"
    later = desk.open()
    with pytest.raises(AuthoriseError, match="dead"):
        desk.sign(later, ZHAO)
    with pytest.raises(AuthoriseError, match="registered key"):
        desk.sign(later, WANG)


def test_a_withdrawal_reaches_every_batch_of_its_purpose(desk: Desk) -> None:
    forms = [desk.open(), desk.open(), desk.open("audit")]
    for form in forms:
        desk.sign(form, LI)
    for number in (1, 2, 3):
        desk.publish(number)
    desk.sign(forms[0], LI, kind=WITHDRAW)
    for number in (1, 2):
        assert desk.register.load(number).is_behind
        desk.publish(number)
    assert not desk.register.load(3).is_behind
    assert not desk.load().allowed(LI)
    assert desk.register.withdraw(LI, None, "on request") == 1


def test_a_withdrawal_is_not_taken_twice(desk: Desk) -> None:
    first, second = desk.open(), desk.open()
    desk.sign(first, LI)
    desk.publish(1)
    desk.sign(first, LI, kind=WITHDRAW)
    desk.sign(second, LI)
    with pytest.raises(AuthoriseError, match="nothing to withdraw"):
        desk.sign(first, LI, kind=WITHDRAW)
    desk.publish(2)
    assert desk.load().batches[-1].allows(LI)


def test_an_interrupted_posting_is_taken_up_with_the_same_leaves(desk: Desk) -> None:
    form = desk.open()
    desk.sign(form, LI, WANG)
    first = desk.register.prepare(1, 0)  # posted, but the register could not be saved
    desk.register.withdraw(LI, 1, "on request")
    second = desk.register.prepare(1, 1)
    assert (second.root, second.draft.revision) == (first.root, 2)
    assert len(second.draft.posted) == 1


def test_a_batch_of_several_envelopes(desk: Desk) -> None:
    form = desk.open()
    draft = desk.register.load(1)
    names = [f"P{number}" for number in range(PART_ENTRIES + 1)]
    entries = [Entry(n, n, authorise(form.scope, form.key, sha256(n.encode()), n)) for n in names]
    desk.register.save(replace(draft, entries=tuple(entries)))
    made = desk.publish(1)
    assert (len(made.parts), made.count) == (2, 1_024)
    batch = desk.batch(1)
    assert all(batch.allows(name) for name in names)
    batch.prove("P7").check(CHAIN, desk.rows[1])


def test_a_batch_is_forgotten(desk: Desk) -> None:
    desk.sign(desk.open(), LI)
    assert len(list(desk.register.entries_of(LI))) == 1
    desk.register.forget(1)
    assert list(desk.register.entries_of(LI)) == []
    with pytest.raises(AuthoriseError, match="not opened here"):
        desk.register.load(1)


def test_counts_and_identities() -> None:
    assert [count_of(n) for n in (0, 1, 16, 17, 16_384)] == [16, 16, 16, 32, 16_384]
    assert normalise(" 1101 01-199\u3000003０7123x\t") == "11010119900307123X"


def test_files_of_the_register_tell_no_names(desk: Desk, tmp_path: Path) -> None:
    form = desk.open()
    desk.sign(form, LI)
    files = [path for path in (tmp_path / "registrar").rglob("*") if path.is_file()]
    assert len(files) >= 4
    for path in files:
        assert LI not in path.name
        assert LI.encode() not in path.read_bytes()


def test_two_commands_do_not_change_the_register_at_once(desk: Desk, tmp_path: Path) -> None:
    other = Register(tmp_path / "registrar", bytes(32))
    with desk.register.alone(), pytest.raises(AuthoriseError, match="at work"), other.alone():
        pass
    with other.alone():
        assert other.find(LI) is not None

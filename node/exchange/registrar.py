"""A registrar's register: who is who, whose keys, who acts for whom, and what they authorised.

Kept encrypted in the registrar's home (`registrar/`): a file for each person, named by a keyed
digest, and one for each batch. Nothing of it goes to the chain; owners get references and keys.
"""

from __future__ import annotations

import fcntl
import hmac
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consensus import merkle
from contracts.system.subjects.batches import MAX_COUNT
from node.data.sealing import Sealer, derive, destroy_file
from node.envelopes.content import Content
from node.exchange.consent import (
    KEY_BYTES,
    Authorisation,
    AuthoriseError,
    Scope,
    count_of,
    entry_records,
    leaves_of,
    normalise,
    state_record,
    states_of,
)
from node.exchange.declaration import ASK, WITHDRAW, Declaration, Form

OF_AGE, DIED, KEY_LOST, ON_REQUEST, SIGNED = (
    "of age", "died", "key lost", "on request", "signed",
)  # fmt: skip
"""Why an authorisation was withdrawn."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with the public key of their key file. `of_age`: ms UTC, until then guardians act.

    `guardians` are identities; `status` is active or died.
    """

    identity: str
    key: bytes | None
    of_age: int = 0
    guardians: tuple[str, ...] = ()
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Entry:
    """An authorisation in a batch, whose it is, who signed it, and why it was withdrawn."""

    identity: str
    signer: str
    authorisation: Authorisation
    withdrawn: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch in the register. `revision` and `posted` are what the chain was told last."""

    scope: Scope
    key: bytes
    seed: bytes
    entries: tuple[Entry, ...] = ()
    revision: int = 0
    posted: frozenset[int] = frozenset()

    @property
    def form(self) -> Form:
        return Form(self.scope, self.key)

    @property
    def withdrawn(self) -> frozenset[int]:
        return frozenset(p for p, entry in enumerate(self.entries) if entry.withdrawn)

    @property
    def is_behind(self) -> bool:
        """Whether withdrawals wait to be told to the chain."""
        return self.revision > 0 and self.withdrawn != self.posted


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be sealed to the owner and told to the chain: post or revise of a batch."""

    draft: Draft
    parts: tuple[Content, ...]
    states: Content
    count: int
    root: bytes
    states_root: bytes


class Register:
    """Raises AuthoriseError where a rule says no, SealError where a file is damaged.

    Whoever changes it holds it `alone`.
    """

    def __init__(self, folder: Path, master: bytes) -> None:
        self._persons, self._batches = folder / "persons", folder / "batches"
        for each in (folder, self._persons, self._batches):
            each.mkdir(mode=0o700, exist_ok=True)
        self._lock = folder / "lock"
        self._sealer = Sealer(derive(master, "registrar"))
        self._names = derive(master, "registrar names")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out. Raises AuthoriseError if one is at work."""
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AuthoriseError(
                    "another command is at work on the register; try again"
                ) from None
            yield

    # Persons

    def find(self, identity: str) -> Person | None:
        row: Any = self._sealer.read(*self._place(identity))
        if row is None:
            return None
        known, key, of_age, guardians, status = row
        return Person(known, key, of_age, tuple(guardians), status)

    def require(self, identity: str) -> Person:
        found = self.find(identity)
        if found is None:
            raise AuthoriseError(f"{identity} is not registered; see: muniment registrar person")
        return found

    def put(self, person: Person) -> None:
        """Keep a person, replacing what was known."""
        row = [person.identity, person.key, person.of_age, list(person.guardians), person.status]
        self._sealer.write(*self._place(person.identity), row)

    def _place(self, identity: str) -> tuple[Path, str]:
        name = hmac.digest(self._names, normalise(identity).encode(), "sha256").hex()
        return self._persons / name, f"person {name}"

    def replace_key(self, identity: str, key: bytes) -> int:
        """Note a person's new key; what the lost one signed is withdrawn. Returns how much."""
        self.put(replace(self.require(identity), key=key))
        return self._withdraw_where(lambda entry: _same(entry.signer, identity), KEY_LOST)

    def bury(self, identity: str) -> int:
        """Note a death: what the person authorised, or signed for others, is withdrawn."""
        self.put(replace(self.require(identity), status="died"))
        return self._withdraw_where(
            lambda entry: _same(entry.identity, identity) or _same(entry.signer, identity), DIED
        )

    def set_guardians(self, identity: str, guardians: tuple[str, ...]) -> int:
        """Say who acts for a person; what others have signed for it is withdrawn."""
        person = self.require(identity)
        for each in guardians:
            self.require(each)
        self.put(replace(person, guardians=guardians))
        allowed = [identity, *guardians]
        return self._withdraw_where(
            lambda entry: (
                _same(entry.identity, identity)
                and not any(_same(entry.signer, each) for each in allowed)
            ),
            ON_REQUEST,
        )

    def may_sign(self, signer: str, identity: str, now_ms: int) -> bool:
        """Whether `signer` acts for `identity` now: an adult for itself, or a guardian."""
        subject = self.require(identity)
        if subject.status != "active" or self.require(signer).status != "active":
            return False
        if _same(signer, identity):
            return now_ms >= subject.of_age
        return any(_same(signer, each) for each in subject.guardians)

    # Batches

    def batches(self) -> list[int]:
        return sorted(int(path.name) for path in self._batches.iterdir() if path.name.isdecimal())

    def open_batch(self, scope: Scope) -> Draft:
        draft = Draft(scope, os.urandom(KEY_BYTES), os.urandom(KEY_BYTES))
        self.save(draft)
        return draft

    def load(self, number: int) -> Draft:
        row: Any = self._sealer.read(self._batches / str(number), f"batch {number}")
        if row is None:
            raise AuthoriseError(f"batch {number} was not opened here")
        scope, key, seed, entries, revision, posted = row
        return Draft(
            Scope(*scope), key, seed,
            tuple(Entry(i, s, Authorisation.from_value(a), w) for i, s, a, w in entries),
            revision, frozenset(posted),
        )  # fmt: skip

    def save(self, draft: Draft) -> None:
        number = draft.scope.batch
        entries = [
            [e.identity, e.signer, e.authorisation.to_value(), e.withdrawn] for e in draft.entries
        ]
        scope = [getattr(draft.scope, name) for name in Scope.__slots__]
        row = [scope, draft.key, draft.seed, entries, draft.revision, sorted(draft.posted)]
        self._sealer.write(self._batches / str(number), f"batch {number}", row)

    def forget(self, number: int) -> None:
        """Destroy what is known of a batch."""
        destroy_file(self._batches / str(number))

    def check(self, declaration: Declaration, now_ms: int) -> Draft:
        """Return the batch of what a subject signed. Raises AuthoriseError if it is not theirs."""
        draft = self.load(declaration.batch)
        if not self.may_sign(declaration.signer, declaration.identity, now_ms):
            raise AuthoriseError(
                f"{declaration.signer} may not sign for {declaration.identity}: not of age, no "
                "guardian, or dead"
            )
        declaration.check(draft.form, self.require(declaration.signer).key)
        return draft

    def take(self, declaration: Declaration, now_ms: int) -> None:
        """Take an authorisation into its batch, or carry a withdrawal out."""
        if declaration.kind == ASK:
            raise AuthoriseError("it asks who had data; answer it: muniment trace subject --asked")
        draft = self.check(declaration, now_ms)
        known = [e for e in draft.entries if _same(e.identity, declaration.identity)]
        if declaration.kind == WITHDRAW:
            # One that was carried out is not taken again: the person may have signed anew since.
            if not any(not entry.withdrawn for entry in known):
                raise AuthoriseError("there is nothing to withdraw")
            self.withdraw(declaration.identity, draft.scope.batch, SIGNED)
            return
        if draft.revision:
            raise AuthoriseError(f"batch {draft.scope.batch} is posted; sign for another one")
        if known:
            raise AuthoriseError(f"batch {draft.scope.batch} has this person's word already")
        if len(draft.entries) >= MAX_COUNT:
            raise AuthoriseError(f"a batch has {MAX_COUNT} authorisations at most; open another")
        entry = Entry(declaration.identity, declaration.signer, declaration.entry)
        self.save(replace(draft, entries=(*draft.entries, entry)))

    def withdraw(self, identity: str, batch: int | None, why: str) -> int:
        """Withdraw what a person authorised, in the scope of a batch or everywhere; how much."""
        scope = None if batch is None else _purpose_of(self.load(batch).scope)
        return self._withdraw_where(lambda entry: _same(entry.identity, identity), why, scope)

    def review_wards(self, now_ms: int) -> int:
        """Withdraw what guardians signed for those who have come of age; returns how much."""

        def is_over(entry: Entry) -> bool:
            is_for_another = not _same(entry.identity, entry.signer)
            of_age = self.require(entry.identity).of_age if is_for_another else 0
            return is_for_another and 0 < of_age <= now_ms

        return self._withdraw_where(is_over, OF_AGE)

    def _withdraw_where(
        self, is_meant: Callable[[Entry], bool], why: str, scope: tuple[str, str, str] | None = None
    ) -> int:
        count = 0
        for number in self.batches():
            draft = self.load(number)
            if scope not in (None, _purpose_of(draft.scope)):
                continue
            entries = tuple(
                replace(entry, withdrawn=why) if not entry.withdrawn and is_meant(entry) else entry
                for entry in draft.entries
            )
            changed = sum(a is not b for a, b in zip(entries, draft.entries, strict=True))
            if changed:
                count += changed
                self.save(replace(draft, entries=entries))
        return count

    def prepare(self, number: int, known: int) -> Publication:
        """Return what tells the owner and the chain of a batch as it is now, with fresh salts.

        `known` is the revision that the chain has. What is posted first is fixed here and now:
        those who withdrew before never enter it, and keys put the rest in an order that tells
        nothing.
        """
        draft = self.load(number)
        if not known:
            kept = [entry for entry in draft.entries if not entry.withdrawn]
            kept.sort(key=lambda entry: entry.authorisation.key)
            draft = replace(draft, entries=tuple(kept))
            self.save(draft)
        listed = [entry.authorisation for entry in draft.entries]
        count, seed, revision = count_of(len(listed)), os.urandom(KEY_BYTES), known + 1
        leaves = leaves_of(listed, draft.seed)
        states = states_of(count, seed, draft.withdrawn)
        return Publication(
            replace(draft, revision=revision, posted=draft.withdrawn),
            tuple(entry_records(draft.scope, draft.key, draft.seed, listed)),
            state_record(draft.scope, revision, seed, draft.withdrawn),
            count,
            merkle.root_of_hashes(leaves),
            merkle.root_of_hashes(states),
        )

    def entries_of(self, identity: str) -> Iterator[tuple[Draft, Entry]]:
        """Yield what a person authorised, in all batches."""
        for number in self.batches():
            draft = self.load(number)
            for entry in draft.entries:
                if _same(entry.identity, identity):
                    yield draft, entry


def _same(one: str, other: str) -> bool:
    return normalise(one) == normalise(other)


def _purpose_of(scope: Scope) -> tuple[str, str, str]:
    return scope.dataset, scope.recipient, scope.purpose

"""Letters of subjects to a registrar, and its answers, which nobody else can read.

A letter holds a declaration, perhaps a complaint, and a fresh public key (X25519) to which the
answer is sealed; the signer's registered key has signed all of it with the time. The secret key is
the subject's code: written down on the subject's computer, shown to nobody until the answer is
read. Whoever else gets hold of a letter can neither change nor answer nor read.
"""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from consensus.codec import DecodeError, expect_bytes, expect_int, expect_text
from consensus.crypto import SIGNATURE_BYTES, Kind, Signer, verify
from contracts.starlark.host import statement
from contracts.system.subjects import NAME
from node.data.sealing import derive
from node.exchange.consent import AuthoriseError
from node.exchange.declaration import Declaration, Form
from node.exchange.registrar import Draft, Register
from node.home import atomic_write
from node.publish.box import Box, BoxOwner

MAX_LETTER_BYTES = 64 << 10
MAX_WORDS_BYTES = 16 << 10
MAX_AGE_MS = 30 * 86_400_000
KEPT_S = 90 * 86_400.0
"""So long an answer waits for its reader."""
REPLY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Letter:
    """What a subject hands in. `words`: a complaint, or nothing; `time`: ms UTC."""

    declaration: Declaration
    words: str
    reply: bytes
    time: int
    seal: bytes

    def to_json(self) -> str:
        row = {"letter": 1, "declaration": json.loads(self.declaration.to_json()),
               "words": self.words, "reply": self.reply.hex(), "time": self.time,
               "seal": self.seal.hex()}  # fmt: skip
        return json.dumps(row, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def of_json(cls, data: bytes) -> Letter:
        """Raises AuthoriseError."""
        try:
            if len(data) > MAX_LETTER_BYTES:
                raise ValueError
            row = json.loads(data)
            if row["letter"] != 1:
                raise ValueError
            return cls(
                Declaration.of(row["declaration"]),
                expect_text(row["words"], "words", MAX_WORDS_BYTES, 0),
                expect_bytes(bytes.fromhex(row["reply"]), "reply", REPLY_BYTES),
                expect_int(row["time"], "time"),
                expect_bytes(bytes.fromhex(row["seal"]), "seal", SIGNATURE_BYTES),
            )
        except (KeyError, TypeError, ValueError, RecursionError, DecodeError) as error:
            raise AuthoriseError(
                "this is no letter; write one with: muniment authorise ... --letter"
            ) from error

    def check(self, register: Register, now_ms: int) -> Draft:
        """Return the batch it speaks of. Raises AuthoriseError unless its signer may say so."""
        draft = register.check(self.declaration, now_ms)
        key = register.require(self.declaration.signer).key
        text = _sealed_text(self.declaration, self.words, self.reply, self.time)
        chain_id = draft.scope.chain_id
        if not verify(key or b"", Kind.STATEMENT, chain_id, statement(NAME, text), self.seal):
            raise AuthoriseError("the letter is not signed by who signed its declaration")
        if abs(now_ms - self.time) > MAX_AGE_MS:
            raise AuthoriseError("the letter is too old, or of a time that has not come")
        return draft


def _sealed_text(declaration: Declaration, words: str, reply: bytes, ms: int) -> str:
    digests = [sha256(text.encode()).hexdigest() for text in (declaration.to_json(), words)]
    return f"Letter of {ms}, answer to {reply.hex()}: declaration {digests[0]}, words {digests[1]}."


def write(form: Form, declaration: Declaration, seed: bytes, words: str) -> tuple[Letter, str]:
    """Make a letter with the subject key `seed`; returns the code that opens its answer too."""
    secret = os.urandom(REPLY_BYTES)
    reply, now_ms = bytes(PrivateKey(secret).public_key), time.time_ns() // 1_000_000
    text = statement(NAME, _sealed_text(declaration, words, reply, now_ms))
    seal = Signer(seed).sign(Kind.STATEMENT, form.scope.chain_id, text)
    return Letter(declaration, words, reply, now_ms, seal), _code_of(secret)


def _code_of(secret: bytes) -> str:
    text = base64.b32encode(secret).decode().rstrip("=").lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _secret_of(code: str) -> PrivateKey:
    text = "".join(code.split()).replace("-", "").upper()
    try:
        return PrivateKey(base64.b32decode(text + "=" * (-len(text) % 8)))
    except (ValueError, TypeError, CryptoError) as error:
        raise AuthoriseError("this is no code of a letter") from error


def hand_in(folder: Path, data: bytes) -> str:
    """Put a letter into the registrar's box; returns its id. Raises AuthoriseError, BoxError."""
    Letter.of_json(data)
    return Box(folder).add(data)


def read_answer(folder: Path, code: str) -> dict[str, Any] | None:
    """Open the answer to the letter that `code` belongs to, if it is there."""
    secret = _secret_of(code)
    try:
        sealed = _answer(folder, bytes(secret.public_key)).read_bytes()
        found: dict[str, Any] = json.loads(SealedBox(secret).decrypt(sealed))
    except FileNotFoundError:
        return None
    except (CryptoError, ValueError) as error:
        raise AuthoriseError("the answer is damaged; ask the registrar again") from error
    return found


def _answer(folder: Path, reply: bytes) -> Path:
    return folder / "answers" / sha256(reply).hexdigest()[:32]


class LetterBox:
    """The registrar's side."""

    def __init__(self, folder: Path, master: bytes) -> None:
        self._folder = folder
        self._box = BoxOwner(folder, derive(master, "letters"))

    def open(self) -> None:
        """Let letters come in from now on, and destroy answers that have waited long enough."""
        self._box.open()
        answers = self._folder / "answers"
        answers.mkdir(mode=0o700, exist_ok=True)
        for path in answers.iterdir():
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink()

    def letters(self) -> list[tuple[str, Letter]]:
        """Ids and letters, the oldest first. Raises BoxError, AuthoriseError."""
        return [(name, self.find(name)) for name in self._box.ids()]

    def find(self, name: str) -> Letter:
        return Letter.of_json(self._box.read(name))

    def answer(self, name: str, content: dict[str, Any]) -> None:
        """Seal an answer to who wrote a letter, which then leaves the box."""
        reply = self.find(name).reply
        data = json.dumps(content, ensure_ascii=False).encode()
        sealed = SealedBox(PublicKey(reply)).encrypt(data)
        atomic_write(_answer(self._folder, reply), sealed, 0o600)
        self._box.remove(name)

    def dismiss(self, name: str) -> None:
        """Destroy a letter that gets no answer."""
        self._box.remove(name)

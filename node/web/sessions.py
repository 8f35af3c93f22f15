"""Sessions of the console: who is logged in, with which unlocked key, until when.

A key stays in this process's memory only, and only as long as its session. Whether its operator
still has duties is asked of the chain at every page.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from consensus.crypto import Signer
from node.errors import MunimentError
from node.home import Home
from node.keys import find_keys, load_key
from node.web.link import Link

MAX_SESSIONS = 256
MAX_PROPOSALS = 16
LONGEST_S = 12 * 60 * 60.0


class LoginError(MunimentError):
    """The operator cannot be let in; the message says no more than who asks may know."""

    code = "login"


@dataclass
class Session:
    """One login. `proposals` are calls shown and not signed yet, by a number nobody can guess."""

    token: str
    operator: str
    signer: Signer
    began: float
    used: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    proposals: dict[str, Any] = field(default_factory=dict)

    def propose(self, proposal: Any) -> str:
        """Keep what waits for a signature; the oldest gives way."""
        while len(self.proposals) >= MAX_PROPOSALS:
            del self.proposals[next(iter(self.proposals))]
        name = secrets.token_urlsafe(12)
        self.proposals[name] = proposal
        return name


class Sessions:
    """The sessions of one console."""

    def __init__(self, home: Home, member: str, link: Link, idle_s: float) -> None:
        self._home = home
        self._member = member
        self._link = link
        self._idle_s = idle_s
        self._open: dict[str, Session] = {}
        self._unlocking = threading.Semaphore(1)  # scrypt takes 128 MB each time

    def enter(self, operator: str, passphrase: str) -> Session:
        """Unlock an operator's key and open a session. Raises LoginError."""
        duties = self._record(operator)
        wrong = LoginError("no active operator has this name and passphrase")
        if duties is None or duties["status"] != "active":
            raise wrong
        path = find_keys(self._home.operators / operator, "operator").get(
            bytes.fromhex(duties["key"])
        )
        if path is None:
            raise wrong
        try:
            with self._unlocking:
                signer = Signer(load_key(path, "operator", passphrase))
        except MunimentError:
            raise wrong from None
        now = time.monotonic()
        session = Session(secrets.token_urlsafe(32), operator, signer, now, now)
        self._tidy(now)
        while len(self._open) >= MAX_SESSIONS:
            del self._open[min(self._open, key=lambda token: self._open[token].used)]
        self._open[session.token] = session
        return session

    def find(self, token: str) -> tuple[Session, frozenset[str]] | None:
        """Return the session with the duties that the chain gives its operator now, or None."""
        now = time.monotonic()
        self._tidy(now)
        session = self._open.get(token)
        if session is None:
            return None
        record = self._record(session.operator)
        if (
            record is None
            or record["status"] != "active"
            or record["key"] != session.signer.public_key.hex()
        ):
            self.leave(token)
            return None
        session.used = now
        return session, frozenset(record["duties"])

    def leave(self, token: str) -> None:
        self._open.pop(token, None)

    def _record(self, operator: str) -> Any:
        try:
            args = {"member": self._member, "operator": operator}
            return self._link.query("operators", "get", args)
        except MunimentError as error:
            if error.code == "bad-argument":
                return None
            raise

    def _tidy(self, now: float) -> None:
        over = [
            token
            for token, session in list(self._open.items())
            if now - session.used > self._idle_s or now - session.began > LONGEST_S
        ]
        for token in over:
            self.leave(token)


def same(given: str, expected: str) -> bool:
    """Compare secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())

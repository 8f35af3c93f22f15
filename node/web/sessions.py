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
from node.keys import find_keys, forget_passphrases, load_key, spend_as_unlocking
from node.rpc.client import UNREACHABLE, NodeError
from node.web.link import Link

MAX_SESSIONS = 256
MAX_PROPOSALS = 16
MAX_WAITING = 4
"""Logins that wait for their turn to unlock; each holds a thread that pages need too."""
LONGEST_S = 12 * 60 * 60.0


class LoginError(MunimentError):
    """The operator cannot be let in; the message says no more than who asks may know."""

    code = "login"


class BusyError(MunimentError):
    """Too many logins at once."""

    code = "busy"


@dataclass
class Session:
    """One login. `proposals` are calls shown and not signed yet, by a number nobody can guess.

    `duties` are what the chain said last; `streams` counts the pages that are kept up to date.
    """

    token: str
    operator: str
    signer: Signer
    began: float
    used: float
    duties: frozenset[str]
    streams: int = 0
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    proposals: dict[str, Any] = field(default_factory=dict)

    def propose(self, proposal: Any) -> str:
        """Keep what waits for a signature; the oldest gives way."""
        while len(self.proposals) >= MAX_PROPOSALS:
            del self.proposals[next(iter(self.proposals))]
        name = secrets.token_urlsafe(12)
        self.proposals[name] = proposal
        return name

    def take(self, name: str) -> Any:
        """Take a proposal out, so that it is decided once; None where there is none."""
        return self.proposals.pop(name, None)


class Sessions:
    """The sessions of one console, for any thread."""

    def __init__(self, home: Home, member: str, link: Link, idle_s: float) -> None:
        self._home = home
        self._member = member
        self._link = link
        self._idle_s = idle_s
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._waiting = threading.Semaphore(MAX_WAITING)
        self._unlocking = threading.Lock()  # scrypt takes 32 MiB each time

    def enter(self, operator: str, passphrase: str) -> Session:
        """Unlock an operator's key and open a session. Raises LoginError, BusyError.

        A name that is unknown costs as much time as a passphrase that is wrong.
        """
        if not self._waiting.acquire(blocking=False):
            raise BusyError("too many people log in at once; try again")
        try:
            record = self._record(operator)
            with self._unlocking:
                signer = self._unlock(operator, record, passphrase)
        finally:
            self._waiting.release()
        if signer is None:
            raise LoginError("no active operator has this name and passphrase")
        now = time.monotonic()
        token, duties = secrets.token_urlsafe(32), frozenset(record["duties"])
        session = Session(token, operator, signer, now, now, duties)
        with self._lock:
            self._tidy(now)
            while len(self._open) >= MAX_SESSIONS:
                del self._open[min(self._open, key=lambda token: self._open[token].used)]
            self._open[token] = session
        return session

    def find(self, token: str, *, by_person: bool = True) -> Session | None:
        """Return the session, with the duties that the chain gives its operator now, or None.

        What pages ask by themselves is not `by_person` and does not put off the end of a session.
        While the node is away, the duties are those that were known last: nothing is signed then.
        """
        now = time.monotonic()
        with self._lock:
            self._tidy(now)
            session = self._open.get(token)
        if session is None:
            return None
        try:
            record = self._record(session.operator)
        except NodeError as error:
            if error.code not in UNREACHABLE:
                raise
        else:
            if not _is_active(record) or record["key"] != session.signer.public_key.hex():
                self.leave(token)
                return None
            session.duties = frozenset(record["duties"])
        if by_person:
            session.used = now
        return session

    def leave(self, token: str) -> None:
        with self._lock:
            self._open.pop(token, None)

    def _unlock(self, operator: str, record: Any, passphrase: str) -> Signer | None:
        try:
            path = None
            if _is_active(record):
                folder = self._home.operators / operator
                path = find_keys(folder, "operator").get(bytes.fromhex(record["key"]))
            if path is not None:
                return Signer(load_key(path, "operator", passphrase))
            spend_as_unlocking(passphrase)
        except MunimentError:
            pass  # a damaged file, or a wrong passphrase: told alike
        finally:
            forget_passphrases()
        return None

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
            del self._open[token]


def _is_active(record: Any) -> bool:
    return record is not None and record["status"] == "active"


def same(given: str, expected: str) -> bool:
    """Compare secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())

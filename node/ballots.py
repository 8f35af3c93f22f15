"""Ballots of polls that this home has made: choice and salt, sealed until the vote is shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from consensus.crypto import sha256
from node.data.sealing import Sealer, derive
from node.errors import MunimentError
from node.home import Home

CONTRACT = "poll"
SALT_BYTES = 16


class BallotError(MunimentError):
    """A ballot that is there already, or is not."""

    code = "ballot"


class Ballots:
    """Those of one home; `master` is its vault's key."""

    def __init__(self, home: Home, master: bytes) -> None:
        self._folder = home.ballots
        self._sealer = Sealer(derive(master, "ballots"))

    def find(self, poll: str) -> dict[str, Any] | None:
        """The choice and the salt (bytes) of a poll's ballot, or None."""
        found = self._sealer.read(self._path(poll), f"ballot {poll}")
        return found if isinstance(found, dict) else None

    def keep(self, poll: str, choice: int) -> dict[str, Any]:
        """Make a ballot once; returns what `find` does. Raises BallotError for another choice."""
        known = self.find(poll)
        if known is None:
            known = {"choice": choice, "salt": os.urandom(SALT_BYTES)}
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._sealer.write(self._path(poll), f"ballot {poll}", known)
        elif known["choice"] != choice:
            raise BallotError(
                f"this home has a ballot for {known['choice']} in {poll}; it cannot be changed"
            )
        return known

    def _path(self, poll: str) -> Path:
        return self._folder / sha256(poll.encode()).hex()

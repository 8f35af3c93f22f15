"""Ballots of polls: the salt is made and kept in the home, sealed, until the vote is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from node.ballots import CONTRACT, BallotError, Ballots
from node.desk.params import number, text

if TYPE_CHECKING:
    from node.desk import Desk, Method


def _ballot(desk: Desk, params: Mapping[str, Any]) -> Any:
    """This member's ballot for `choice` in `poll` (hexadecimal). Raises BallotError."""
    poll = text(params, "poll", 128)
    kept = Ballots(desk.home, desk.master).keep(poll, number(params, "choice", 0, 31))
    return desk.chain.query(CONTRACT, "ballot", {"poll": poll, "voter": desk.member, **kept})


def _kept(desk: Desk, params: Mapping[str, Any]) -> Any:
    """What this home's ballot in `poll` says, the salt in hexadecimal. Raises BallotError."""
    poll = text(params, "poll", 128)
    found = Ballots(desk.home, desk.master).find(poll)
    if found is None:
        raise BallotError(f"this home keeps no ballot of {poll}")
    return {"choice": found["choice"], "salt": found["salt"].hex()}


METHODS: dict[str, Method] = {"poll.ballot": _ballot, "poll.kept": _kept}

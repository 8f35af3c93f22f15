"""Commands of voters in a poll: the ballot's salt is made, kept and shown for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    submit,
    where,
)
from node.home import Home

CONTRACT = "poll"
SALT_BYTES = 16
_POLL = click.argument("name", metavar="POLL")


@click.group()
def poll() -> None:
    """Vote in a poll, and show the vote afterwards.

    \b
    Example: muniment poll vote rule-7 1 --home health
    """


@poll.command()
@_POLL
@click.argument("choice", type=click.IntRange(0, 31))
@home_option
@passphrase_option
@json_option
def vote(name: str, choice: int, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Hand in a ballot for CHOICE, counted from 0; nobody reads it before it is shown.

    The ballot's salt is kept in the home, encrypted. It is needed to show the vote.
    """
    import config

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    kept = _kept(place, name, passphrase)
    if kept is None:
        kept = {"choice": choice, "salt": os.urandom(SALT_BYTES)}
        _keep(place, name, passphrase, kept)
    elif kept["choice"] != choice:
        raise Refused(
            f"this home has a ballot for {kept['choice']} in {name}; it cannot be changed"
        )
    voter = config.load(place.settings).node.name
    ballot = ask(home, CONTRACT, "ballot", {"poll": name, "voter": voter, **kept})
    args = {"poll": name, "ballot": bytes.fromhex(ballot)}
    _done(submit(place, passphrase, CONTRACT, "vote", args), {"ballot": ballot}, as_json)


@poll.command("show")
@_POLL
@home_option
@passphrase_option
@json_option
def show_vote(name: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show this home's vote, once no more votes are taken, so that it is counted."""
    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    kept = _kept(place, name, passphrase)
    if kept is None:
        raise Refused(f"this home keeps no ballot of {name}")
    state = submit(place, passphrase, CONTRACT, "show", {"poll": name, **kept})
    _done(state, {"choice": kept["choice"]}, as_json)


def _done(state: dict[str, Any], more: dict[str, Any], as_json: bool) -> None:
    show({**more, **where(state)}, as_json, lambda d: pairs(list(d.items())))


def _kept(place: Home, name: str, passphrase: str) -> dict[str, Any] | None:
    found = _sealer(place, passphrase).read(_path(place, name), f"ballot {name}")
    return found if isinstance(found, dict) else None


def _keep(place: Home, name: str, passphrase: str, kept: dict[str, Any]) -> None:
    path = _path(place, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _sealer(place, passphrase).write(path, f"ballot {name}", kept)


def _path(place: Home, name: str) -> Path:
    from consensus.crypto import sha256

    return place.ballots / sha256(name.encode()).hex()


def _sealer(place: Home, passphrase: str) -> Any:
    from node.data.sealing import Sealer, derive
    from node.keys import load_key

    return Sealer(derive(load_key(place.key("vault"), "vault", passphrase), "ballots"))

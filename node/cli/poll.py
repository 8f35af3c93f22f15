"""Commands of voters in a poll: the ballot's salt is made, kept and shown for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from node.ballots import Ballots

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
    from node.ballots import CONTRACT

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    kept = _ballots(place, passphrase).keep(name, choice)
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
    from node.ballots import CONTRACT

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    kept = _ballots(place, passphrase).find(name)
    if kept is None:
        raise Refused(f"this home keeps no ballot of {name}")
    state = submit(place, passphrase, CONTRACT, "show", {"poll": name, **kept})
    _done(state, {"choice": kept["choice"]}, as_json)


def _done(state: dict[str, Any], more: dict[str, Any], as_json: bool) -> None:
    show({**more, **where(state)}, as_json, lambda d: pairs(list(d.items())))


def _ballots(place: Home, passphrase: str) -> Ballots:
    from node.ballots import Ballots
    from node.keys import load_key

    return Ballots(place, load_key(place.key("vault"), "vault", passphrase))

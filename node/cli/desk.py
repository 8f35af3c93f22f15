"""The command that serves pages with what lies under keys."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.common import home_option, own_name, passphrase_for, passphrase_option
from node.home import Home


@click.command()
@home_option
@passphrase_option
def desk(home: Path, passphrase_file: Path | None) -> None:
    """Do for the console what needs the vault and the node's keys, until stopped.

    It answers on HOME/desk.sock, which only the node's own user may open: seals and opens texts,
    shows masked samples, runs collections and deliveries. `muniment start` runs it beside the node
    where console.serve is true.

    \b
    Example: muniment desk --home tax --passphrase-file /run/secrets/tax
    """
    import trio

    from node.cli.collect import unlocked
    from node.cli.sealing import opener
    from node.desk import Desk, serve
    from node.desk.jobs import Jobs
    from node.desk.methods import METHODS
    from node.errors import MunimentError, alone

    place = Home(home)
    place.require()
    passphrase = passphrase_for(place, passphrase_file)
    place.lock("desk")
    chain, master = unlocked(home, passphrase, as_node=True)
    made = Desk(
        place, own_name(place), chain, master, opener(place, passphrase), passphrase, Jobs()
    )
    with alone(MunimentError):
        trio.run(serve.run, made, METHODS, lambda: click.echo(f"desk: {place.desk_socket}"))

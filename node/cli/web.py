"""The command that serves pages."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.common import home_option
from node.errors import MunimentError, alone
from node.home import Home


@click.command()
@home_option
def web(home: Path) -> None:
    """Serve the console and the portal that HOME/settings.toml turns on, until stopped.

    It holds no key: operators log in with their own passphrases. `muniment start` runs it beside
    the node where console.serve or portal.serve is true.

    \b
    Example: muniment web --home tax
    """
    import trio

    from node.web import serve

    place = Home(home)
    place.require()
    with alone(MunimentError):
        trio.run(serve.run, place, lambda name, at: click.echo(f"{name}: {at}"))

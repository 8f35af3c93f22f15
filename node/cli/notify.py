"""The command that tells people outside the node what concerns their member."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

import config
from config.settings import Notices
from node.cli.common import Refused, connect, home_option
from node.cli.traced import open_updated
from node.home import Home, atomic_write
from node.notices.select import Notice, notice_of, standstill_of
from node.notices.send import NoticeError, send
from node.rpc.client import Client
from node.trace.index import Index

FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
HOUR_MS = 60 * 60 * 1_000


@click.command()
@click.option("--once", is_flag=True, help="Send what is due and end; for cron.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@home_option
def notify(once: bool, dry_run: bool, home: Path) -> None:
    """Send mail and webhooks of what concerns the own member, as [notices] in the settings says.

    Notices hold names, numbers and transaction ids only. It begins with what happened in the last
    hour, and then goes on where it stood; a notice that cannot be sent is tried again.
    """
    place = Home(home)
    settings = config.load(place.settings).notices
    if not (settings.mail_to or settings.webhooks or dry_run):
        raise Refused(f"{place.settings} says nobody to notify; set notices.mail_to or .webhooks")
    with closing(open_updated(home)) as index, connect(home) as client:
        if not once and not dry_run:
            client.call("subscribe", topics=["blocks", "state"])
        last = _cursor(place, index)
        told_height = -1

        def tell_standstill() -> None:
            """Tell that nothing becomes final: once, not with every change of the reason."""
            nonlocal told_height
            notice = standstill_of(client.call("status"))
            if notice is None or notice.height == told_height:
                return
            told_height = notice.height
            if dry_run:
                click.echo(notice.subject)
            else:
                _insist(notice, settings, once)

        def tell() -> None:
            """Tell of everything since the last entry that was seen to."""
            nonlocal last
            for number, notice in _due(index, client, last):
                if notice is not None and dry_run:
                    click.echo(notice.subject)
                elif notice is not None:
                    _insist(notice, settings, once)
                    _keep(place, number)
                last = number

        tell()
        tell_standstill()
        if once or dry_run:
            return
        for topic, _ in client.subscribe(("blocks", "state")):
            if topic == "state":
                tell_standstill()
            else:
                index.update(client)
                tell()


def _insist(notice: Notice, settings: Notices, once: bool) -> None:
    """Send until it is taken; with --once a failure ends the command, which begins there again."""
    wait = FIRST_WAIT_S
    while True:
        try:
            send(notice, settings)
        except NoticeError as error:
            if once:
                raise
            click.echo(f"{error.message}; again in {wait:.0f} s", err=True)
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)
        else:
            return


def _due(index: Index, client: Client, last: int) -> Iterator[tuple[int, Notice | None]]:
    """Yield each entry's number above `last`, with what the own member is told of it."""
    status = client.call("status")
    rows = client.call("state.query", contract="members", method="list", args={})
    members = {row["name"]: row for row in rows}
    own = members.get(status["name"], {"roles": []})
    is_supervisor = "supervisor" in own["roles"]
    for number, entry in index.above(last):
        yield (
            number,
            notice_of(
                entry, index, status["network"], status["name"], members.keys(), is_supervisor
            ),
        )


def _cursor(place: Home, index: Index) -> int:
    """The last entry that was seen to; at first, what is older than an hour is left out."""
    try:
        return int(place.notices.read_text())
    except (OSError, ValueError):
        return index.first(time.time_ns() // 1_000_000 - HOUR_MS) - 1


def _keep(place: Home, number: int) -> None:
    atomic_write(place.notices, f"{number}\n".encode(), 0o600)

"""What waits for a member, and commands for files that outsiders hand in."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.collect import chain_of
from node.cli.common import (
    ask,
    connect,
    home_option,
    json_option,
    moment,
    passphrase_option,
    show,
    table,
)
from node.home import Home

if TYPE_CHECKING:
    from node.data.inbox import Inbox


def _inbox(home: Path, passphrase_file: Path | None) -> Inbox:
    from node.data.inbox import Inbox

    _, master = chain_of(home, passphrase_file)
    return Inbox(Home(home), master)


@click.group(invoke_without_command=True)
@click.option("--home", type=click.Path(path_type=Path), envvar="MUNIMENT_HOME",
              help="The node's home folder [env: MUNIMENT_HOME].")  # fmt: skip
@json_option
@click.pass_context
def inbox(context: click.Context, home: Path | None, as_json: bool) -> None:
    """See what waits for this member; take files from outsiders and decide on them.

    \b
    muniment inbox --home HOME
    muniment inbox invite acme permits --days 30 --home HOME
    muniment inbox serve --listen 0.0.0.0:8443 --cert cert.pem --tls-key key.pem --home HOME
    curl -T permits.csv -H "Authorization: Bearer TOKEN" https://HOST:8443/uploads/
    muniment inbox accept ID --home HOME && muniment collect run permits --home HOME
    """
    if context.invoked_subcommand is None:
        if home is None:
            raise click.UsageError("Missing option '--home'.")
        _show_due(home, as_json)


def _show_due(home: Path, as_json: bool) -> None:
    import config
    from node.exchange.due import Due, find_due
    from node.standstill import sentence

    name = config.load(Home(home).settings).node.name
    now_ms = time.time_ns() // 1_000_000
    found = find_due(lambda *question: ask(home, *question), name, now_ms)
    with connect(home) as client:
        still = sentence(client.call("status"))
    if still is not None:
        found.insert(0, Due("node", 0, "still", (still,), None, "muniment status", True))
    titles = ("what", "by", "command")
    cells = [
        (due.what(), ("" if due.by is None else moment(due.by)[:16]) + " overdue" * due.overdue,
         due.command)
        for due in found
    ]  # fmt: skip
    show([due.to_value() for due in found], as_json, lambda _: table(titles, cells))


@inbox.command()
@click.argument("sender")
@click.argument("source")
@click.option("--days", type=click.IntRange(1, 3_650), default=30, show_default=True)
@home_option
@passphrase_option
def invite(sender: str, source: str, days: int, home: Path, passphrase_file: Path | None) -> None:
    """Give SENDER a token to hand in files for SOURCE; it is printed once and kept as a hash."""
    from node.data import source as sources

    sources.load(Home(home).sources, source)
    click.echo(_inbox(home, passphrase_file).invite(sender, source, days))


@inbox.command()
@click.argument("sender")
@home_option
@passphrase_option
def revoke(sender: str, home: Path, passphrase_file: Path | None) -> None:
    """End SENDER's token at once."""
    _inbox(home, passphrase_file).revoke(sender)
    click.echo(f"{sender} can hand in nothing more")


@inbox.command()
@home_option
@passphrase_option
@json_option
def senders(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List who may hand in, for which source, until when."""
    found = _inbox(home, passphrase_file).senders()
    rows = [(s.name, s.source, moment(s.expires)) for s in found]
    data = [dict(zip(("sender", "source", "until"), row, strict=True)) for row in rows]
    show(data, as_json, lambda _: table(("sender", "source", "until"), rows))


@inbox.command()
@click.option("--listen", default="127.0.0.1:8443", show_default=True, metavar="HOST:PORT")
@click.option("--cert", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="Certificate chain, PEM.")  # fmt: skip
@click.option("--tls-key", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="Its private key, PEM.")  # fmt: skip
@home_option
def serve(listen: str, cert: Path, tls_key: Path, home: Path) -> None:
    """Take files by HTTPS until stopped. Needs no passphrase: it can add, and cannot read."""
    import trio

    from node import intake
    from node.data.inbox import Intake

    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise click.UsageError("--listen is HOST:PORT")
    context = intake.tls(cert, tls_key)

    def told(got: int) -> None:
        click.echo(f"listening on {host}:{got}")

    place = (host.strip("[]"), int(port))
    trio.run(intake.serve, Intake(Home(home)), context, place, click.echo, told)


@inbox.command("list")
@home_option
@passphrase_option
@json_option
def inbox_list(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List what was handed in."""
    found = _inbox(home, passphrase_file).uploads()
    names = ("id", "state", "sender", "source", "name", "bytes", "time")
    rows = [(u.id, u.state, u.sender, u.source, u.name, u.size, moment(u.time)) for u in found]
    show([asdict(each) for each in found], as_json, lambda _: table(names, rows))


@inbox.command("look")
@click.argument("upload", metavar="ID")
@home_option
@passphrase_option
@json_option
def look(upload: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Say what sensitive data a file holds, before deciding on it."""
    from node.cli.classify import show_look
    from node.data.findings import Detectors, look_at

    chain, master = chain_of(home, passphrase_file)
    found = _inbox(home, passphrase_file)
    wanted = found.find(upload)
    detectors = Detectors.of(Home(home), chain.query, master)
    with found.opened(wanted) as descriptor:
        show_look(look_at(Path(wanted.name), detectors, descriptor), as_json)


@inbox.command()
@click.argument("upload", metavar="ID")
@home_option
@passphrase_option
def accept(upload: str, home: Path, passphrase_file: Path | None) -> None:
    """Let a file into the next run of its source."""
    found = _inbox(home, passphrase_file).accept(upload)
    click.echo(f"accepted; it is read by: muniment collect run {found.source}")


@inbox.command()
@click.argument("upload", metavar="ID")
@home_option
@passphrase_option
def reject(upload: str, home: Path, passphrase_file: Path | None) -> None:
    """Destroy a file."""
    _inbox(home, passphrase_file).remove(upload)
    click.echo(f"{upload} is destroyed")

"""Commands that serve deliveries, fetch under a grant, and end what was fetched."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.audits import audit
from node.cli.collect import chain_of, unlocked
from node.cli.common import (
    connect,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    table,
)
from node.errors import MunimentError, alone
from node.home import Home

if TYPE_CHECKING:
    from node.exchange.copies import Copy
    from node.exchange.fetch import Fetcher, Receipt
    from node.exchange.streams import DataSocket

CHORES_S = 10.0
ANCHOR_S = 3_600.0
CLOSE_AFTER_MS = 30_000
_grant = click.argument("grant", metavar="GRANT", type=click.IntRange(1))
_from = click.option(
    "--from", "server", metavar="MEMBER", help="A delegate that keeps the data; or else the owner."
)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@click.group()
def exchange() -> None:
    """Serve deliveries to other members; see and erase what they have delivered here.

    \b
    muniment exchange serve --home HOME
    muniment exchange copies --home HOME
    """


@exchange.command()
@home_option
@passphrase_option
def serve(home: Path, passphrase_file: Path | None) -> None:
    """Deliver this member's data to whoever holds a grant, until stopped.

    It opens the vault, which the node itself never does, and talks to the node over its sockets.
    It also ends deliveries that recipients leave open, erases copies whose grant has ended, answers
    questions within privacy budgets, carries on with sums that were joined, anchors the access log
    each hour, and shows of it what concerns whoever asks (muniment trace --logs). At a supervisor
    it audits other members' deliveries.

    \b
    Example: muniment exchange serve --home tax --passphrase-file /run/secrets/tax
    """
    import trio

    from consensus.crypto import Signer
    from node.cli.sealing import opener
    from node.exchange import answering, logs_service
    from node.exchange.logs import Desk
    from node.exchange.server import Server
    from node.exchange.streams import StreamError
    from node.exchange.watch import Watch
    from node.keys import find_keys, load_key

    place = Home(home)
    place.require()
    passphrase = passphrase_for(place, passphrase_file)
    chain, master = unlocked(home, passphrase, as_node=True)
    record = chain.query("members", "get", {"name": chain.member})
    path = find_keys(place.keys, "node").get(bytes.fromhex(record["node_key"]))
    if path is None:
        raise MunimentError(f"{place.keys} does not hold the node key that the chain knows")
    signer = Signer(load_key(path, "node", passphrase))
    watch = Watch(chain.query)
    opened = opener(place, passphrase)
    server = Server(place, chain, master, signer, watch, opened)
    desk = Desk(place, chain, master, opened)
    answerer = answering.Answerer(place, chain, master, watch)
    more = {
        answering.SERVICE: answerer.serve,
        logs_service.SERVICE: logs_service.Teller(desk).serve,
    }
    audits = "supervisor" in record["roles"]
    with alone(StreamError):
        trio.run(_serve, place, server, desk, watch, chain, master, answerer, more, audits)


async def _serve(home: Home, server: Any, desk: Any, watch: Any, chain: Any, master: bytes,
                 answerer: Any, more: Any, audits: bool) -> None:  # fmt: skip
    import signal

    import trio

    from node.exchange import expiry
    from node.exchange import server as servers
    from node.exchange.auditing import Auditor
    from node.exchange.streams import connect
    from node.rpc.client import Client

    async def stop_on_signal(scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                scope.cancel()
                return

    anchor_at = 0.0

    def chores() -> None:
        nonlocal anchor_at
        try:
            if time.monotonic() >= anchor_at:
                desk.anchor()
                anchor_at = time.monotonic() + ANCHOR_S
            for number in server.finish(CLOSE_AFTER_MS):
                click.echo(f"delivery {number} ended")
            for grant in expiry.erase_ended(home, chain, master, _now_ms()):
                click.echo(f"copies under grant {grant} erased")
            for number in expiry.forget_delivered(chain, server.delivered, _now_ms()):
                click.echo(f"rows of delivery {number} forgotten")
        except MunimentError as error:
            click.echo(f"muniment: {error.message}", err=True)

    async def sums(socket: DataSocket) -> None:
        while True:
            await trio.sleep(CHORES_S)
            await answerer.carry_on(socket)

    async with connect(home.data_socket) as socket, trio.open_nursery() as nursery:
        with Client(home.socket) as client:
            nursery.start_soon(stop_on_signal, nursery.cancel_scope)
            nursery.start_soon(watch.follow, client)
            nursery.start_soon(sums, socket)
            nursery.start_soon(servers.run, socket, server, lambda: click.echo("serving"), more)
            if audits:
                nursery.start_soon(_keep_auditing, socket, Auditor(chain))
            while True:
                await trio.sleep(CHORES_S)
                await trio.to_thread.run_sync(chores)


async def _keep_auditing(socket: Any, auditor: Any) -> None:
    """Audit what waits for it, until cancelled; who does not answer is asked again."""
    import trio

    while True:
        try:
            numbers = await trio.to_thread.run_sync(auditor.waiting)
        except MunimentError as error:
            click.echo(f"muniment: {error.message}", err=True)
            numbers = []
        for number in numbers:
            await _audit(socket, auditor, number)
        await trio.sleep(CHORES_S)


async def _audit(socket: Any, auditor: Any, number: int) -> None:
    import trio

    try:
        try:
            finding = await auditor.audit(socket, number)
        except MunimentError as error:
            click.echo(f"delivery {number} is not audited yet: {error.message}", err=True)
            if await trio.to_thread.run_sync(auditor.report_silence, number, _now_ms()):
                click.echo(f"delivery {number}: its owner does not open the sample")
            return
        outcome = await trio.to_thread.run_sync(auditor.report, number, finding)
        click.echo(f"delivery {number} {outcome} its audit")
    except MunimentError as error:  # another supervisor may have been first
        click.echo(f"muniment: {error.message}", err=True)


@exchange.command("copies")
@home_option
@passphrase_option
@json_option
def exchange_copies(home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List what was fetched under grants."""
    from node.exchange import copies

    place = Home(home)
    _, master = chain_of(home, passphrase_file)
    found = [c for g in copies.held(place.copies) for c in copies.load(place.copies, g, master)]
    names = ("grant", "delivery", "dataset", "version", "rows", "state")
    rows = [
        (c.order.grant, c.order.delivery, c.order.dataset, c.order.version, c.last.rows,
         "complete" if c.is_complete else "ended" if c.order.closed else "under way")
        for c in found
    ]  # fmt: skip
    data = [dict(zip(names, row, strict=True)) for row in rows]
    show(data, as_json, lambda _: table(names, rows))


exchange.add_command(audit)


@exchange.command("evidence")
@click.argument("delivery", type=click.IntRange(1))
@click.option("--txid", required=True, help="The transaction that closed it, as fetch showed it.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False))
@home_option
def exchange_evidence(delivery: int, txid: str, output: Path, home: Path) -> None:
    """Save one file that binds DELIVERY to request, decision, masks and output.

    \b
    Example: muniment exchange evidence 5 --txid TXID -o 5.evidence --home tax
             muniment verify 5.evidence --genesis genesis.json
    """
    from node.home import atomic_write
    from node.proving import of_delivery

    with connect(home) as client:
        data = of_delivery(client, delivery, txid)
    atomic_write(output, data, 0o644)
    click.echo(f"{output}: evidence of delivery {delivery}, {len(data)} bytes")


@exchange.command()
@_grant
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@passphrase_option
def erase(grant: int, yes: bool, home: Path, passphrase_file: Path | None) -> None:
    """Erase every copy under GRANT, and attest it on the chain.

    \b
    Example: muniment exchange erase 17 --home tax
    """
    from node.exchange import expiry

    if not yes:
        click.confirm(f"Erase all copies under grant {grant}?", abort=True, err=True)
    expiry.erase(Home(home), *chain_of(home, passphrase_file, as_node=True), grant)
    click.echo(f"copies under grant {grant} are erased, and the chain says so")


@click.command()
@_grant
@click.option("--rows", type=click.IntRange(1), help="Reserve and fetch only so many rows.")
@_from
@home_option
@passphrase_option
@json_option
def fetch(
    grant: int, rows: int | None, server: str | None, home: Path, passphrase_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Fetch data under GRANT: all is verified against what stands on the chain, then kept sealed.

    Cut off at any moment, the same command goes on where it was.

    \b
    Example: muniment fetch 17 --home tax && muniment export 17 -o permits.csv --home tax
    """
    from node.exchange.copies import FetchError
    from node.exchange.fetch import Fetcher

    place = Home(home)
    fetcher = Fetcher(place, *chain_of(home, passphrase_file, as_node=True))
    with fetcher.locked(grant):
        copy = fetcher.begin(grant, rows, server=server)
        try:
            receipt = _receive(place, fetcher, copy)
        except FetchError as error:
            raise _disputable(error, copy) from None
    show(asdict(receipt), as_json, _show_receipt)


def _disputable(error: MunimentError, copy: Copy) -> MunimentError:
    """Say how to contest what was refused, where the server has signed it."""
    from node.exchange.copies import WrongDataError

    if isinstance(error, WrongDataError) and copy.refused() is not None:
        number = copy.order.delivery
        return WrongDataError(f"{error.message}; contest it with: muniment dispute open {number}")
    return error


def _show_receipt(data: dict[str, Any]) -> None:
    by_subject = data.pop("by_subject")
    if data["left_out"]:
        why = "the filter, groups too small, or erased" if data["mode"] == "audited" else "erased"
        if by_subject:
            why = f"their subjects have not authorised it, {why}"
        data["left_out"] = f"{data['left_out']}: {why}"
    pairs([(key.replace("_", " "), value) for key, value in data.items()])


def _receive(home: Home, fetcher: Fetcher, copy: Copy) -> Receipt:
    from node.exchange.receiving import receive

    at = copy.last.position
    with click.progressbar(length=copy.order.rows, label="records", file=sys.stderr) as bar:
        bar.update(at)

        def progress(rows: int, position: int) -> None:
            nonlocal at
            bar.update(position - at)
            at = position

        return receive(home, fetcher, copy, progress)


@click.command()
@_grant
@click.option("--delivery", type=click.IntRange(1), help="By default the latest complete one.")
@click.option("--format", "syntax", type=click.Choice(["csv", "jsonl", "parquet"]), default="csv",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
@json_option
def export(
    grant: int,
    delivery: int | None,
    syntax: str,
    output: Path,
    home: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Write what was fetched under GRANT to a file; refused after the grant's end.

    \b
    Example: muniment export 17 --format parquet -o permits.parquet --home tax
    """
    from node.exchange import export as exports

    place = Home(home)
    chain, master = chain_of(home, passphrase_file)
    wanted = exports.Wanted(grant, delivery, syntax, getuser())
    data = exports.export(place, chain, master, wanted, output, _now_ms())
    show(data, as_json, lambda d: pairs(list(d.items())))


@click.command()
@_grant
@click.argument("keys", metavar="KEY...", nargs=-1)
@click.option("--calls", type=click.IntRange(1), default=100, show_default=True,
              help="How many calls a new session reserves of the grant's quota.")  # fmt: skip
@click.option("--close", is_flag=True, help="End the session afterwards; gives back unused calls.")
@_from
@home_option
@passphrase_option
@json_option
def lookup(
    grant: int,
    keys: tuple[str, ...],
    calls: int,
    close: bool,
    server: str | None,
    home: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Look up single records by KEY under GRANT; each answer is verified, and each is a call.

    \b
    Example: muniment lookup 18 110101199003070011 --home tax
    """
    from node.exchange.fetch import Fetcher
    from node.exchange.receiving import look_up

    place = Home(home)
    fetcher = Fetcher(place, *chain_of(home, passphrase_file, as_node=True))
    found: list[dict[str, Any]] = []
    with fetcher.locked(grant):
        copy = fetcher.begin(grant, calls, "lookup", server)
        try:
            answers = look_up(place, fetcher, copy, keys, close)
        except MunimentError as error:
            raise _disputable(error, copy) from None
    for key, rows in answers:
        found += [{"key": key, **dict(zip(copy.order.names, row, strict=True))} for row in rows]
        if not rows:
            found.append({"key": key, "found": False})

    def render(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            pairs([(name, "" if value is None else value) for name, value in row.items()])

    show(found, as_json, render)

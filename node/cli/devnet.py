"""Commands that run trial networks."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from consensus.codec import DecodeError
from consensus.validators import Parameters
from node.cli.common import json_option, pairs, show, table


@click.group()
def devnet() -> None:
    """Run a trial network of real processes on this machine."""


def _open(folder: Path) -> Any:
    from node.devnet import Devnet

    return Devnet(folder)


def folder_argument(function: Any) -> Any:
    """Add DIR."""
    return click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))(function)


@devnet.command()
@folder_argument
@click.option("--nodes", type=click.IntRange(1, 32), default=4, show_default=True)
@click.option("--epoch-length", type=int, default=Parameters().epoch_length, show_default=True,
              help="Blocks until what members decide takes effect.")  # fmt: skip
@click.option("--idle-ms", type=int, default=Parameters().idle_ms, show_default=True,
              help="How long a leader waits for work.")  # fmt: skip
@json_option
def up(folder: Path, nodes: int, epoch_length: int, idle_ms: int, as_json: bool) -> None:
    """Make a network in DIR, unless there is one, and start all its nodes."""
    from node.devnet import Devnet

    parameters = Parameters(epoch_length=epoch_length, idle_ms=idle_ms)
    try:
        Parameters.from_value(parameters.to_value())
    except DecodeError as error:
        raise click.UsageError(str(error)) from error
    found = Devnet.create(folder, nodes, parameters)
    found.start(*found.names)
    quorum_peers = len(found.names) - 1
    for name in found.names:
        found.wait(name, lambda s: s["peers"] == quorum_peers)
    _show_status(found, as_json)


@devnet.command()
@folder_argument
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show the nodes of the network in DIR."""
    _show_status(_open(folder), as_json)


def _show_status(found: Any, as_json: bool) -> None:
    titles = ("name", "state", "height", "peers", "pid", "state root")
    show(
        found.status(),
        as_json,
        lambda rows: table(
            titles,
            [
                (
                    row["name"],
                    row["state"],
                    row.get("height", "-"),
                    row.get("peers", "-"),
                    row.get("pid", "-"),
                    row.get("state_root", "-")[:16],
                )
                for row in rows
            ],
        ),
    )


@devnet.command()
@folder_argument
@click.argument("name")
def kill(folder: Path, name: str) -> None:
    """Kill the node NAME without warning (SIGKILL)."""
    _open(folder).kill(name)
    click.echo(f"{name} was killed")


@devnet.command()
@folder_argument
@click.argument("name")
def restart(folder: Path, name: str) -> None:
    """Start the node NAME, killing it first if it runs."""
    found = _open(folder)
    if name in found.processes():
        found.kill(name)
    found.start(name)
    click.echo(f"{name} runs")


@devnet.command()
@folder_argument
def down(folder: Path) -> None:
    """Stop all nodes of the network in DIR."""
    _open(folder).down()
    click.echo("all nodes are stopped")


@devnet.command()
@folder_argument
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--duration", type=click.IntRange(1), default=60, show_default=True, help="Seconds of trouble."
)
@click.option("--count", type=click.IntRange(1), help="So many troubles, however long they take.")
@click.option(
    "--kinds",
    default="all",
    show_default=True,
    help="all, or names with commas: kill, blackout (all killed at once), pause, disconnect, "
    "restart, wipe, disk-full.",
)
@click.option(
    "--load",
    type=click.IntRange(1, 1_000),
    default=10,
    show_default=True,
    help="Transactions offered to each node in a second.",
)
@click.option(
    "--nodes",
    type=click.IntRange(4, 32),
    default=4,
    show_default=True,
    help="How many nodes to make, if DIR holds no network.",
)
@json_option
def perturb(
    folder: Path,
    seed: int,
    duration: int,
    count: int | None,
    kinds: str,
    load: int,
    nodes: int,
    as_json: bool,
) -> None:
    """Trouble the network in DIR at random under load, and check what it promises.

    Nodes are killed, one or all, paused, disconnected, restarted and wiped; one's disk is filled.
    Chains, states, votes and all transactions are compared through RPC; the exit status is 1 if a
    promise breaks.

    \b
    Example:
      muniment devnet perturb trial --seed 7 --duration 120
      muniment devnet perturb trial --seed 1 --kinds kill,blackout --count 100
    """
    from node.devnet import Devnet
    from node.perturb.run import KINDS, Perturber, may_mount

    chosen = KINDS if kinds == "all" else tuple(kind.strip() for kind in kinds.split(","))
    for kind in chosen:
        if kind not in KINDS:
            raise click.BadParameter(f"{kind!r} is none of: {', '.join(KINDS)}")
    if kinds == "all" and not may_mount():
        click.echo("disk-full is left out: it needs the right to mount a small volume", err=True)
        chosen = tuple(kind for kind in KINDS if kind != "disk-full")
    found = Devnet.create(folder, nodes)
    say = (lambda line: None) if as_json else click.echo
    perturber = Perturber(found, seed, chosen, load, say)
    checked = perturber.run(duration, count)
    data = {"seed": seed, "troubles": dict(sorted(perturber.counts.items())), **checked}
    show(data, as_json, lambda d: pairs([
        ("troubles", ", ".join(f"{kind} {count}" for kind, count in d["troubles"].items())),
        ("accepted", d["accepted"]),
        ("final", f"{d['final']}, {d['reported']} of them reported, none lost or doubled"),
        ("votes", f"{d['votes']} without contradiction"),
        ("chains", f"equal on all nodes up to height {d['height']}"),
    ]))  # fmt: skip


@click.command()
@click.argument(
    "part", type=click.Choice(["all", "ledger", "exchange", "supervision"]), default="all"
)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="Keep everything in this folder."
)
@click.option(
    "--console/--no-console",
    default=None,
    help="At the end the last network stays, with pages to log in to; by default after all parts.",
)
def demo(part: str, folder: Path | None, console: bool | None) -> None:
    """Show ledger, exchange and supervision at work with four departments, step by step.

    Everything runs in a temporary folder that is removed at the end, or in --dir. Each part takes
    about half a minute. After all three the network of the last one stays: each of the four
    departments has a console, whose address, operator and passphrase are printed, and they go on
    working. On a terminal, or with --console, that lasts until Ctrl-C; otherwise until every
    console has answered.

    \b
    Example: muniment demo exchange --console
    """
    import os
    import signal
    import sys
    import tempfile

    from node.demo import Demo
    from node.demo_console import open_consoles, stay
    from node.demo_exchange import ExchangeDemo
    from node.demo_supervision import SupervisionDemo
    from node.story import DemoError
    from node.tether import tied

    parts: dict[str, Any] = {
        "ledger": Demo,
        "exchange": ExchangeDemo,
        "supervision": SupervisionDemo,
    }
    # Ended either way, it takes its processes and its folder along; killed, its processes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.update(tied())
    with contextlib.ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="muniment-")
            folder = Path(stack.enter_context(made))
        for number, name in enumerate(parts if part == "all" else (part,)):
            click.echo(("\n" if number else "") + name.capitalize())
            is_used = (folder / name).exists()
            try:
                parts[name](folder / name, click.echo).run()
            except DemoError as error:
                if is_used:
                    raise DemoError(
                        f"{error.message}\n{folder / name} was there before, and what was done in "
                        "it may be why; --dir with another folder begins anew"
                    ) from error
                raise
        if console or (console is None and part == "all"):
            with open_consoles(folder / name, click.echo):
                if console or sys.stdout.isatty():
                    stay(click.echo)
                else:
                    click.echo("\nAll consoles answered. To keep them up: muniment demo --console")

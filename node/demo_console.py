"""The end of a demonstration, where wanted: its network stays, with two consoles."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from node.devnet import Devnet
from node.home import atomic_write
from node.story import DemoError, Say, Story

DEPARTMENTS = {"tax": "li", "land": "wang"}
"""Whose console is served, and who logs in there."""
DUTIES = ("admin", "approver", "dispatcher", "steward")
VALID = timedelta(days=365)


@contextmanager
def open_consoles(folder: Path, say: Say) -> Iterator[dict[str, str]]:
    """Start the network of a story again; gives the consoles' addresses by department.

    Raises DemoError, or MunimentError of the network.
    """
    net = Devnet(folder)
    story = Story(net, say)
    try:
        story.title("The network stays; two departments have consoles")
        net.start(*net.names)
        for name in net.names:
            net.wait(name, lambda s: s["peers"] == len(net.names) - 1)
        secret = folder / "passphrase"
        if not secret.exists():
            atomic_write(secret, secrets.token_hex(8).encode(), 0o600)
        with ExitStack() as stack:
            addresses = {}
            for member, operator in DEPARTMENTS.items():
                _employ(story, member, operator, secret)
                addresses[member] = stack.enter_context(_console(net, member))
            for member, address in addresses.items():
                say(f"     {member:<7} {address}  operator {DEPARTMENTS[member]}")
            say(f"     passphrase of both: {secret.read_text()}")
            yield addresses
    finally:
        net.down()


def wait_for_interrupt(say: Say) -> None:
    """Return once Ctrl-C is pressed."""
    say("\nOpen the addresses in two browsers. Ctrl-C ends the network.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("")


def _employ(story: Story, member: str, operator: str, secret: Path) -> None:
    home = story.net.home(member)
    if (home.operators / operator).exists():
        return  # the demonstration runs in its folder again
    until = (datetime.now(UTC) + VALID).date().isoformat()
    duties = [part for duty in DUTIES for part in ("--duty", duty)]
    at = ("--home", str(home.path))
    story.command("operator", "new", operator, "--passphrase-file", str(secret), *at)
    story.command("operator", "grant", str(home.operators / f"{operator}.json"), *duties,
                  "--trained-until", until, "--confidential-until", until, *at)  # fmt: skip


@contextmanager
def _console(net: Devnet, member: str) -> Iterator[str]:
    """Serve a member's console at a free loopback port; gives its address."""
    home = net.home(member)
    before, mark, after = home.settings.read_text().partition("[console]\n")
    after = after.replace("serve = false", "serve = true", 1).replace(":8480", ":0", 1)
    home.settings.write_text(before + mark + after)
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "web", "--home", str(home.path)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        name, _, address = process.stdout.readline().partition(": ")
        if name != "console":
            raise DemoError(f"{member}'s console did not start")
        yield address.strip()
    finally:
        process.terminate()
        process.wait()

"""The end of a demonstration: its network stays for a while, and each department has a console."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from node.demo_stage import declare_source, guess_keys, publish_standard, watching
from node.demo_traffic import Traffic
from node.devnet import POLL_S, START_S, Devnet
from node.home import atomic_write
from node.provision import free_ports
from node.story import DemoError, Say, Story

OPERATORS = {"tax": ("li", "sun"), "health": ("chen", "zhou"), "civil": ("zhao", "qian"),
             "land": ("wang", "wu")}  # fmt: skip
"""Who logs in at which department's console: the first with all duties, the second to confirm."""
DUTIES = (("admin", "approver", "dispatcher", "steward"), ("approver", "steward"))
VALID = timedelta(days=365)


@contextmanager
def open_consoles(folder: Path, say: Say) -> Iterator[dict[str, str]]:
    """Start the network of a story again, and work on it; gives consoles' addresses by department.

    Each is up when it is given. Raises DemoError, or MunimentError of the network.
    """
    net = Devnet(folder)
    story = Story(net, say)
    story.title("The network stays; each department has a console, and work goes on")
    with _started(net) as addresses:
        secret = folder / "passphrase"
        if not secret.exists():
            atomic_write(secret, secrets.token_hex(8).encode(), 0o600)
        publish_standard(story)
        with ThreadPoolExecutor() as pool:  # each waits for blocks most of the time
            list(pool.map(lambda member: _furnish(story, member, secret), addresses))
        with watching(story), Traffic(net):
            guess_keys(story)
            for member, address in addresses.items():
                _await(address)
                first, second = OPERATORS[member]
                say(f"     {member:<7} {address}  operators {first}, {second}")
            say(f"     passphrase of all: {secret.read_text()}")
            yield addresses


def stay(say: Say) -> None:
    """Return once Ctrl-C is pressed."""
    say("\nOpen the addresses in several browsers. Ctrl-C ends the network.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("")


@contextmanager
def _started(net: Devnet) -> Iterator[dict[str, str]]:
    """Run the nodes with consoles and exchange turned on; both are off again afterwards."""
    homes = [net.home(name) for name in OPERATORS]
    before = {home: home.settings.read_text() for home in homes}
    ports = free_ports(len(homes))
    try:
        for home, port in zip(homes, ports, strict=True):
            head, mark, rest = before[home].partition("[exchange]\n")
            rest = rest.replace("serve = false", "serve = true", 2)  # the exchange, the console
            home.settings.write_text(head + mark + rest.replace(":8480", f":{port}", 1))
        net.start(*net.names)
        for name in net.names:
            net.wait(name, lambda s: s["peers"] == len(net.names) - 1)
        yield {name: f"http://127.0.0.1:{port}"
               for name, port in zip(OPERATORS, ports, strict=True)}  # fmt: skip
    finally:
        net.down()
        for home, text in before.items():
            home.settings.write_text(text)


def _furnish(story: Story, member: str, secret: Path) -> None:
    """Give a department its operators and a source."""
    home = story.net.home(member)
    until = (datetime.now(UTC) + VALID).date().isoformat()
    at = ("--home", str(home.path))
    for operator, given in zip(OPERATORS[member], DUTIES, strict=True):
        if (home.operators / operator).exists():
            continue  # the demonstration runs in its folder again
        duties = [part for duty in given for part in ("--duty", duty)]
        story.command("operator", "new", operator, "--passphrase-file", str(secret), *at)
        story.command("operator", "grant", str(home.operators / f"{operator}.json"), *duties,
                      "--trained-until", until, "--confidential-until", until, *at)  # fmt: skip
    declare_source(story, member)


def _await(address: str) -> None:
    """Wait until a console shows its page to log in. Raises DemoError."""
    end, problem = time.monotonic() + START_S, ""
    while time.monotonic() < end:
        try:
            answer = httpx.get(f"{address}/login")
            if answer.is_success:
                return
            problem = f"status {answer.status_code}"
        except httpx.TransportError as error:
            problem = str(error)
        signal.sigtimedwait([], POLL_S)
    raise DemoError(f"{address} does not answer: {problem}")

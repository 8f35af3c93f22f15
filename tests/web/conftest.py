"""A trial network with a real console before one of its nodes, and a browser where there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.devnet import Devnet
from node.home import Home
from tests.node.alliance import command

PASSPHRASE = "an operator's passphrase"
OPERATORS = {
    "li": ("admin", "approver", "dispatcher", "steward"),
    "wang": ("approver",),
    "zhao": ("auditor",),
}
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@dataclass
class Console:
    """A running console: where it is, and the network behind it."""

    net: Devnet
    member: str
    address: str
    portal: str

    @property
    def home(self) -> Home:
        return self.net.home(self.member)

    @contextmanager
    def enter(self, operator: str = "li", language: str = "en") -> Iterator[httpx.Client]:
        """Log in; gives a client with the session's cookie."""
        headers = {"accept-language": language}
        with httpx.Client(base_url=self.address, headers=headers) as client:
            answer = client.post("/login", data={"operator": operator, "passphrase": PASSPHRASE})
            assert answer.status_code == 303, answer.text
            yield client

    def csrf(self, client: httpx.Client) -> str:
        """The token of a client's session, as its pages carry it."""
        return client.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


def start_web(home: Path) -> tuple[subprocess.Popen[str], str, str]:
    """Start `muniment web`; returns the process and the addresses it tells: console, portal."""
    process = subprocess.Popen([sys.executable, "-m", "node", "web", "--home", str(home)],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    told = {}
    while len(told) < 2:
        name, _, address = process.stdout.readline().partition(": ")
        if name in ("console", "portal"):
            told[name] = address.strip()
    return process, told["console"], told["portal"]


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("web")
    net = Devnet.create(folder / "net", 4)
    net.start(*net.names)
    process = None
    try:
        member = net.names[0]
        home = net.home(member)
        for name in net.names:
            net.wait(name, lambda s: s["peers"] == len(net.names) - 1)
        secret = folder / "passphrase"
        secret.write_text(PASSPHRASE)
        secret.chmod(0o600)
        for operator, duties in OPERATORS.items():
            command("operator", "new", operator, "--home", home.path, "--passphrase-file", secret)
            given = [part for duty in duties for part in ("--duty", duty)]
            command("operator", "grant", home.operators / f"{operator}.json", *given,
                    "--trained-until", "2030-06-30", "--confidential-until", "2030-06-30",
                    "--home", home.path)  # fmt: skip
        text = home.settings.read_text()
        before, after = text.split("[console]\n")
        after = after.replace("serve = false", "serve = true").replace(":8480", ":0", 1)
        home.settings.write_text(f"{before}[console]\n{after.replace(':8481', ':0', 1)}")
        process, address, portal = start_web(home.path)
        yield Console(net, member, address, portal)
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        net.down()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()

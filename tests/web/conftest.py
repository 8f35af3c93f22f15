"""A trial network with a real console before one of its nodes, and a browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import trio

from consensus.validators import Parameters
from node.cli.collect import unlocked
from node.cli.sealing import opener
from node.desk import Desk
from node.desk.jobs import Jobs
from node.desk.methods import METHODS
from node.devnet import Devnet
from node.home import Home
from node.network import load_genesis
from node.rpc.client import Client
from node.web import console as console_pages
from node.web.link import Link
from node.web.live import Live
from node.web.sessions import Sessions
from node.web.site import Site
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


def standard_of(identity: str, title: str, fields: Iterable[tuple[str, str, int]]) -> str:
    """A standard's document, with name, type and level of each field; publishing fills in more."""
    rows = [{"name": name, "type": kind, "level": level} for name, kind, level in fields]
    return json.dumps({"id": identity, "title": title, "fields": rows})


def hidden(page: str, name: str) -> str:
    """What a hidden field of a page's form holds."""
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


def second_of(page: str) -> str:
    """The path of the form by which a second person confirms."""
    found = re.search(r'action="(/seconds/[0-9]+/confirm)"', page)
    assert found is not None, page
    return found[1]


def sign(client: httpx.Client | Pages, answer: httpx.Response, csrf: str) -> str:
    """Press the button on the page that an action leads to; returns the transaction's page."""
    assert answer.status_code == 303, answer.text
    done = client.post(answer.headers["location"], data={"csrf": csrf, "decision": "sign"})
    assert done.status_code == 303, done.text
    page = client.get(done.headers["location"]).text
    assert "Final, and done." in page
    return page


@dataclass
class Console:
    """A running console: where it is, and the network behind it."""

    net: Devnet
    member: str
    address: str
    portal: str
    tokens: dict[str, str] = field(default_factory=dict)

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

    def await_jobs(self) -> None:
        """Return once no job of the desk runs any more."""
        with Client(self.home.desk_socket, timeout_s=60) as desk:
            for job in desk.call("job.list"):
                while desk.call("job.wait", job=job["id"], timeout_ms=30_000)["state"] == "running":
                    continue

    def query(self, contract: str, method: str, **args: Any) -> Any:
        with Client(self.home.socket) as client:
            return client.call("state.query", contract=contract, method=method, args=args)

    def make_block(self) -> None:
        command("operator", "train", "wang", "--trained-until", "2031-01-01",
                "--confidential-until", "2031-01-01", "--home", self.home.path)  # fmt: skip

    def csrf(self, client: httpx.Client) -> str:
        """The token of a client's session, as its pages carry it; asked for once."""
        session = client.cookies["muniment"]
        if session not in self.tokens:
            self.tokens[session] = hidden(client.get("/").text, "csrf")
        return self.tokens[session]

    def post(self, client: httpx.Client, path: str, **form: object) -> httpx.Response:
        """Send a form, with the token of the client's session."""
        return client.post(path, data={"csrf": self.csrf(client), **form})

    def press(self, client: httpx.Client, path: str, **form: object) -> str:
        """Send a form and sign what it leads to; returns the transaction's page."""
        csrf = self.csrf(client)
        return sign(client, client.post(path, data={"csrf": csrf, **form}), csrf)

    def load(self, client: httpx.Client, path: str) -> bytes:
        """A file whose proofs wait for the next block."""
        with ThreadPoolExecutor() as aside:
            answer = aside.submit(client.get, path, timeout=60)
            while not answer.done():
                self.make_block()
        assert answer.result().status_code == 200, answer.result().text
        return bytes(answer.result().content)


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


def start_desk(home: Path) -> subprocess.Popen[str]:
    """Start `muniment desk`, and wait until it answers."""
    process = subprocess.Popen([sys.executable, "-m", "node", "desk", "--home", str(home)],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("desk: ")
    return process


def desk_of(home: Home, member: str) -> Desk:
    """What a member's desk works with, for its methods without their process."""
    passphrase = home.passphrase.read_text().strip()
    chain, master = unlocked(home.path, passphrase)
    return Desk(home, member, chain, master, opener(home, passphrase), passphrase, Jobs())


class Pages:
    """A console with its desk in this process; asks it as a browser would."""

    def __init__(self, home: Home, member: str) -> None:
        desk, self._link = desk_of(home, member), Link(home.socket)

        class Within:
            """The desk as pages ask it."""

            def call(self, method: str, /, **params: Any) -> Any:
                return METHODS[method](desk, params)

        genesis = load_genesis(home.genesis).genesis
        sessions = Sessions(home, member, self._link, 1_800.0)
        site = Site(home, member, genesis, self._link, cast(Link, Within()),
                    Live(home, self._link), console_pages.AREAS, sessions)  # fmt: skip
        self._transport = httpx.ASGITransport(console_pages.build(site, frozenset({"here"})))
        self._cookies = httpx.Cookies()

    def get(self, path: str) -> httpx.Response:
        return trio.run(self._ask, "GET", path, None)

    def post(self, path: str, data: dict[str, str]) -> httpx.Response:
        return trio.run(self._ask, "POST", path, data)

    async def _ask(self, method: str, path: str, data: dict[str, str] | None) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://here",
                                     cookies=self._cookies) as client:  # fmt: skip
            answer = await client.request(method, path, data=data)
            self._cookies = client.cookies
            return answer

    def close(self) -> None:
        self._link.close()


@contextmanager
def serve_console(
    net: Devnet, member: str, folder: Path, operators: Mapping[str, Sequence[str]]
) -> Iterator[Console]:
    """Make operators of a member of a running network, and serve its console with its desk."""
    home = net.home(member)
    secret = folder / f"{member}.passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    for operator, duties in operators.items():
        command("operator", "new", operator, "--home", home.path, "--passphrase-file", secret)
        given = [part for duty in duties for part in ("--duty", duty)]
        command("operator", "grant", home.operators / f"{operator}.json", *given,
                "--trained-until", "2030-06-30", "--confidential-until", "2030-06-30",
                "--home", home.path)  # fmt: skip
    text = home.settings.read_text()
    before, after = text.split("[console]\n")
    after = after.replace("serve = false", "serve = true").replace(":8480", ":0", 1)
    home.settings.write_text(f"{before}[console]\n{after.replace(':8481', ':0', 1)}")
    process = desk = None
    try:
        process, address, portal = start_web(home.path)
        desk = start_desk(home.path)
        yield Console(net, member, address, portal)
    finally:
        for each in filter(None, (process, desk)):
            each.terminate()
            each.wait(10)


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("web")
    net = Devnet.create(folder / "net", 4, Parameters(epoch_length=8))
    net.start(*net.names)
    try:
        for name in net.names:
            net.wait(name, lambda s: s["peers"] == len(net.names) - 1)
        # A supervisor, so that its console has everything.
        with serve_console(net, "tax", folder, OPERATORS) as made:
            yield made
    finally:
        net.down()


@pytest.fixture(scope="session")
def second_console(console: Console, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The console of health, a province below the first one's member, with an operator chen."""
    folder = tmp_path_factory.mktemp("second")
    with serve_console(console.net, "health", folder, {"chen": OPERATORS["li"]}) as made:
        yield made


@dataclass
class Town:
    """The console's member and a neighbour, each with a dataset of firms."""

    console: Console
    neighbour: str

    @property
    def ours(self) -> str:
        return f"{self.console.member}/firms"

    @property
    def theirs(self) -> str:
        return f"{self.neighbour}/firms"

    def at(self, member: str, *args: object) -> Any:
        """Run a command at a member's home; every node has its block afterwards."""
        net = self.console.net
        done = json.loads(command(*args, "--json", "--home", net.home(member).path))
        for name in (self.console.member, self.neighbour):
            net.wait(name, lambda status: status["height"] >= done["height"])
        return done

    def ask_for_ours(self) -> int:
        """The neighbour asks for what waits for a review; returns the request's number."""
        asked = self.at(self.neighbour, "request", "new", self.ours, "income", "--purpose",
                        "public-service", "--basis", "public-task", "--rows", 500,
                        "--days", 90)  # fmt: skip
        number: int = asked["request"]
        return number

    def query(self, contract: str, method: str, **args: Any) -> Any:
        return self.console.query(contract, method, **args)

    def requests(self, member: str) -> Any:
        return self.query("access", "list", member=member)


@pytest.fixture(scope="session")
def town(console: Console, tmp_path_factory: pytest.TempPathFactory) -> Town:
    made = Town(console, next(n for n in console.net.names if n != console.member))
    folder = tmp_path_factory.mktemp("town")
    for member in (console.member, made.neighbour):
        register(made, member, folder)
    return made


def register(town: Town, member: str, folder: Path) -> None:
    """Let a member register its firms: a city at L2, an income at L3."""
    table = folder / "firms.csv"
    table.write_text("city,income\nBeijing,10\nShanghai,20\n")
    standard = folder / f"{member}.json"
    fields = (("city", "text", 2), ("income", "amount", 3))
    standard.write_text(standard_of(f"{member}/firm", "Firms", fields))
    town.at(member, "standard", "publish", standard)
    town.at(member, "dataset", "register", table, "--standard", f"{member}/firm",
            "--title", "Firms")  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()

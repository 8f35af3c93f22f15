"""A network whose members supervise by their own keys, for tests of what pages make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from consensus.crypto import Signer
from contracts.system.sanctions import DAY_MS
from node.keys import find_keys, load_key
from node.network import load_genesis
from node.rpc.client import Client
from node.transactions import sign_calls
from node.web.console.exchange import now_ms
from tests.web.conftest import Console, Town

Call = tuple[str, str, dict[str, Any]]
WATCHED = "land"
"""Whom alerts, cases and measures are about: no other test's requests may be refused."""
OTHER = "health"
"""Who supervises too, by a vote, so that the console's member may decide what it imposed."""
STATUTE = "audit-act-7"
YEAR_2100_MS = 4_102_444_800_000


@dataclass
class Watch:
    """A network whose members act by their own keys, without a command for each act."""

    town: Town
    signers: dict[tuple[str, str], Signer] = field(default_factory=dict)

    @property
    def console(self) -> Console:
        return self.town.console

    @property
    def home(self) -> str:
        return self.console.member

    def act(self, member: str, *calls: Call, purpose: str = "member") -> list[Any]:
        """Sign calls with a member's key, wait until they are final; returns their events."""
        home = self.console.net.home(member)
        if (member, purpose) not in self.signers:
            path = next(iter(find_keys(home.keys, purpose).values()))
            secret = home.passphrase.read_text().strip()
            self.signers[member, purpose] = Signer(load_key(path, purpose, secret))
        sender = member if purpose == "member" else f"{member}/{purpose}"
        chain_id = load_genesis(home.genesis).genesis.chain_id
        with Client(self.console.home.socket) as client:
            made = sign_calls(client, chain_id, self.signers[member, purpose], sender, calls)
            client.call("tx.submit", tx=made.raw.hex())
            state = client.call("tx.wait", txid=made.txid.hex(), timeout_ms=20_000)
        assert state["code"] == 0, state
        return list(state["events"])

    def alert(
        self, detector: str, severity: int = 3, subject: str | None = None, member: str = WATCHED
    ) -> int:
        """The console's own node notices something about a member."""
        args = {"detector": detector, "member": member, "subject": subject,
                "severity": severity, "height": 1,
                "reasons": [["requests", 900, 150, 520], ["lag", 20, 310, -210]]}  # fmt: skip
        events = self.act(self.home, ("alerts", "raise", args), purpose="node")
        return int(events[0][2][0])

    def case(self, by: str = "", **given: Any) -> int:
        args = {"kind": "anomaly", "severity": 2, "member": WATCHED, "dataset": None,
                "grant": None, "alerts": [], "envelope": None, **given}  # fmt: skip
        return int(self.act(by or self.home, ("cases", "open", args))[0][2][0])

    def violation(self, by: str = "") -> int:
        """A violation that a supervisor, by default the console's member, has found."""
        case, who = self.case(by), by or self.home
        self.act(who, ("cases", "dispose", {"case": case, "disposition": "confirmed",
                                            "envelope": None}))  # fmt: skip
        args = {"member": WATCHED, "rule": "leak", "gravity": 1, "case": case,
                "envelope": None}  # fmt: skip
        return int(self.act(who, ("sanctions", "find", args))[0][2][0])

    def enact(self, *proposals: tuple[str, dict[str, Any]]) -> None:
        """Put changes to the vote; they hold once the epoch has ended."""
        calls = [("governance", "propose", {"kind": kind, "args": args})
                 for kind, args in proposals]  # fmt: skip
        events = self.act(self.home, *calls)
        self.carry(*(data[0] for _, name, data in events if name == "proposed"))

    def carry(self, *numbers: int) -> None:
        """Let enough members agree to proposals, and wait until these hold."""
        for member in (self.home, self.town.neighbour, WATCHED):
            self.act(member, *(("governance", "vote", {"proposal": each, "choice": "yes"})
                               for each in numbers))  # fmt: skip
        for number in numbers:
            while (status := self._status(number)) in ("open", "accepted"):
                self.case()
            assert status == "executed"

    def _status(self, proposal: int) -> str:
        return str(self.town.query("governance", "get", proposal=proposal)["status"])

    def allow_use_by_law(self) -> None:
        """Let a statute hold, and another member be registrar; once for a network."""
        if self.town.query("governance", "statute", statute=STATUTE) is None:
            roles = ["registrar", "supervisor", "validator"]
            statute = {"statute": STATUTE, "digest": bytes(32), "until": YEAR_2100_MS,
                       "notice_days": 3_650}  # fmt: skip
            self.enact(("change", {"member": OTHER, "roles": roles}), ("statute", statute))

    def deploy_polls(self) -> int:
        """Let the library's polls be deployed, once for a network; returns the proposal."""
        if self.town.query("contracts", "get", name="poll") is None:
            source = (files("contracts") / "library" / "poll.star").read_text("utf-8")
            self.enact(("deploy", {"name": "poll", "source": source}))
        rows = self.town.query("governance", "list")
        return next(int(row["id"]) for row in rows
                    if (row["kind"], row["status"]) == ("deploy", "executed"))  # fmt: skip

    def use_by_law(self) -> int:
        """Somebody watched asks to use the neighbour's data by the statute, which holds."""
        args = {"statute": STATUTE, "dataset": self.town.theirs, "purpose": "enforcement",
                "registrar": OTHER, "until": now_ms() + DAY_MS}  # fmt: skip
        return int(self.act(WATCHED, ("subjects", "invoke", args))[0][2][0])

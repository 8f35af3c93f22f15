"""A process beside the daemon: follows the node's blocks, watches, raises alerts on the chain.

It asks by RPC and signs with the node key as MEMBER/node. What it remembers stands in the home; a
start without it first learns from the blocks that the node keeps, and raises nothing for these.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2

from consensus.crypto import Signer
from contracts.api import NODE
from contracts.checks import MAX_ID_BYTES
from contracts.envelope import NONCE_BYTES, Call, Transaction
from contracts.system import alerts, cases
from node.errors import MunimentError
from node.home import atomic_write
from node.rpc.client import Client, NodeError
from node.watch.alert import Alert
from node.watch.calendar import Calendar
from node.watch.health import Observer
from node.watch.item import Terms, items_of
from node.watch.watch import StateError, Watch

SAVE_MS = 60_000
POLL_MS = 1_000
VALID_FOR = 64
"""Heights for which an alert's transaction is good; later the watch has gone on."""
HUNDREDTHS, MOST = 100, 1 << 53
MAX_WAITING = 1_000


class SuperviseError(MunimentError):
    """The watch cannot start; the message says why."""

    code = "supervise"


class Supervisor:
    """Feeds a watch from a node.

    `told` hears of every alert as it is raised, `passed` how far catching up has come: height, tip.
    """

    def __init__(
        self, socket: Path, memory: Path, signer: Signer, chain_id: bytes, name: str,
        told: Callable[[Alert], None], passed: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        self._client = Client(socket)
        self._socket = socket
        self._path = memory
        self._signer = signer
        self._chain_id = chain_id
        self._name = name
        self._told = told
        self._passed = passed
        self.height, kept = self._load()
        self._is_new = kept is None
        self._watch = self._make_watch(kept)
        self._observer = Observer(name)
        self._waiting: deque[Alert] = deque(maxlen=MAX_WAITING)
        self._saved_ms = self._polled_ms = 0
        self._is_whole = True

    def run(self) -> None:
        """Follow the node until it goes away (NodeError) or the process is told to end."""
        with self._client, Client(self._socket) as stream:
            self._catch_up(raises=not self._is_new)
            stream.call("subscribe", topics=["activity"])
            self._catch_up(raises=True)
            self.save()
            for _, block in stream.subscribe(("activity",)):
                if block["height"] > self.height + 1:
                    self._catch_up(raises=True)
                if block["height"] > self.height:
                    self._take(block, raises=True, is_live=True)
                self._look_around(block)

    def _catch_up(self, *, raises: bool) -> None:
        """Take the blocks that became final meanwhile; what is kept no longer stays unseen."""
        while True:
            page = self._client.call("events.range", after=self.height, idle=True)
            for block in page["blocks"]:
                self._take(block, raises=raises, is_live=False)
            self._passed(self.height, page["height"])
            if page["to"] >= page["height"]:
                return

    def _take(self, block: dict[str, Any], *, raises: bool, is_live: bool) -> None:
        self._is_whole = False
        if not self._observer.knows(block["epoch"]):
            validators = self._client.call("validators.get", epoch=block["epoch"])
            names = [row["name"] for row in validators["validators"]]
            self._observer.set_validators(block["epoch"], names)
        found: list[Alert] = []
        for item in items_of(block):
            self._learn(item.contract, item.name, item.data)
            found += self._watch.step(item)
        now_ms = time.time_ns() // 1_000_000 if is_live else None
        for item in self._observer.see_block(block, now_ms):
            found += self._watch.step(item)
        self.height, self._is_whole = block["height"], True
        if raises:
            self._raise(found)

    def _look_around(self, block: dict[str, Any]) -> None:
        """Now and then look at the peers, and write down what is remembered."""
        now_ms = time.monotonic_ns() // 1_000_000
        if now_ms - self._polled_ms >= POLL_MS:
            self._polled_ms = now_ms
            peers = self._client.call("peers")
            for item in self._observer.see_peers(peers, self.height, block["time"]):
                self._raise(self._watch.step(item))
        if now_ms - self._saved_ms >= SAVE_MS:
            self.save()

    # Alerts

    def _make_watch(self, kept: bytes | None) -> Watch:
        """A watch that keeps the office days in force."""
        calendar = Calendar.of(self._ask("access", "rules")["office_hours"])
        try:
            return Watch(self._find_terms, calendar, kept)
        except StateError as error:
            raise SuperviseError(f"{self._path}: {error}; move it away to learn anew") from error

    def _learn(self, contract: str, name: str, data: Any) -> None:
        """Take to heart what is decided.

        A disposition, of a case or of an alert without one, moves a detector's threshold. New
        rules of access may have other office days.
        """
        match contract, name, data:
            case "access", "rules", _:
                self._watch = self._make_watch(self._watch.dump())
            case alerts.NAME, "disposed", [
                int(number),
                str(detector),
                str(member),
                _,
                _,
                str(what),
            ]:
                if self._ask(alerts.NAME, "get", alert=number)["case"] is None:
                    self._watch.learn(detector, member, what)
            case cases.NAME, "disposed", [int(number), _, _, _, str(what), *_]:
                for alert in self._ask(cases.NAME, "get", case=number)["alerts"]:
                    row = self._ask(alerts.NAME, "get", alert=alert)
                    if row is not None:
                        self._watch.learn(row["detector"], row["member"], what)

    def _raise(self, found: list[Alert]) -> None:
        """Submit alerts, those before them that the node was too busy for first."""
        self._waiting.extend(found)
        while self._waiting:
            alert = self._waiting[0]
            try:
                self._client.call("tx.submit", tx=self._sign(alert).raw.hex())
            except NodeError as error:
                if error.code == "busy":
                    return
                raise
            self._waiting.popleft()
            self._told(alert)

    def _sign(self, alert: Alert) -> Transaction:
        return Transaction.create(
            self._signer,
            self._chain_id,
            f"{self._name}/{NODE}",
            secrets.token_bytes(NONCE_BYTES),
            self.height + VALID_FOR,
            time.time_ns() // 1_000_000,
            (Call(alerts.NAME, "raise", arguments(alert)),),
        )

    # Questions

    def _ask(self, contract: str, method: str, **args: Any) -> Any:
        return self._client.call("state.query", contract=contract, method=method, args=args)

    def _find_terms(self, grant: int) -> Terms | None:
        """What a grant is about that was given before the blocks that are kept."""
        found = self._ask("access", "grant", grant=grant)
        if found is None:
            return None
        return Terms(found["recipient"], found["owner"], found["dataset"], found["level"])

    # Memory

    def _load(self) -> tuple[int, bytes | None]:
        if not self._path.exists():
            return 0, None
        try:
            height, kept = cbor2.loads(self._path.read_bytes())
        except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
            raise SuperviseError(
                f"{self._path} is damaged ({error}); move it away to learn anew"
            ) from error
        return height, kept

    def save(self) -> None:
        """Write down what is remembered, unless the process was ended in the middle of a block."""
        if not self._is_whole:
            return
        self._saved_ms = time.monotonic_ns() // 1_000_000
        atomic_write(self._path, cbor2.dumps([self.height, self._watch.dump()]), 0o600)


def arguments(alert: Alert) -> dict[str, Any]:
    """An alert as the contract takes it: figures in hundredths."""
    return {
        "detector": alert.detector,
        "member": alert.member,
        "subject": alert.subject[:MAX_ID_BYTES] or None,
        "severity": alert.severity,
        "height": alert.height,
        "reasons": [
            [reason.feature[:MAX_ID_BYTES], *map(_hundredths, reason[1:])]
            for reason in alert.reasons[: alerts.MAX_REASONS]
        ],
    }


def _hundredths(value: float) -> int:
    return round(max(-MOST, min(MOST, value * HUNDREDTHS)))

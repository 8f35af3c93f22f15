"""The composition root: a home, its keys and settings, become a running node."""

from __future__ import annotations

import difflib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog
import trio

import config
from config.settings import Log as LogSettings
from consensus.crypto import Signer
from consensus.events import Now
from consensus.messages import Vote
from contracts.system import VERSIONS, Versions, members
from node.clerk import Clerk, Duty
from node.core import Core, Keeping
from node.driver import Driver
from node.envelopes.store import EnvelopeStore
from node.errors import MunimentError, alone
from node.exchange.relay import Relay
from node.home import Home
from node.journal_file import JournalFile
from node.keeper import keep_running
from node.keys import find_keys, load_key
from node.ledger import Ledger
from node.mempool import Mempool
from node.network import SignedGenesis, load_genesis
from node.peers import Peers
from node.rpc.server import Server
from node.service import Service
from node.store import LevelDB, Store
from p2p.addresses import parse_address
from p2p.identity import pinned_key
from p2p.libp2p_shim import quiet_libp2p
from p2p.libp2p_transport import Libp2pTransport
from p2p.transport import ListenError

log = structlog.get_logger("daemon")


class StartError(MunimentError):
    """The node cannot start; the message says what to change."""

    code = "start"


class MachineClock:
    """The clocks of this machine, in ms."""

    def __call__(self) -> Now:
        return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)

    async def wait(self, event: trio.Event, until_ms: int) -> None:
        due = until_ms - self().monotonic
        with trio.move_on_after(max(0.0, due / 1_000)):
            await event.wait()


def run(path: Path, passphrase: str, versions: Versions = VERSIONS) -> None:
    """Run the node of a home until SIGTERM or SIGINT. Raises MunimentError.

    `versions` are the protocol versions that the release executes.
    """
    home = Home(path)
    home.require()
    try:
        settings = config.load(home.settings)
    except config.SettingsError as error:
        raise StartError(str(error)) from error
    signed = load_genesis(home.genesis)
    _require_signed(signed, home)
    lock = home.lock()
    try:
        _configure_log(settings.log)
        trio.run(_run, home, settings, signed, passphrase, versions)
    finally:
        os.close(lock)


def _require_signed(signed: SignedGenesis, home: Home) -> None:
    if signed.unsigned:
        raise StartError(
            f"{home.genesis} is not signed by {', '.join(signed.unsigned)}; "
            "each member signs it with: muniment network sign"
        )


async def _run(
    home: Home,
    settings: config.Settings,
    signed: SignedGenesis,
    passphrase: str,
    versions: Versions,
) -> None:
    genesis, name = signed.genesis, settings.node.name
    voting = [
        Signer(load_key(path, "voting", passphrase))
        for path in find_keys(home.keys, "voting").values()
    ]
    if not voting:
        raise StartError(f"{home.key('voting')} is missing; restore it from a backup")
    store = Store(LevelDB(home.database))
    ledger = Ledger(genesis, store, cache_bytes=settings.storage.cache_mib << 20, versions=versions)
    node_seed = load_key(_find_node_key(home, ledger, name), "node", passphrase)
    node = Signer(node_seed)
    peers = _find_peers(settings, ledger, node.public_key, home)
    voting_keys = [signer.public_key for signer in voting]
    journal = _open_journal(home, voting_keys)
    transport = Libp2pTransport(node_seed, settings.network.listen, genesis.chain_id[:8].hex())
    core = Core(
        ledger,
        Mempool(settings.mempool.max_transactions, settings.mempool.max_mib << 20),
        peers,
        name=name,
        signer=voting[0],
        restored=journal.restored,
        forgetful=journal.is_forgetful,
        delta_ms=settings.consensus.delta_ms or None,
        cut_off=transport.cut_off,
        keeping=_find_keeping(settings, ledger),
        envelopes=EnvelopeStore(home.envelopes),
        clerk=Clerk(Duty(name, node, voting_keys), genesis.chain_id, versions),
        spare_signers=voting[1:],
        admit=lambda found: transport.admit(_dialled(found)),
    )
    if settings.log.votes:
        core.votes_seen = _vote_recorder(home.path / settings.log.votes)
    clock = MachineClock()
    relay = Relay(home.data_socket, transport, peers)
    driver = Driver(core, transport, journal, clock, voting_keys[0], relay)
    service = Service(
        core, driver, transport, genesis, clock, lambda: [str(a) for a in transport.addresses]
    )
    server = service.server = Server(home.socket, service.methods)
    try:
        with alone(ListenError, MunimentError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_stop_on_signal, nursery.cancel_scope)
                await nursery.start(transport.run)
                # The driver's start sets up the machine that the RPC answers speak of.
                await nursery.start(driver.run)
                await nursery.start(server.run)
                await nursery.start(relay.run)
                nursery.start_soon(service.watch)
                if settings.exchange.serve:
                    arguments = ["exchange", "serve", "--home", str(home.path),
                                 "--passphrase-file", "/dev/stdin"]  # fmt: skip
                    nursery.start_soon(keep_running, arguments, passphrase)
                if settings.console.serve:
                    arguments = ["desk", "--home", str(home.path),
                                 "--passphrase-file", "/dev/stdin"]  # fmt: skip
                    nursery.start_soon(keep_running, arguments, passphrase)
                if settings.console.serve or settings.portal.serve:
                    nursery.start_soon(keep_running, ["web", "--home", str(home.path)])
                _tame_collector()
                log.info("started", name=name, height=ledger.tip.header.height, pid=os.getpid())
    except ListenError as error:
        raise StartError(f"cannot listen: {error}") from error
    finally:
        journal.close()
        store.close()
        log.info("stopped", height=ledger.tip.header.height)


def _find_node_key(home: Home, ledger: Ledger, name: str) -> Path:
    """Return the file of the node key by which the others know this member.

    The own chain may not know yet: of a newcomer, or of a lost key that was replaced by vote while
    this node could not listen. Then the newest key is tried until the others let it in.
    """
    found = find_keys(home.keys, "node")
    if not found:
        raise StartError(f"{home.key('node')} is missing; restore it from a backup")
    newest = list(found.values())[-1]
    record = members.get(ledger.state(), name)
    if record is None:
        log.warning("this member is not in the chain yet; waiting to be let in", name=name)
        return newest
    old, stops_at = record["stopping"].get("node", (b"", 0))
    if record["node_key"] in found:
        return found[record["node_key"]]
    if old in found and ledger.tip.header.height <= stops_at:
        return found[old]
    log.warning(
        "the chain, as far as it is known here, has another node key; waiting to be let in",
        name=name, known=record["node_key"].hex(), here=newest.name,
    )  # fmt: skip
    return newest


def _find_peers(settings: config.Settings, ledger: Ledger, node_key: bytes, home: Home) -> Peers:
    """Collect the other members; raises StartError on a name or address that is none."""
    known = [record["name"] for record in members.list_all(ledger.state())]
    pinned: dict[bytes, tuple[str, tuple[str, ...]]] = {}
    for name, addresses in settings.network.peers.items():
        if name not in known and not all("/p2p/" in address for address in addresses):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"members are {', '.join(known)}"
            raise StartError(f"{home.settings}: unknown member network.peers.{name}; {hint}")
        for address in addresses:
            try:
                parse_address(address)
                key = pinned_key(address)
                if key is not None and key != node_key:
                    pinned[key] = (name, addresses)
            except ValueError as error:
                raise StartError(
                    f"{name} cannot be dialled at {address!r} ({error}); "
                    f"correct it in network.peers of {home.settings}"
                ) from error
    peers = Peers.from_genesis(ledger.genesis, node_key, settings.network.peers)
    peers.pinned = pinned
    return peers


def _dialled(peers: Mapping[bytes, tuple[str, ...]]) -> dict[bytes, tuple[str, ...]]:
    """Leave out what cannot be dialled: a member may announce anything."""
    return {key: tuple(filter(_is_address, addresses)) for key, addresses in peers.items()}


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _open_journal(home: Home, voting_keys: Sequence[bytes]) -> JournalFile:
    """Open the journal; one that is missing beside a database means that votes are forgotten."""
    if home.journal.exists():
        return JournalFile.open(home.journal, *voting_keys)
    log.warning("the vote journal is missing; observing until it is safe to vote")
    return JournalFile.create(home.journal, voting_keys[0], forgetful=True)


def _find_keeping(settings: config.Settings, ledger: Ledger) -> Keeping:
    """An archive is one by its role in the network, or by its own settings."""
    storage = settings.storage
    record = members.get(ledger.state(), settings.node.name)
    is_archive = storage.archive or (record is not None and "archive" in record["roles"])
    return Keeping(is_archive, storage.snapshots, storage.snapshot_behind)


def _vote_recorder(path: Path) -> Callable[[Vote], None]:
    """Write each vote as a line: epoch, view, kind, signer, parent view, digest, signature."""
    try:
        file = path.open("a", buffering=1)
    except OSError as error:
        raise StartError(f"log.votes: {path} cannot be opened: {error.strerror}") from error

    def record(vote: Vote) -> None:
        s = vote.statement
        fields = (s.epoch, s.view, s.kind.name, vote.signer, s.parent_view, s.digest.hex() or "-")
        file.write(" ".join(map(str, fields)) + f" {vote.signature.hex()}\n")

    return record


def _tame_collector() -> None:
    """Look for cycles seldom, and not among what lives as long as the process.

    Blocks and transactions are freed by their reference counts; walking over all that wait, each
    time some hundred objects were made, would find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


async def _stop_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            scope.cancel()
            return


def _configure_log(settings: LogSettings) -> None:
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    quiet_libp2p()
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )

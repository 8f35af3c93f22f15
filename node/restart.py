"""Going on with a new chain where too few validators of the old one are left.

The members that are left sign a genesis that names the old chain's last final block and the state
after it. Each then adopts it in its own home: the new chain begins with that very state. What
belongs to the old chain is kept beside it. No vote is forgotten, since votes name their chain.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from consensus.codec import DecodeError
from consensus.crypto import sha256
from consensus.genesis import Card, Genesis, Member, Restart
from contracts.system import members
from contracts.trie_build import build
from node.errors import MunimentError
from node.home import Home
from node.journal_file import JournalFile
from node.ledger import Ledger
from node.network import SignedGenesis, load_card, load_genesis, save_genesis
from node.store import LevelDB, Store, Write

BATCH_ROWS = 5_000


class RestartError(MunimentError):
    """A restart cannot be proposed or adopted here; the message says why and what to do."""

    code = "restart"


@contextmanager
def _held(home: Home) -> Iterator[None]:
    """Hold the home's lock: its node must be stopped."""
    home.require()
    lock = home.lock()
    try:
        yield
    finally:
        os.close(lock)


def propose(home: Home, cards: Iterable[Card]) -> Genesis:
    """Return a genesis that goes on from this home's last final block, with the cards' members.

    Tier, parent, roles and parameters are those of the state there.
    """
    with _held(home):
        earlier = load_genesis(home.genesis).genesis
        store = Store(LevelDB(home.database))
        try:
            ledger = Ledger(earlier, store)
            state, tip = ledger.state(), ledger.tip
            names = sorted(card.name for card in cards)
            found = [_member(card, members.get(state, card.name), names) for card in cards]
            genesis = Genesis(
                earlier.network,
                max(time.time_ns() // 1_000_000, tip.header.timestamp + 1),
                tuple(sorted(found, key=lambda member: member.name)),
                members.parameters(state),
                Restart(earlier.chain_id, tip.header.height, tip.digest, ledger.state_root),
            )
        finally:
            store.close()
    try:
        return Genesis.from_value(genesis.to_value())
    except DecodeError as error:
        raise RestartError(f"these cards make no valid genesis: {error}") from error


def _member(card: Card, record: dict[str, object] | None, names: Sequence[str]) -> Member:
    if record is None:
        raise RestartError(f"{card.name} is not a member of the chain that is to go on")
    parent = record["parent"] if record["parent"] in names else None
    roles = tuple(str(role) for role in record["roles"])  # type: ignore[attr-defined]
    return Member(card, str(record["tier"]), None if parent is None else str(parent), roles)


def adopt(home: Home, signed: SignedGenesis) -> None:
    """Put a complete restart genesis in force in a home; the old chain is kept beside it.

    Can be cut off anywhere and done again: the home has no genesis.json until it is through.
    """
    genesis, restart = signed.genesis, signed.genesis.restart
    if restart is None:
        raise RestartError("that genesis begins a network; it does not go on from an earlier chain")
    if signed.unsigned:
        raise RestartError(f"it is not signed by {', '.join(signed.unsigned)} yet")
    with _held(home):
        aside = home.aside("genesis.json", restart.chain_id)
        if home.genesis.exists():
            present = load_genesis(home.genesis).genesis
            if present.chain_id == genesis.chain_id:
                raise RestartError("this home has adopted it already")
            if present.chain_id != restart.chain_id:
                raise RestartError("it goes on from another chain than the one in this home")
        old = load_genesis(home.genesis if home.genesis.exists() else aside).genesis
        fresh = home.path / "db.new"
        if not home.aside("db", restart.chain_id).exists():
            _copy_state(home.database, fresh, old, genesis)
        if home.genesis.exists():
            home.genesis.replace(aside)
        _swap(home.database, fresh, home.aside("db", restart.chain_id))
        card = next((m.card for m in genesis.members if m.name == load_card(home.card).name), None)
        voting_key = (card or load_card(home.card)).voting_key
        old_journal = home.aside("journal", restart.chain_id)
        if not old_journal.exists():
            if home.journal.exists():
                home.journal.replace(old_journal)
            else:
                old_journal.touch()
        home.journal.unlink(missing_ok=True)
        JournalFile.create(home.journal, voting_key).close()
        save_genesis(home.genesis, signed)


def _swap(current: Path, fresh: Path, aside: Path) -> None:
    """Move `current` aside and `fresh` to its place; either may have happened before."""
    if not aside.exists():
        current.replace(aside)
    if fresh.exists():
        fresh.replace(current)


def _copy_state(database: Path, fresh: Path, old: Genesis, genesis: Genesis) -> None:
    """Make a database that begins the new chain, from the one that ended the old chain."""
    restart = genesis.restart
    if restart is None:
        raise AssertionError("checked by the caller")
    shutil.rmtree(fresh, ignore_errors=True)
    source = Store(LevelDB(database))
    try:
        tip = Ledger(old, source).tip
        if (tip.header.height, tip.digest) != (restart.height, restart.digest):
            raise RestartError(
                f"this home's chain ends at height {tip.header.height}, the restart goes on from "
                f"{restart.height}; start the node beside one that has it, wait until it has "
                "caught up, stop it and try again"
            )
        target = Store(LevelDB(fresh))
        try:
            _copy_rows(source, target, restart.state_root)
            Ledger(genesis, target)
        finally:
            target.close()
    finally:
        source.close()


def _copy_rows(source: Store, target: Store, root: bytes) -> None:
    view = source.view()
    leaves = []
    rows = source.state_of(view)
    while batch := list(islice(rows, BATCH_ROWS)):
        leaves += [sha256(key) + sha256(value) for key, value in batch]
        target.write_lazily(target.state_writes(batch))
    view.close()
    leaves.sort()
    nodes: dict[bytes, bytes] = {}
    if build(b"", b"".join(leaves), nodes).digest != root:
        raise RestartError("this home's state is not the one that the restart goes on from")
    writes: list[Write] = list(target.trie_writes(nodes, {leaf[:32]: leaf[32:] for leaf in leaves}))
    for start in range(0, len(writes), BATCH_ROWS):
        target.write_lazily(writes[start : start + BATCH_ROWS])

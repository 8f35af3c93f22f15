"""Who is admitted: the members of the state, and for catching up those that the settings pin."""

from __future__ import annotations

from pathlib import Path

import pytest

from consensus.crypto import Signer, sha256
from contracts.system import members
from node.peers import Peers
from p2p.identity import peer_id_of, pinned_key
from p2p.wire import FrameKind, Status, encode_transactions
from tests.node.core_net import Net

NEW = Signer(sha256(b"a's next node key")).public_key
ADDRESS = "/ip4/10.0.0.1/tcp/4600"


def test_a_pinned_address_names_a_node_key() -> None:
    assert pinned_key(f"{ADDRESS}/p2p/{peer_id_of(NEW)}") == NEW
    assert pinned_key(ADDRESS) is None
    for wrong in ("", "x", "0OIl", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"):
        with pytest.raises(ValueError, match="is not the peer id of a node"):
            pinned_key(f"{ADDRESS}/p2p/{wrong}")


def test_a_pinned_key_is_admitted_until_the_state_knows_it(tmp_path: Path) -> None:
    net = Net(tmp_path)
    core = net.hosts["d"].core
    assert core is not None
    records = members.list_all(core.ledger.state())
    peers = Peers.from_genesis(net.genesis, net.hosts["d"].key, {})
    peers.pinned = {NEW: ("a", (ADDRESS,))}
    peers.follow(records, "d", 1, drop=True)
    peers.set_validators(core.ledger.validators)
    pinned = peers.by_key[NEW]
    assert (pinned.is_pinned, pinned.index, pinned.addresses) == (True, None, (ADDRESS,))
    assert NEW not in peers.validator_keys()
    pinned.is_up = True
    assert pinned in peers.connected()
    assert pinned not in peers.members_up()
    for record in records:
        if record["name"] == "a":
            record["node_key"] = NEW
    peers.follow(records, "d", 2, drop=True)
    peers.set_validators(core.ledger.validators)
    assert (pinned.is_pinned, pinned.index) == (False, 0)
    net.close()


def test_from_a_pinned_peer_only_sync_is_taken(tmp_path: Path) -> None:
    net = Net(tmp_path)
    core, sent = net.hosts["d"].core, net.make("a")
    assert core is not None
    core.peers.pinned = {NEW: ("a", (ADDRESS,))}
    core.peers.follow(members.list_all(core.ledger.state()), "d", 1, drop=True)
    core.peers.set_validators(core.ledger.validators)
    core.peer_up(NEW, net.now)
    core.receive(NEW, FrameKind.TRANSACTIONS, encode_transactions([sent.raw]), net.now)
    assert sent.wid not in core.mempool
    core.receive(NEW, FrameKind.CONSENSUS, b"\xff", net.now)
    assert not net.faults
    status = Status(7, 0, bytes(32), 0)
    core.receive(NEW, FrameKind.STATUS, status.encode(), net.now)
    assert core.peers.by_key[NEW].status == status
    core.submit(net.make("d").raw, net.now)
    core.end_turn(net.now)
    assert not [out for out in core.outbox.take() if out.peer == NEW and out.kind > 15]
    net.close()

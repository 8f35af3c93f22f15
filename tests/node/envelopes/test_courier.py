"""Envelopes between whole nodes over a network that loses: parties get theirs, others nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.crypto import sha256
from contracts.envelope import Call, Transaction
from node.envelopes.content import Content
from node.envelopes.sealed import Envelope, id_of, open_sealed, seal
from p2p.wire import FrameKind
from tests.node.core_net import Host, Net


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    net = Net(tmp_path)
    yield net
    net.close()


def sealed(net: Net, sender: str, parties: str) -> Envelope:
    content = Content.create("note", {"text": "hello"})
    keys = {name: net.hosts[name].keys["sealing"].public_key for name in parties}
    return seal(content.encode(), content.commitment, sender, keys)


def anchor(net: Net, envelope: Envelope, **changes: object) -> bytes:
    """Anchor an envelope in its sender's name; returns its id."""
    found = id_of(envelope.encode())
    args = {"id": found, "commitment": envelope.commitment, "parties": envelope.parties}
    taken = net.submit(envelope.sender, Call("envelopes", "anchor", {**args, **changes}))
    assert isinstance(taken, Transaction)
    return found


def post(net: Net, sender: str, parties: str) -> bytes:
    envelope = sealed(net, sender, parties)
    net.hosts[sender].envelopes.put(envelope)
    return anchor(net, envelope)


def holders(net: Net, envelope: bytes) -> str:
    return "".join(h.name for h in net.hosts.values() if h.envelopes.get(envelope) is not None)


def missing(host: Host) -> int:
    assert host.core is not None
    assert host.core.courier is not None
    return host.core.courier.missing


def test_parties_get_what_is_sealed_to_them(net: Net) -> None:
    net.run(500)
    envelope = post(net, "b", "abc")
    net.run(1_500)
    assert holders(net, envelope) == "abc"
    found = net.hosts["c"].envelopes.get(envelope)
    assert found is not None
    # The simulated seed of a host's key is known; its own home would hold it encrypted.
    assert Content.decode(open_sealed(found, "c", sha256(b"c/sealing"))).values == ("hello",)
    assert not net.faults


def test_who_is_no_party_gets_nothing(net: Net) -> None:
    net.run(500)
    envelope = post(net, "b", "ab")
    net.run(1_500)
    core, stranger = net.hosts["b"].core, net.hosts["d"].key
    assert core is not None
    core.receive(stranger, FrameKind.ENVELOPE_REQUEST, envelope, net.now)
    assert core.outbox.take() == []
    core.receive(stranger, FrameKind.ENVELOPE_REQUEST, b"short", net.now)
    assert net.faults[-1][0] == "b"


def test_bytes_that_nobody_asked_for_are_not_kept(net: Net) -> None:
    net.run(500)
    core = net.hosts["c"].core
    assert core is not None
    unasked = sealed(net, "b", "abc")
    core.receive(net.hosts["b"].key, FrameKind.ENVELOPE, unasked.encode(), net.now)
    assert holders(net, id_of(unasked.encode())) == ""
    assert not net.faults
    core.receive(net.hosts["b"].key, FrameKind.ENVELOPE, b"garbage", net.now)
    assert net.faults[-1][0] == "c"


def test_losses_are_made_up_for(net: Net) -> None:
    net.run(500)
    net.loss = 0.2
    envelopes = [post(net, "b", "bcd") for _ in range(8)]
    net.run(30_000)
    assert {holders(net, envelope) for envelope in envelopes} == {"bcd"}
    assert missing(net.hosts["c"]) == 0


def test_another_party_hands_it_out_when_the_sender_is_gone(net: Net) -> None:
    net.run(500)
    net.hosts["d"].kill()
    envelope = post(net, "b", "bcd")
    net.run(2_000)
    assert holders(net, envelope) == "bc"
    net.hosts["b"].kill()
    net.hosts["d"].start()
    net.run(15_000)
    assert holders(net, envelope) == "bcd"


def test_what_is_missing_is_still_missing_after_a_restart(net: Net) -> None:
    net.run(500)
    envelope = sealed(net, "b", "bc")
    found = anchor(net, envelope)  # anchored, and the sender has not put it on its disk
    net.run(2_000)
    assert missing(net.hosts["c"]) == 1
    net.hosts["c"].kill()
    net.hosts["c"].start()
    net.run(500)
    assert missing(net.hosts["c"]) == 1
    net.hosts["b"].envelopes.put(envelope)
    net.hosts["b"].kill()
    net.hosts["b"].start()  # a peer that connects is asked at once
    net.run(1_000)
    assert holders(net, found) == "bc"
    assert missing(net.hosts["c"]) == missing(net.hosts["b"]) == 0


def test_what_was_erased_is_not_fetched_again(net: Net) -> None:
    net.run(500)
    envelope = post(net, "b", "bc")
    net.run(1_500)
    net.hosts["c"].envelopes.erase(envelope)
    (net.hosts["c"].path / "envelopes" / "cursor").unlink()
    net.hosts["c"].kill()
    net.hosts["c"].start()
    net.run(3_000)
    assert holders(net, envelope) == "b"
    assert missing(net.hosts["c"]) == 0


def test_a_disk_that_fails_does_not_end_the_node(net: Net) -> None:
    net.run(500)
    folder = net.hosts["c"].path / "envelopes"
    folder.touch()  # a file where the folder belongs: nothing can be written there
    envelope = post(net, "b", "bc")
    net.run(2_000)
    assert (holders(net, envelope), missing(net.hosts["c"])) == ("b", 1)
    folder.unlink()
    net.run(10_000)
    assert (holders(net, envelope), missing(net.hosts["c"])) == ("bc", 0)


def test_an_envelope_that_differs_from_its_anchor_is_refused_for_good(net: Net) -> None:
    net.run(500)
    envelope = sealed(net, "b", "bc")
    net.hosts["b"].envelopes.put(envelope)
    found = anchor(net, envelope, commitment=bytes(32))
    net.run(2_000)
    assert holders(net, found) == "b"
    assert net.hosts["c"].envelopes.is_gone(found)
    assert missing(net.hosts["c"]) == 0


def test_a_burst_arrives_without_waiting_for_the_next_turn(net: Net) -> None:
    net.run(500)
    envelopes = [post(net, "b", "bc") for _ in range(60)]
    net.run(1_500)
    assert {holders(net, envelope) for envelope in envelopes} == {"bc"}
    assert not net.faults


def test_a_cursor_of_a_lost_database_does_no_harm(net: Net) -> None:
    net.run(500)
    unknown = bytes(32)
    net.hosts["c"].envelopes.save_cursor(5, {unknown: 5})
    net.hosts["c"].kill()
    net.hosts["c"].start()
    net.run(1_000)
    core = net.hosts["c"].core
    assert core is not None
    core.receive(net.hosts["b"].key, FrameKind.ENVELOPE, sealed(net, "b", "bc").encode(), net.now)
    assert missing(net.hosts["c"]) == 1

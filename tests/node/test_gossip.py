"""Transactions in networks too large for a full mesh: overlay, relays, repair."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Transaction
from node.gossip import FULL_MESH_MEMBERS, OVERLAY_DEGREE, overlay
from node.outbox import Outgoing
from p2p.wire import FrameKind, decode_hashes, decode_transactions
from tests.node.core_net import PARAMETERS, Net

NAMES = "abcdefghijklmnopqrstuvwx"
SLOW = replace(PARAMETERS, delta_ms=300, delta_cap_ms=900, idle_ms=500)


@settings(deadline=None)
@given(st.integers(2, 200), st.binary(max_size=32))
def test_the_overlay_is_symmetric_connected_and_sparse(count: int, seed: bytes) -> None:
    names = [f"m{i:03}" for i in range(count)]
    links = {name: overlay(names, name, seed) for name in names}
    for name, near in links.items():
        assert name not in near
        assert all(name in links[other] for other in near)
        if count <= FULL_MESH_MEMBERS:
            assert len(near) == count - 1
        else:
            assert 2 <= len(near) <= OVERLAY_DEGREE
    reached, fresh = {names[0]}, [names[0]]
    while fresh:
        fresh = [
            n for name in fresh for n in links[name] if n not in reached and not reached.add(n)
        ]  # type: ignore[func-returns-value]
    assert reached == set(names)


@pytest.fixture
def wide(tmp_path: Path) -> Net:
    """24 members, four of which validate."""
    return Net(tmp_path, NAMES, parameters=SLOW, observers=NAMES[4:])


def test_transactions_of_any_member_reach_all_with_little_repetition(wide: Net) -> None:
    bodies: Counter[bytes] = Counter()
    hashes = 0

    def watch(sender: str, out: Outgoing) -> bytes:
        nonlocal hashes
        if out.kind is FrameKind.TRANSACTIONS:
            bodies.update(decode_transactions(out.payload))
        elif out.kind is FrameKind.HAVE:
            hashes += len(decode_hashes(out.payload))
        return out.payload

    wide.alter = watch
    sent = [wide.submit(name) for name in NAMES]
    wide.run(4_000)
    wide.check()
    for host in wide.hosts.values():
        assert {txid for _, txid in host.final} == {
            t.txid for t in sent if isinstance(t, Transaction)
        }
    assert not wide.faults
    copies = sum(bodies.values()) / len(NAMES)
    print(f"{copies:.1f} copies of a transaction and {hashes / len(NAMES):.0f} hashes of it")
    # Every member needs it once; relaying to all would send it 24 * 23 times. Those who hear of it
    # before it comes ask for it, which adds to the overlay's degree.
    assert len(NAMES) - 1 <= copies <= len(NAMES) * (OVERLAY_DEGREE + 2)
    wide.close()


def test_what_is_lost_on_the_way_is_repaired(wide: Net) -> None:
    wide.loss = 0.2
    for name in NAMES[4:10]:
        wide.submit(name)
    wide.run(8_000)
    wide.loss = 0.0
    wide.run(4_000)
    wide.check()
    counts = {len(host.final) for host in wide.hosts.values()}
    assert counts == {6}
    wide.close()


def test_validators_push_to_each_other_whatever_the_overlay(wide: Net) -> None:
    for name in "abcd":
        core = wide.hosts[name].core
        assert core is not None
        assert set("abcd") - {name} <= core._eager_names
    wide.close()

"""A node that was away catches up while the others go on, and nobody can keep it from that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from node.core import Core
from node.outbox import Outgoing
from p2p.wire import FrameKind, Status
from tests.node.core_net import Net

GAP_MS = 250
"""Between two blocks of the others."""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    """d was away for 24 blocks, each as large as an answer may be, and its links are slow."""
    for module in ("node.sync", "node.fetch"):
        monkeypatch.setattr(f"{module}.PIECE_BYTES", 1)
    made = Net(tmp_path)
    made.run(500)
    made.hosts["d"].kill()
    for _ in range(24):
        made.submit("a")
        made.run(GAP_MS)
    made.block_ms = 50
    yield made
    made.close()


def core_of(net: Net, name: str) -> Core:
    core = net.hosts[name].core
    assert core is not None
    return core


def go_on(net: Net, turns: int) -> None:
    for _ in range(turns):
        net.submit("a")
        net.run(GAP_MS)


def behind(net: Net) -> int:
    return max(net.heights()) - core_of(net, "d").ledger.tip.header.height


def test_catches_up_under_load_though_answers_are_slow(net: Net) -> None:
    gap = max(net.heights())
    net.hosts["d"].start()
    begun = max(net.heights())
    for _ in range(40):
        go_on(net, 1)
        if behind(net) <= 2:
            break
    assert behind(net) <= 2
    grown = max(net.heights()) - begun
    assert gap + grown >= 2 * grown, "slower than twice the growth"
    net.block_ms = 0
    net.run(3_000)
    net.check()
    assert behind(net) == 0
    assert not net.faults


def test_a_missing_block_is_asked_for_once_at_a_time(net: Net) -> None:
    asked: dict[bytes, list[int]] = {}

    def note(sender: str, out: Outgoing) -> bytes:
        if sender == "d" and out.kind is FrameKind.BLOCK_REQUEST:
            asked.setdefault(out.payload, []).append(net.time)
        return out.payload

    net.alter = note
    net.hosts["d"].start()
    go_on(net, 16)
    for times in asked.values():
        assert all(later - one >= 500 for one, later in pairwise(times))


def test_what_is_final_elsewhere_does_not_fill_the_mempool(net: Net) -> None:
    net.hosts["d"].start()
    core, most = core_of(net, "d"), 0
    for _ in range(24):
        go_on(net, 1)
        most = max(most, len(core.mempool))
    assert most <= 4
    waits = net.submit("b")
    assert not hasattr(waits, "reason")
    net.block_ms = 0
    net.run(3_000)
    assert behind(net) == 0
    assert {txid for _, txid in net.hosts["d"].final} >= {waits.txid}  # type: ignore[union-attr]


@pytest.mark.parametrize("is_mute", [False, True])
def test_one_liar_about_heights_stops_nothing(net: Net, is_mute: bool) -> None:
    """It says that it is far ahead, and answers nothing, or only with what is no block."""

    def lie(sender: str, out: Outgoing) -> bytes:
        if sender == "b" and out.kind is FrameKind.STATUS:
            return dataclasses.replace(Status.decode(out.payload), height=1 << 40).encode()
        if sender == "b" and is_mute and out.kind is FrameKind.RANGE:
            net.busy[("b", "d")] = 1 << 40
        return out.payload

    net.alter = lie
    net.hosts["d"].start()
    go_on(net, 24)
    net.block_ms = 0
    go_on(net, 8)
    assert behind(net) <= 1
    for name in "acd":
        assert len(core_of(net, name).mempool) <= 2
    found = net.submit("c")
    net.run(1_000)
    for name in "acd":
        assert {txid for _, txid in net.hosts[name].final} >= {found.txid}  # type: ignore[union-attr]
    net.check()

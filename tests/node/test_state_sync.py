"""Joining by a snapshot: whole, resumed after crashes, and against peers that lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import Transaction
from contracts.trie import root_of
from contracts.trie_proof import verify_proof
from node import receipt, snapshot, state_proof
from node.core import Core, Keeping
from node.finality import NotHeldError
from node.outbox import Outgoing
from node.outcome import Refusal
from node.state_sync import Phase
from p2p.wire import Chunks, FrameKind, SnapshotOffer, Status, Steps
from tests.node.core_net import PARAMETERS, Net

SHORT = replace(PARAMETERS, idle_ms=200, epoch_length=10, replay_window=12, retention=15)
KEEPING = Keeping(makes_snapshots=True, snapshot_behind=20)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Three of four run through some epochs; d has never been there. Homes, and the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "CELL_BYTES", 256)
        made = Net(tmp_path_factory.mktemp("chain"), parameters=SHORT, keeping=KEEPING, asleep="d")
        for _ in range(12):
            for name in "abc":
                made.submit(name, valid_for=11)
            made.run(1_000)
        made.close()
        return made.path, made.time


@pytest.fixture
def net(chain: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    """Copies of those homes, running on. Cells and answers are small."""
    monkeypatch.setattr(snapshot, "CELL_BYTES", 256)
    monkeypatch.setattr(snapshot, "PIECE_BYTES", 2_000)
    path, time = chain
    shutil.copytree(path, tmp_path, dirs_exist_ok=True)
    made = Net(tmp_path, parameters=SHORT, keeping=KEEPING, asleep="abcd")
    made.time = time
    for name in "abc":
        made.hosts[name].start()
    made.run(1_000)
    yield made
    made.close()


def core_of(net: Net, name: str) -> Core:
    core = net.hosts[name].core
    assert core is not None
    return core


def run_until_joined(net: Net, ms: int = 20_000) -> Core:
    for _ in range(ms // 100):
        net.run(100)
        core = core_of(net, "d")
        if core.ledger.store.slot == 1 and not core.state_sync.is_active:
            net.run(2_000)
            return core
    raise AssertionError(f"not joined: {core_of(net, 'd').state_sync.phase}, {net.faults[-3:]}")


def check_whole(net: Net, core: Core) -> None:
    """The state is that of the others, row by row; so is the root that its trie makes."""
    net.run(1_500)
    assert max(net.heights()) - min(net.heights()) <= 1
    store = core.ledger.store
    view = store.view()
    rows = dict(store.state_of(view))
    view.close()
    assert root_of(rows) == core.ledger.state_root
    key, value = next(iter(rows.items()))
    assert verify_proof(core.ledger.state_root, key, value, core.ledger.prove_state(key))
    tip, kept = core.ledger.tip.header.height, store.kept_from()
    others = core_of(net, "a").ledger.store
    for height in range(max(kept, others.kept_from()), min(tip, min(net.heights())) + 1):
        assert store.digest_at(height) == others.digest_at(height)
    voted = [v for h in net.hosts.values() for v in h.votes if v.signer == 3]
    assert voted, "it votes like the others"


def test_a_newcomer_starts_from_a_snapshot(net: Net) -> None:
    others = core_of(net, "a")
    assert others.maker.height >= 40
    assert others.ledger.store.kept_from() > 20, "old blocks are gone"
    net.hosts["d"].start()
    core = run_until_joined(net)
    assert not net.faults
    check_whole(net, core)
    assert core.ledger.store.kept_from() > 20
    assert core.ledger.store.block_at(0) is not None
    # All that the sync left behind is swept away, and the joined node makes snapshots itself.
    assert next(core.ledger.store.staged_keys(), None) is None
    net.run(4_000)
    assert core.maker.height > others.ledger.store.kept_from()
    found = core.maker.manifest
    assert found is not None
    reference = others.maker.manifest
    if reference is not None and reference.height == found.height:
        assert found == reference


def test_no_transaction_can_be_replayed_after_a_snapshot(net: Net) -> None:
    """d takes nothing for new that was committed within the window before the snapshot."""
    height = core_of(net, "a").ledger.anchor_height + SHORT.epoch_length
    while core_of(net, "a").ledger.tip.header.height < height - 3:
        net.run(50)
    found = net.submit("a", valid_for=11)
    assert isinstance(found, Transaction)
    while core_of(net, "a").maker.height < height:
        net.run(50)
    place = core_of(net, "a").ledger.store.place_of(found.txid)
    assert place is not None
    assert place.height <= height < found.valid_until
    net.hosts["d"].start()
    while core_of(net, "d").ledger.store.slot == 0:
        net.run(20)
    core = core_of(net, "d")
    assert core.ledger.results(core.ledger.tip.digest)
    assert core.ledger.store.results_from() > place.height
    again = core.submit(found.raw, net.now)
    assert isinstance(again, Refusal)
    assert again.code == "replayed"


def crash_points(*points: int) -> list[Any]:
    slow = [pytest.param(point, marks=pytest.mark.campaign) for point in range(20, 400, 20)]
    return [*points, *slow]


@pytest.mark.parametrize("after_ms", crash_points(35, 130))
def test_a_crash_on_the_way_leaves_no_half(net: Net, after_ms: int) -> None:
    host = net.hosts["d"]
    host.start()
    phases = []
    for _ in range(6):
        net.run(after_ms)
        core = core_of(net, "d")
        phases.append((core.state_sync.phase, core.state_sync.progress, core.ledger.store.slot))
        if core.ledger.store.slot == 0:
            assert core.ledger.tip.header.height == 0
        host.kill()
        host.start()
    core = run_until_joined(net)
    assert not net.faults
    check_whole(net, core)


def test_what_is_here_is_not_fetched_again(net: Net) -> None:
    host = net.hosts["d"]
    host.start()
    while True:
        net.run(10)
        core = core_of(net, "d")
        here, total = core.state_sync.progress
        if core.state_sync.phase is Phase.CELLS and here > total // 3:
            break
    host.kill()
    asked: list[int] = []

    def watch(sender: str, out: Outgoing) -> bytes:
        if sender == "d" and out.kind is FrameKind.CHUNK_REQUEST:
            asked.append(1)
        return out.payload

    net.alter = watch
    host.start()
    while core_of(net, "d").state_sync.phase is not Phase.CELLS:
        net.run(10)
    again, _ = core_of(net, "d").state_sync.progress
    assert again >= here
    check_whole(net, run_until_joined(net))
    assert asked


def test_what_a_snapshot_does_not_bring_is_named(net: Net) -> None:
    """Results from before it are an archive's to give; what follows is proved as ever."""
    net.hosts["d"].start()
    core = run_until_joined(net)
    store = core.ledger.store
    sent = net.submit("a", valid_for=11)
    assert isinstance(sent, Transaction)
    net.run(2_000)
    assert receipt.verify(receipt.build(store, sent.txid), net.genesis).receipt.code == 0
    place = store.place_of(sent.txid)
    assert place is not None
    with pytest.raises(receipt.ReceiptError, match="is not final here"):
        receipt.build(store, bytes(32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "results_from", lambda: place.height + 1)
        with pytest.raises(receipt.ReceiptError, match="ask the node of an archive"):
            receipt.build(store, sent.txid)
    key = b"members/member/a"
    proof = core.ledger.prove_state(key)
    height, value = core.ledger.tip.header.height, core.ledger.state().get(key)
    with pytest.raises(NotHeldError, match="is not final yet"):
        state_proof.build(store, height, key, value, proof)
    net.submit("b", valid_for=11)
    net.run(2_000)
    data = state_proof.build(store, height, key, value, proof)
    assert state_proof.verify(data, net.genesis).value == value
    for place_ in range(0, len(data), 9):
        flipped = data[:place_] + bytes((data[place_] ^ 1,)) + data[place_ + 1 :]
        with pytest.raises(state_proof.StateProofError):
            state_proof.verify(flipped, net.genesis)


def run_until(net: Net, phase: Phase) -> Core:
    for _ in range(2_000):
        net.run(5)
        core = core_of(net, "d")
        if core.state_sync.phase is phase:
            return core
    raise AssertionError(f"it never comes to {phase}")


def test_a_crash_while_another_sync_is_cleared_away(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is deleted in part must not be taken for fetched, nor stay in the new state."""
    monkeypatch.setattr(snapshot, "SLICE_ROWS", 2)
    host = net.hosts["d"]
    host.start()
    run_until(net, Phase.CELLS)
    net.run(40)
    staged = list(core_of(net, "d").ledger.store.staged_keys())
    assert staged
    host.kill()
    # An hour later nobody has that snapshot any more.
    top = core_of(net, "a").maker.height
    monkeypatch.setattr(snapshot, "HOLD_MS", 0)
    for _ in range(20):
        net.submit("a", valid_for=11)
        net.run(500)
    assert all(core_of(net, name).maker.height > top for name in "abc")
    host.start()
    core = run_until(net, Phase.CLEARING)
    for _ in range(2):
        net.run(8)
        left = list(core.ledger.store.staged_keys())
        assert 0 < len(left) < len(staged)
        host.kill()
        host.start()
        core = core_of(net, "d")
    check_whole(net, run_until_joined(net))


def lie_about(kind: FrameKind, payload: bytes) -> bytes:
    """Change one thing in an answer, so that it still decodes."""
    match kind:
        case FrameKind.CHUNKS:
            found = Chunks.decode(payload)
            cells = [tuple((key, value + b"!") for key, value in rows) for rows in found.cells]
            return replace(found, cells=tuple(cells)).encode()
        case FrameKind.SNAPSHOT:
            offer = SnapshotOffer.decode(payload)
            if not offer.manifest:
                return payload
            manifest = snapshot.Manifest.decode(offer.manifest)
            forged = replace(manifest, cells=manifest.cells[1:])
            return replace(offer, manifest=forged.encode()).encode()
        case FrameKind.STEPS:
            steps = Steps.decode(payload)
            first = steps.steps[0]
            altered = replace(first, next_set=replace(first.next_set, parameters=PARAMETERS))
            return replace(steps, steps=(altered, *steps.steps[1:])).encode()
        case _:
            raise AssertionError(kind)


@pytest.mark.parametrize("kind", [FrameKind.CHUNKS, FrameKind.SNAPSHOT, FrameKind.STEPS])
def test_a_peer_that_lies_is_refused_and_scored(net: Net, kind: FrameKind) -> None:
    lies: list[str] = []

    def alter(sender: str, out: Outgoing) -> bytes:
        if out.kind is kind and (sender in lies or len(set(lies)) < 2):
            lies.append(sender)
            return lie_about(kind, out.payload)
        return out.payload

    net.alter = alter
    net.hosts["d"].start()
    core = run_until_joined(net, 60_000)
    check_whole(net, core)
    assert net.faults
    assert {name for name, _ in net.faults} == {"d"}
    expected = {
        FrameKind.CHUNKS: "do not hash to what the state root covers",
        FrameKind.SNAPSHOT: "does not hash to the state root",
        FrameKind.STEPS: "epochs are not handed over",
    }[kind]
    assert all(expected in reason for _, reason in net.faults)


def test_a_peer_that_promises_the_moon_delays_but_does_not_stop(net: Net) -> None:
    def alter(sender: str, out: Outgoing) -> bytes:
        if sender == "a" and out.kind is FrameKind.STATUS:
            return replace(Status.decode(out.payload), snapshot=1 << 40, height=1 << 41).encode()
        return out.payload

    net.alter = alter
    net.hosts["d"].start()
    check_whole(net, run_until_joined(net, 60_000))


def test_a_manifest_cut_otherwise_blames_nobody_who_is_honest(net: Net) -> None:
    """The root is right, but no honest peer has these cells: the liar's cells are all there is."""

    def alter(sender: str, out: Outgoing) -> bytes:
        if sender == "a" and out.kind is FrameKind.SNAPSHOT:
            offer = SnapshotOffer.decode(out.payload)
            manifest = snapshot.Manifest.decode(offer.manifest)
            first = manifest.cells[0]
            cells = (replace(first, is_node=not first.is_node), *manifest.cells[1:])
            return replace(offer, manifest=replace(manifest, cells=cells).encode()).encode()
        return out.payload

    net.alter = alter
    net.hosts["d"].start()
    check_whole(net, run_until_joined(net, 60_000))
    assert not net.faults


def test_an_archive_takes_no_snapshot_and_forgets_nothing(tmp_path: Path) -> None:
    parameters = replace(SHORT, retention=0)
    net = Net(tmp_path, parameters=parameters, keeping=KEEPING, asleep="d")
    net.run(8_000)
    host = net.hosts["d"]
    host.keeping = replace(KEEPING, is_archive=True)
    host.start()
    net.run(6_000)
    core = core_of(net, "d")
    assert core.ledger.store.slot == 0
    assert core.ledger.store.kept_from() == 1
    assert max(net.heights()) - min(net.heights()) <= 1
    net.check()
    net.close()


def test_a_node_that_was_away_for_long_comes_back_by_a_snapshot(tmp_path: Path) -> None:
    net = Net(tmp_path, parameters=SHORT, keeping=KEEPING)
    net.run(3_000)
    waiting = net.make("d", valid_for=11)
    net.hosts["d"].kill()
    for _ in range(10):
        net.submit("a", valid_for=11)
        net.run(1_000)
    host = net.hosts["d"]
    host.start()
    assert isinstance(core_of(net, "d").submit(waiting.raw, net.now), Transaction)
    check_whole(net, run_until_joined(net))
    assert [d.refusal.code for d in host.dropped] == ["skipped"]
    # What it had of the old chain is forgotten too, but for block 0.
    net.run(6_000)
    store = core_of(net, "d").ledger.store
    assert store.height_from(1) == store.kept_from() > 30
    assert store.block_at(0) is not None
    net.close()


def test_an_archive_says_that_nobody_has_the_blocks_it_needs(net: Net) -> None:
    host = net.hosts["d"]
    host.keeping = replace(KEEPING, is_archive=True)
    host.start()
    net.run(3_000)
    core = core_of(net, "d")
    assert core.ledger.tip.header.height == 0
    assert not core.state_sync.is_active
    ahead = core.peers.ahead_of(0)
    assert len(ahead) == 3
    assert not any(peer.keeps(1) for peer in ahead)

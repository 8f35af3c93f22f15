"""A chain that was made once and is executed again by every release: `python -m tests.node.golden`.

Make it anew only before a release. After one, a chain that gives other results needs a protocol
version of its own beside the old one, and a file of its own beside `chain-1`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from consensus.codec import decode, encode, expect_bytes, expect_list
from consensus.genesis import Genesis
from consensus.messages import Certificate
from consensus.validators import Parameters
from contracts.envelope import Call
from p2p.wire import FullBlock
from tests.node.core_net import Net, publish

FILE = Path(__file__).parent / "golden" / "chain-1"
PARAMETERS = Parameters(delta_ms=100, delta_cap_ms=800, retry_ms=200, idle_ms=300, epoch_length=6)


@dataclass(frozen=True, slots=True)
class Golden:
    """A genesis, final blocks from height 1 on, and the finalization of each that has one."""

    genesis: Genesis
    blocks: tuple[FullBlock, ...]
    finalizations: tuple[Certificate | None, ...]

    def save(self) -> None:
        proofs = [None if c is None else c.to_value() for c in self.finalizations]
        rows = [full.encode() for full in self.blocks]
        FILE.write_bytes(encode([self.genesis.encoded, rows, proofs]))

    @classmethod
    def load(cls) -> Golden:
        genesis, blocks, proofs = expect_list(decode(FILE.read_bytes()), "golden chain", 3)
        return cls(
            Genesis.decode(expect_bytes(genesis, "genesis")),
            tuple(FullBlock.decode(expect_bytes(b, "block")) for b in expect_list(blocks, "b")),
            tuple(
                None if c is None else Certificate.from_value(c) for c in expect_list(proofs, "c")
            ),
        )


def make() -> Golden:
    """Run four nodes through some epochs, with calls that succeed and calls that fail."""
    with tempfile.TemporaryDirectory() as folder:
        net = Net(Path(folder), parameters=PARAMETERS)
        for turn in range(8):
            for name in "abcd":
                net.submit(name)
                net.submit(name, publish("a", f"{name}{turn}"))
                net.submit(
                    name,
                    publish(name, f"both{turn}"),
                    Call("members", "announce", {"addresses": [f"/ip4/10.0.0.{turn}/tcp/1"]}),
                )
            net.submit("b", Call("nothing", "there", {}), valid_for=20)
            net.run(700)
        core = net.hosts["a"].core
        assert core is not None
        store, top = core.ledger.store, core.ledger.tip.header.height
        blocks, proofs = [], []
        for height in range(1, top + 1):
            full, found = store.block_at(height), store.finalization_from(height)
            assert full is not None
            blocks.append(full)
            proofs.append(found[1] if found is not None and found[0] == height else None)
        net.close()
        return Golden(net.genesis, tuple(blocks), tuple(proofs))


if __name__ == "__main__":
    made = make()
    FILE.parent.mkdir(exist_ok=True)
    made.save()
    print(f"{FILE}: {len(made.blocks)} blocks, {FILE.stat().st_size} bytes")

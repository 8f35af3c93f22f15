"""What each governed parameter of the network is for."""

from __future__ import annotations

DOCS = {
    "version": "the protocol version that all nodes execute; planned by a vote of its own",
    "fault_model": "whom consensus holds against: traitors (byzantine) or failures alone (crash)",
    "epoch_length": "blocks of an epoch, at whose end what was decided takes effect",
    "delta_ms": "the network delay that consensus counts on; leaders have twice as long",
    "delta_cap_ms": "what the delay may grow to while views are skipped",
    "retry_ms": "after how long what was not answered is sent again",
    "idle_ms": "after how long without transactions an empty block is made",
    "interval_ms": "how long the next leader waits after a full block; after a lesser one, less",
    "drift_ms": "how far a block's time may be from a node's clock",
    "max_block_transactions": "transactions in a block at most",
    "max_block_bytes": "bytes of a block at most",
    "max_transaction_bytes": "bytes of a transaction at most",
    "max_calls": "calls in a transaction at most",
    "replay_window": "heights for which a transaction may be valid",
    "retention": "heights whose blocks every node keeps; 0 keeps all",
    "max_gas": "what deployed contracts may do in a transaction; a unit is about 100 ns",
    "max_block_gas": "what deployed contracts may do in a block; a unit is about 100 ns",
}
"""By name; times in milliseconds, sizes in bytes."""

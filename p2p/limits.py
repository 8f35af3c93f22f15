"""Every bound and period of the transport, by name."""

from __future__ import annotations

from dataclasses import dataclass

from p2p.transport import MAX_PAYLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one transport; the defaults suit members of one consortium."""

    max_payload_bytes: int = MAX_PAYLOAD_BYTES

    # Outgoing queues, for each peer. A single frame always fits an empty queue.
    control_out_bytes: int = 1 << 20
    bulk_out_bytes: int = 16 << 20
    data_out_bytes: int = 4 << 20

    # Incoming queues, for each peer.
    control_in_bytes: int = 1 << 20
    bulk_in_bytes: int = 4 << 20
    data_in_bytes: int = 4 << 20

    # Coalescing: what is queued leaves in one write, then the writer lets more gather.
    write_bytes: int = 60_000
    control_gap_s: float = 0.002
    bulk_gap_s: float = 0.005

    heartbeat_s: float = 1.0
    silence_s: float = 4.0

    redial_min_s: float = 0.1
    redial_max_s: float = 1.0
    dial_s: float = 5.0
    handshake_s: float = 5.0
    # The higher key dials. If nothing came for this long, the lower one tries as well:
    # the higher may not know an address.
    dial_patience_s: float = 3.0

    max_handshakes: int = 64
    max_handshakes_per_address: int = 16
    max_connections_per_address: int = 128
    max_failures_per_minute: int = 300
    max_addresses_watched: int = 4096

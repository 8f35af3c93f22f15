"""Signing calls as one transaction that the network will take."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any, Protocol

from consensus.crypto import Signer
from contracts.envelope import Call, Transaction

VALID_FOR_HEIGHTS = 300
"""Or half of the governed window, if that is less."""


class Asks(Protocol):
    """Whoever puts questions to a node: a client, or a link that renews its connections."""

    def call(self, method: str, /, **params: Any) -> Any: ...


def sign_calls(
    client: Asks, chain_id: bytes, signer: Signer, sender: str,
    calls: Sequence[tuple[str, str, dict[str, Any]]],
) -> Transaction:  # fmt: skip
    """Sign (contract, method, arguments) of `sender`, MEMBER or MEMBER/operator, as one."""
    height = client.call("status")["height"]
    window = client.call("validators.get")["parameters"]["replay_window"]
    return Transaction.create(
        signer,
        chain_id,
        sender,
        secrets.token_bytes(16),
        height + min(VALID_FOR_HEIGHTS, window // 2),
        time.time_ns() // 1_000_000,
        tuple(Call(*call) for call in calls),
    )

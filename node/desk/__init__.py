"""The desk: what pages need of a department's vault and keys, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from node.data.chain import Chain
    from node.desk.jobs import Jobs
    from node.envelopes.content import Content
    from node.home import Home


@dataclass(frozen=True, slots=True)
class Desk:
    """What its methods work with.

    `chain` signs with the node key; `master` is the vault's; `open_envelope` opens by id what is
    sealed to this member.
    """

    home: Home
    member: str
    chain: Chain
    master: bytes = field(repr=False)
    open_envelope: Callable[[bytes], Content]
    passphrase: str = field(repr=False)
    jobs: Jobs


Method = Callable[[Desk, Mapping[str, Any]], Any]
"""Gets parameters as they came, unchecked; returns what JSON can hold. It may block."""

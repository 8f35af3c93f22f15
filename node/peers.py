"""Who the members are on the network: node keys, names, validator indices, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from consensus.genesis import Genesis
from consensus.validators import ValidatorSet
from p2p.wire import Status


@dataclass(slots=True)
class Peer:
    """One other member: what the chain says of it and what it last said of itself."""

    name: str
    key: bytes
    addresses: tuple[str, ...]
    is_up: bool = False
    status: Status | None = None
    index: int | None = None

    def keeps(self, height: int) -> bool:
        """Whether it said that it holds the block at `height`."""
        return self.status is not None and self.status.kept_from <= height <= self.status.height


@dataclass(slots=True)
class Peers:
    """All other members, by node key."""

    by_key: dict[bytes, Peer] = field(default_factory=dict)

    @classmethod
    def from_genesis(
        cls, genesis: Genesis, own_key: bytes, overrides: Mapping[str, tuple[str, ...]]
    ) -> Peers:
        """Collect everyone but the own node; `overrides` replaces a card's addresses by name."""
        peers = cls()
        for member in genesis.members:
            key = member.card.node_key
            if key != own_key:
                addresses = overrides.get(member.name, member.card.addresses)
                peers.by_key[key] = Peer(member.name, key, addresses)
        return peers

    def set_validators(self, validators: ValidatorSet) -> None:
        """Note each member's index in the set of the current epoch."""
        indices = {v.name: i for i, v in enumerate(validators.validators)}
        for peer in self.by_key.values():
            peer.index = indices.get(peer.name)

    def validator_keys(self) -> list[bytes]:
        return [peer.key for peer in self.by_key.values() if peer.index is not None]

    def key_of(self, index: int) -> bytes | None:
        """Node key of the validator with `index`; None for the own."""
        for peer in self.by_key.values():
            if peer.index == index:
                return peer.key
        return None

    def connected(self) -> list[Peer]:
        return [peer for peer in self.by_key.values() if peer.is_up]

    def ahead_of(self, height: int) -> list[Peer]:
        """Connected peers whose final chain is higher than `height`, highest first."""
        found = [p for p in self.connected() if p.status is not None and p.status.height > height]
        return sorted(found, key=lambda p: (-(p.status.height if p.status else 0), p.name))

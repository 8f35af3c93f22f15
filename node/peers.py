"""Who the members are on the network: node keys, names, validator indices, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consensus.genesis import Genesis
from consensus.validators import ValidatorSet
from contracts.system.members import EXPELLED
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
    is_pinned: bool = False
    """Known from the settings alone: it may help to catch up, and that is all."""

    def keeps(self, height: int) -> bool:
        """Whether it said that it holds the block at `height`."""
        return self.status is not None and self.status.kept_from <= height <= self.status.height


@dataclass(slots=True)
class Peers:
    """All other members, by node key; `overrides` replaces addresses by name.

    `pinned` are node keys, with the member's name and addresses, that are admitted though the state
    here does not know them: a node that was away for long knows old keys only.
    `stops_at` is the first height after which some replaced node key is no longer admitted.
    """

    by_key: dict[bytes, Peer] = field(default_factory=dict)
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pinned: Mapping[bytes, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    stops_at: int | None = None

    @classmethod
    def from_genesis(
        cls, genesis: Genesis, own_key: bytes, overrides: Mapping[str, tuple[str, ...]]
    ) -> Peers:
        """Collect everyone but the own node; `overrides` replaces a card's addresses by name."""
        peers = cls(overrides=overrides)
        for member in genesis.members:
            key = member.card.node_key
            if key != own_key:
                addresses = overrides.get(member.name, member.card.addresses)
                peers.by_key[key] = Peer(member.name, key, addresses)
        return peers

    def follow(
        self, records: Iterable[Mapping[str, Any]], me: str, height: int, *, drop: bool
    ) -> list[bytes]:
        """Take keys and addresses from the members' records after `height`; returns keys that go.

        A replaced node key stays until it stops. An expelled member stays until its epoch has
        ended, which is when `drop` is given.
        """
        wanted: dict[bytes, tuple[str, tuple[str, ...]]] = {}
        self.stops_at = None
        for record in records:
            name = record["name"]
            is_gone = record["status"] == EXPELLED
            if name == me or (is_gone and (drop or record["node_key"] not in self.by_key)):
                continue
            place = (name, self.overrides.get(name, tuple(record["addresses"])))
            wanted[record["node_key"]] = place
            old, stops_at = record["stopping"].get("node", (b"", -1))
            if height <= stops_at:
                wanted[old] = place
                self.stops_at = min(stops_at, self.stops_at or stops_at)
        pinned = self.pinned.keys() - wanted.keys()
        wanted |= {key: self.pinned[key] for key in sorted(pinned)}
        gone = [key for key in self.by_key if key not in wanted]
        for key in gone:
            del self.by_key[key]
        for key, (name, addresses) in wanted.items():
            peer = self.by_key.setdefault(key, Peer(name, key, addresses))
            peer.addresses, peer.is_pinned = addresses, key in pinned
        return gone

    def has_stop(self, height: int) -> bool:
        """Whether a replaced node key has stopped before `height`."""
        return self.stops_at is not None and height > self.stops_at

    def set_validators(self, validators: ValidatorSet) -> None:
        """Note each member's index in the set of the current epoch."""
        indices = {v.name: i for i, v in enumerate(validators.validators)}
        for peer in self.by_key.values():
            peer.index = None if peer.is_pinned else indices.get(peer.name)

    def validator_keys(self) -> list[bytes]:
        return [peer.key for peer in self.by_key.values() if peer.index is not None]

    def key_of(self, index: int) -> bytes | None:
        """Node key of the validator with `index`; None for the own. One in use comes first."""
        found = [peer for peer in self.by_key.values() if peer.index == index]
        return max(found, key=lambda peer: peer.is_up).key if found else None

    def connected(self) -> list[Peer]:
        return [peer for peer in self.by_key.values() if peer.is_up]

    def members_up(self) -> list[Peer]:
        """Connected peers that the state knows."""
        return [peer for peer in self.connected() if not peer.is_pinned]

    def ahead_of(self, height: int) -> list[Peer]:
        """Connected peers whose final chain is higher than `height`, highest first."""
        found = [p for p in self.connected() if p.status is not None and p.status.height > height]
        return sorted(found, key=lambda p: (-(p.status.height if p.status else 0), p.name))

    def surely_reached(self, doubted: int) -> int:
        """The height that more than `doubted` validators say is final: not all of them lie."""
        known = [p.status for p in self.connected() if p.index is not None and p.status is not None]
        heights = sorted((status.height for status in known), reverse=True)
        return heights[doubted] if len(heights) > doubted else 0

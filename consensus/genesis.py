"""Genesis: the members, keys and parameters that a network starts from, and its chain id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from consensus import merkle
from consensus.block import NO_HASH, Block, Header
from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_map,
    expect_text,
)
from consensus.crypto import (
    HASH_BYTES,
    NO_CHAIN,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Kind,
    Signer,
    sha256,
    verify,
)
from consensus.validators import MAX_NAME_BYTES, Parameters, Validator, ValidatorSet

FORMAT = 1
MAX_MEMBERS = 1_024
MAX_ADDRESSES = 8
MAX_ADDRESS_BYTES = 128
TIERS = ("central", "provincial", "local")
ROLES = (
    "archive", "data-centre", "observer", "registrar", "supervisor", "third-party", "validator",
)  # fmt: skip
PLACES = ("jurisdiction", "storage")
PURPOSES = ("member", "node", "sealing", "voting")
"""Each member's four keys: for its own acts, for its node (the peer id), for what others seal to
it, for its votes. All are Ed25519; the sealing key signs its possession only, and is used in its
Montgomery form (X25519, RFC 7748)."""
MAX_PLACE_BYTES = 128
_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME_REST = _NAME_FIRST | frozenset("0123456789-")


def expect_name(value: Value, what: str) -> str:
    """Return a member name: a lower-case letter, then letters, digits and hyphens, 32 at most."""
    name = expect_text(value, what, MAX_NAME_BYTES)
    if name[0] not in _NAME_FIRST or not _NAME_REST.issuperset(name):
        raise DecodeError(f"{what} must be a lower-case letter, then letters, digits or hyphens")
    return name


@dataclass(frozen=True)
class Card:
    """What a member publishes about itself: name, keys, proofs of possession, addresses.

    `keys` and `proofs` are in the order of PURPOSES. A proof is the key's signature over the
    card's name, purpose and public key, so nobody can register another's key as its own.
    """

    name: str
    keys: tuple[bytes, ...]
    proofs: tuple[bytes, ...]
    addresses: tuple[str, ...] = ()

    @property
    def member_key(self) -> bytes:
        return self.keys[0]

    @property
    def node_key(self) -> bytes:
        return self.keys[1]

    @property
    def sealing_key(self) -> bytes:
        return self.keys[2]

    @property
    def voting_key(self) -> bytes:
        return self.keys[3]

    @classmethod
    def create(cls, name: str, signers: Mapping[str, Signer], addresses: tuple[str, ...]) -> Card:
        """Sign a card with the signers of all PURPOSES."""
        ordered = [signers[purpose] for purpose in PURPOSES]
        proofs = tuple(
            signer.sign(Kind.POSSESSION, NO_CHAIN, encode([name, purpose, signer.public_key]))
            for purpose, signer in zip(PURPOSES, ordered, strict=True)
        )
        return cls(name, tuple(signer.public_key for signer in ordered), proofs, addresses)

    def check(self) -> None:
        """Raises DecodeError if a proof of possession is wrong or two keys are the same."""
        if len(set(self.keys)) != len(self.keys):
            raise DecodeError(f"{self.name} uses one key for two purposes")
        for purpose, key, proof in zip(PURPOSES, self.keys, self.proofs, strict=True):
            if not verify(key, Kind.POSSESSION, NO_CHAIN, encode([self.name, purpose, key]), proof):
                raise DecodeError(f"{self.name} does not prove possession of its {purpose} key")

    def to_value(self) -> dict[str, Value]:
        return {
            "name": self.name,
            "keys": list(self.keys),
            "proofs": list(self.proofs),
            "addresses": list(self.addresses),
        }

    @classmethod
    def from_value(cls, value: Value) -> Card:
        items = expect_map(value, "card", frozenset(("name", "keys", "proofs", "addresses")))
        keys = [
            expect_bytes(key, "key", PUBLIC_KEY_BYTES)
            for key in expect_list(items["keys"], "keys", len(PURPOSES))
        ]
        proofs = [
            expect_bytes(proof, "proof of possession", SIGNATURE_BYTES)
            for proof in expect_list(items["proofs"], "proofs", len(PURPOSES))
        ]
        addresses = expect_list(items["addresses"], "addresses", max_length=MAX_ADDRESSES)
        card = cls(
            expect_name(items["name"], "member name"),
            tuple(keys),
            tuple(proofs),
            tuple(expect_text(a, "address", MAX_ADDRESS_BYTES) for a in addresses),
        )
        card.check()
        return card


@dataclass(frozen=True)
class Member:
    """A founding organisation: its card, its tier, the member above it, its sorted roles.

    `jurisdiction` and `storage`, where it keeps data, are codes such as cn-31 (ISO 3166-2), lower
    case; None where nobody has attested them.
    """

    card: Card
    tier: str = "local"
    parent: str | None = None
    roles: tuple[str, ...] = ("validator",)
    jurisdiction: str | None = None
    storage: str | None = None

    @property
    def name(self) -> str:
        return self.card.name

    def to_value(self) -> dict[str, Value]:
        value: dict[str, Value] = {
            "card": self.card.to_value(),
            "tier": self.tier,
            "parent": self.parent,
            "roles": list(self.roles),
        }
        return value | {place: code for place, code in self.places.items() if code is not None}

    @property
    def places(self) -> dict[str, str | None]:
        """Jurisdiction and storage site by name."""
        return {"jurisdiction": self.jurisdiction, "storage": self.storage}

    @classmethod
    def from_value(cls, value: Value) -> Member:
        given = [place for place in PLACES if type(value) is dict and place in value]
        items = expect_map(value, "member", frozenset(("card", "tier", "parent", "roles", *given)))
        card = Card.from_value(items["card"])
        tier = items["tier"]
        if tier not in TIERS:
            raise DecodeError(f"tier of {card.name} must be one of {', '.join(TIERS)}")
        roles = tuple(
            expect_text(role, "role", MAX_NAME_BYTES)
            for role in expect_list(items["roles"], "roles", max_length=len(ROLES))
        )
        if list(roles) != sorted(set(roles)) or not set(ROLES).issuperset(roles):
            raise DecodeError(f"roles of {card.name} must be sorted, of {', '.join(ROLES)}")
        parent = items["parent"]
        return cls(
            card,
            str(tier),
            None if parent is None else expect_name(parent, f"parent of {card.name}"),
            roles,
            **{place: _expect_place(items[place], f"{place} of {card.name}") for place in given},
        )


def _expect_place(value: Value, what: str) -> str:
    """Lower-case letters, digits and hyphens, as `contracts.checks.slug` takes them."""
    place = expect_text(value, what, MAX_PLACE_BYTES)
    if not _NAME_REST.issuperset(place):
        raise DecodeError(f"{what} must be of lower-case letters, digits and hyphens")
    return place


@dataclass(frozen=True, slots=True)
class Restart:
    """The chain that a network goes on from, when too few validators of it are left.

    Its id, its last final block, and the state after that, which is where the new chain begins.
    """

    chain_id: bytes
    height: int
    digest: bytes
    state_root: bytes

    def to_value(self) -> dict[str, Value]:
        return {
            "chain_id": self.chain_id,
            "height": self.height,
            "digest": self.digest,
            "state_root": self.state_root,
        }

    @classmethod
    def from_value(cls, value: Value) -> Restart:
        keys = frozenset(("chain_id", "height", "digest", "state_root"))
        items = expect_map(value, "restart", keys)
        return cls(
            expect_bytes(items["chain_id"], "restart's chain id", HASH_BYTES),
            expect_int(items["height"], "restart's height"),
            expect_bytes(items["digest"], "restart's digest", HASH_BYTES),
            expect_bytes(items["state_root"], "restart's state root", HASH_BYTES),
        )


@dataclass(frozen=True)
class Genesis:
    """The agreed beginning. `created` is in milliseconds UTC; members are sorted by name."""

    network: str
    created: int
    members: tuple[Member, ...]
    parameters: Parameters = field(default_factory=Parameters)
    restart: Restart | None = None

    @cached_property
    def chain_id(self) -> bytes:
        """SHA-256 of the canonical genesis, 32 bytes."""
        return sha256(self.encoded)

    @cached_property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    @cached_property
    def validator_set(self) -> ValidatorSet:
        """The set of epoch 0."""
        voters = [m for m in self.members if "validator" in m.roles]
        return ValidatorSet(
            tuple(Validator(m.name, m.card.voting_key) for m in voters), self.parameters
        )

    @cached_property
    def block(self) -> Block:
        """The first block, which nobody signs: everyone computes it from the genesis.

        Its height is 0, or after a restart the height at which the earlier chain ended: heights
        that stand in the state keep their meaning.
        """
        earlier = self.restart
        header = Header(
            version=self.parameters.version,
            chain_id=self.chain_id,
            epoch=0,
            height=earlier.height if earlier else 0,
            parent=earlier.digest if earlier else NO_HASH,
            timestamp=self.created,
            proposer="",
            transactions_root=merkle.EMPTY_ROOT,
            state_root=earlier.state_root if earlier else NO_HASH,
            receipts_root=merkle.EMPTY_ROOT,
            set_hash=self.validator_set.hash,
            next_set_hash=self.validator_set.hash,
        )
        return Block(header, ())

    def sign(self, signer: Signer) -> bytes:
        """Return a member's agreement to this genesis, made with its member key."""
        return signer.sign(Kind.GENESIS, NO_CHAIN, self.chain_id)

    def is_signed_by(self, member: Member, signature: bytes) -> bool:
        return verify(member.card.member_key, Kind.GENESIS, NO_CHAIN, self.chain_id, signature)

    def to_value(self) -> dict[str, Value]:
        value: dict[str, Value] = {
            "format": FORMAT,
            "network": self.network,
            "created": self.created,
            "members": [member.to_value() for member in self.members],
            "parameters": self.parameters.to_value(),
        }
        return value if self.restart is None else value | {"restart": self.restart.to_value()}

    @classmethod
    def from_value(cls, value: Value) -> Genesis:
        """Raises DecodeError that names the member and the fault."""
        keys = ["format", "network", "created", "members", "parameters"]
        is_restart = type(value) is dict and "restart" in value
        items = expect_map(value, "genesis", frozenset((*keys, *["restart"] * is_restart)))
        expect_int(items["format"], "genesis format", FORMAT, FORMAT)
        rows = expect_list(items["members"], "members", max_length=MAX_MEMBERS)
        genesis = cls(
            expect_name(items["network"], "network name"),
            expect_int(items["created"], "created"),
            tuple(Member.from_value(row) for row in rows),
            Parameters.from_value(items["parameters"]),
            Restart.from_value(items["restart"]) if is_restart else None,
        )
        genesis.check()
        return genesis

    def check(self) -> None:
        """Raises DecodeError if members clash, a parent is unknown or nobody may vote."""
        names = [member.name for member in self.members]
        if names != sorted(set(names)):
            raise DecodeError("members must be distinct and sorted by name")
        keys = [key for member in self.members for key in member.card.keys]
        if len(set(keys)) != len(keys):
            raise DecodeError("two members share a key")
        tiers = {member.name: TIERS.index(member.tier) for member in self.members}
        for member in self.members:
            if member.parent is None:
                continue
            if member.parent not in tiers:
                raise DecodeError(f"parent of {member.name} is not a member: {member.parent}")
            if tiers[member.parent] >= tiers[member.name]:
                raise DecodeError(f"parent of {member.name} must be of a higher tier")
        if not any("validator" in member.roles for member in self.members):
            raise DecodeError("no member has the validator role")

    @classmethod
    def decode(cls, data: bytes) -> Genesis:
        return cls.from_value(decode(data))

"""The sum of members' numbers, of which nobody learns any but the own.

Each member commits to its number v with C = v B + r K (Pedersen, CRYPTO 1991), which goes on the
chain first; K is a point of which nobody knows the logarithm. Each pair of members has a secret, of
which it makes masks for v and for r that one adds and the other takes off (Bonawitz et al., CCS
2017, without their recovery). All masks cancel in the sum. A share is v and r under its masks, with
a commitment to the masks of each pair: everybody checks that it opens C with these, and that the
two members of a pair have committed to the same.

Security: commitments hide v whatever the computing power; masked numbers are uniform to everyone
who lacks a pair's secret. If all other members pool what they know they have the last one's
number: that is the limit of any sum. A share that departs from its commitment names its member;
where two members' masks differ, one of the two lies, and both are named. A false number that was
committed is not noticed. The same members with one more or less would give away that one's number:
the contract `sums` refuses it.
"""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Mapping, Set
from dataclasses import dataclass
from hashlib import sha512

from nacl import bindings

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_list,
    expect_text,
)
from node.data.privacy import group
from node.data.privacy.group import ORDER, POINT_BYTES, SCALAR_BYTES, GroupError, RandomBytes

MIN_MEMBERS = 3
MAX_NUMBER = 1 << 58
"""So that sixteen of them stay within 63 bits."""
MAX_SHARE_BYTES = 4_096
_K = group.hash_to_point(b"", b"muniment pedersen")


@dataclass(frozen=True, slots=True)
class Share:
    """What a member says after all have committed: number and blinding, each under masks.

    `masks` has a commitment to the masks shared with each other member.
    """

    number: int
    blinding: int
    masks: Mapping[str, bytes]

    def encode(self) -> bytes:
        masks: list[Value] = [[name, point] for name, point in sorted(self.masks.items())]
        return encode([_bytes(self.number), _bytes(self.blinding), masks])

    @classmethod
    def decode(cls, data: bytes) -> Share:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=MAX_SHARE_BYTES), "share", 3)
        number, blinding = (
            int.from_bytes(expect_bytes(each, "number", SCALAR_BYTES), "little") for each in row[:2]
        )
        pairs = [expect_list(each, "mask", 2) for each in expect_list(row[2], "masks")]
        masks = {expect_text(n, "name", 128): expect_bytes(p, "mask", POINT_BYTES)
                 for n, p in pairs}  # fmt: skip
        if len(masks) != len(pairs) or max(number, blinding) >= ORDER:
            raise DecodeError("a share that no member would make")
        return cls(number, blinding, masks)


@dataclass(frozen=True, slots=True)
class Secret:
    """What a member keeps of one run."""

    number: int
    blinding: int

    @property
    def commitment(self) -> bytes:
        return _commit(self.number, self.blinding)


def choose(number: int, random_bytes: RandomBytes) -> Secret:
    """Return a member's secret for a number of at most 2**58 on either side of zero."""
    if abs(number) > MAX_NUMBER:
        raise GroupError(f"a number must be from -{MAX_NUMBER} to {MAX_NUMBER}")
    return Secret(number, group.random_scalar(random_bytes))


def share(secret: Secret, name: str, pairs: Mapping[str, bytes], run: bytes) -> Share:
    """Return the masked numbers of member `name`.

    `pairs` has the 32-byte secret shared with each other member; `run` names the run with its
    members and commitments, so that no mask serves twice.
    """
    if len(pairs) + 1 < MIN_MEMBERS or name in pairs:
        raise GroupError(f"a sum needs {MIN_MEMBERS} members")
    number, blinding = secret.number, secret.blinding
    masks = {}
    for other, key in sorted(pairs.items()):
        sign = _sign(name, other)
        for_number, for_blinding = (_mask(key, run, word) for word in (b"number", b"blinding"))
        number += sign * for_number
        blinding += sign * for_blinding
        masks[other] = _commit(for_number, for_blinding)
    return Share(number % ORDER, blinding % ORDER, masks)


def faults(shares: Mapping[str, Share], commitments: Mapping[str, bytes]) -> list[str]:
    """Return the members whose shares are missing or depart, sorted; empty if there is a sum."""
    named = {
        name for name, commitment in commitments.items()
        if name not in shares or not _opens(name, shares[name], commitment, commitments.keys())
    }  # fmt: skip
    for name, other in itertools.combinations(sorted(commitments.keys() - named), 2):
        if shares[name].masks[other] != shares[other].masks[name]:
            named |= {name, other}
    return sorted(named)


def _opens(name: str, share: Share, commitment: bytes, members: Set[str]) -> bool:
    """Whether a share opens the commitment together with those to its masks."""
    points = (commitment, *share.masks.values())
    if share.masks.keys() != members - {name} or not all(map(group.is_point, points)):
        return False
    try:
        total = commitment
        for other, point in sorted(share.masks.items()):
            total = group.add(total, point) if _sign(name, other) > 0 else group.take(total, point)
        return total == _commit(share.number, share.blinding)
    except GroupError:
        return False


def total(shares: Mapping[str, Share], commitments: Mapping[str, bytes]) -> int:
    """Return the sum. Raises GroupError, naming members, where `faults` finds any."""
    named = faults(shares, commitments)
    if named or len(commitments) < MIN_MEMBERS:
        raise GroupError(f"there is no sum: {', '.join(named) or 'too few members'}")
    number = sum(shares[name].number for name in commitments) % ORDER
    return number if number <= ORDER // 2 else number - ORDER


def _sign(name: str, other: str) -> int:
    return 1 if name < other else -1


def _mask(key: bytes, run: bytes, what: bytes) -> int:
    return int.from_bytes(hmac.digest(key, run + what, sha512), "little") % ORDER


def _bytes(scalar: int) -> bytes:
    return (scalar % ORDER).to_bytes(SCALAR_BYTES, "little")


def _commit(number: int, blinding: int) -> bytes:
    # libsodium refuses to multiply by zero, since the result is neutral.
    parts = [group.multiply(_K, blinding)] if blinding % ORDER else []
    if number % ORDER:
        parts.append(bindings.crypto_scalarmult_ed25519_base_noclamp(_bytes(number)))
    if not parts:
        raise GroupError("a commitment to nothing")
    return parts[0] if len(parts) == 1 else group.add(*parts)

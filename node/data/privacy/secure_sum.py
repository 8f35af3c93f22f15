"""The sum of members' numbers, of which nobody learns any but the own.

Each member commits to its number v with C = v B + r K (Pedersen, CRYPTO 1991), which goes on the
chain first; K is a point of which nobody knows the logarithm. Each pair of members shares a secret
that one adds and the other takes off (Bonawitz et al., CCS 2017, without their recovery), for v and
for r. All masks cancel in the sum, and the sums must open the sum of the commitments.

Security: commitments hide v whatever the computing power; masked numbers are uniform to everyone
who lacks a pair's secret. If all other members pool what they know they have the last one's
number: that is the limit of any sum. A silent member leaves masks that do not cancel, and one that
departs from its commitment makes the sum not open it: both are noticed, and no sum comes about. A
false number that was committed is not noticed. The same members with one more or less would give
away that one's number: whoever agrees on runs has to refuse repeats with other members.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha512

from nacl import bindings

from node.data.privacy import group
from node.data.privacy.group import ORDER, GroupError, RandomBytes

MIN_MEMBERS = 3
MAX_NUMBER = 1 << 60
_K = group.hash_to_point(b"", b"muniment pedersen")


@dataclass(frozen=True, slots=True)
class Share:
    """What a member says after all have committed: number and blinding, each under masks."""

    number: int
    blinding: int


@dataclass(frozen=True, slots=True)
class Secret:
    """What a member keeps of one run."""

    number: int
    blinding: int

    @property
    def commitment(self) -> bytes:
        return _commit(self.number, self.blinding)


def choose(number: int, random_bytes: RandomBytes) -> Secret:
    """Return a member's secret for a number of at most 2**60 on either side of zero."""
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
    for other, key in pairs.items():
        sign = 1 if name < other else -1
        number += sign * _mask(key, run, b"number")
        blinding += sign * _mask(key, run, b"blinding")
    return Share(number % ORDER, blinding % ORDER)


def total(shares: Mapping[str, Share], commitments: Mapping[str, bytes]) -> int:
    """Return the sum. Raises GroupError where a member is silent or departs from its commitment."""
    silent = sorted(commitments.keys() - shares.keys())
    if silent or len(commitments) < MIN_MEMBERS or shares.keys() != commitments.keys():
        raise GroupError(f"there is no sum: missing {', '.join(silent) or 'commitments'}")
    number = sum(each.number for each in shares.values()) % ORDER
    blinding = sum(each.blinding for each in shares.values()) % ORDER
    first, *others = (commitments[name] for name in sorted(commitments))
    for each in others:
        first = group.add(first, each)
    if first != _commit(number, blinding):
        raise GroupError("there is no sum: somebody departs from its commitment")
    return number if number <= ORDER // 2 else number - ORDER


def _mask(key: bytes, run: bytes, what: bytes) -> int:
    return int.from_bytes(hmac.digest(key, run + what, sha512), "little") % ORDER


def _commit(number: int, blinding: int) -> bytes:
    hiding = group.multiply(_K, blinding)
    scalar = (number % ORDER).to_bytes(group.SCALAR_BYTES, "little")
    # libsodium refuses to multiply by zero, since the result is neutral.
    if not number % ORDER:
        return hiding
    return group.add(bindings.crypto_scalarmult_ed25519_base_noclamp(scalar), hiding)

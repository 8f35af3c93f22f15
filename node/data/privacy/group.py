"""The prime-order group of edwards25519 (RFC 8032), as libsodium has it: points and scalars.

Every point that comes from outside is checked to lie in the group; libsodium refuses others.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha512

from nacl import bindings
from nacl.exceptions import CryptoError

from node.errors import MunimentError

POINT_BYTES = SCALAR_BYTES = 32
ORDER = 2**252 + 27742317777372353535851937790883648493
RandomBytes = Callable[[int], bytes]


class GroupError(MunimentError):
    """What another member sent is no point of the group."""

    code = "group"


def hash_to_point(data: bytes, domain: bytes) -> bytes:
    """Return a point that nobody knows the logarithm of.

    The sum of two maps of independent halves of SHA-512 (Brier et al., CRYPTO 2010), since one map
    reaches half of the points only.
    """
    digest = sha512(len(domain).to_bytes(2, "big") + domain + data).digest()
    halves = (
        bindings.crypto_core_ed25519_from_uniform(half) for half in (digest[:32], digest[32:])
    )
    return add(*halves)


def random_scalar(random_bytes: RandomBytes) -> int:
    """Return a uniform number from 1 to below the order."""
    while not (number := int.from_bytes(random_bytes(64), "little") % ORDER):
        pass
    return number


def multiply(point: bytes, scalar: int) -> bytes:
    """Raises GroupError unless `point` is of the group and no neutral element."""
    try:
        return bindings.crypto_scalarmult_ed25519_noclamp(_bytes(scalar), point)
    except (CryptoError, TypeError, ValueError) as error:
        raise GroupError("a point is not of the group") from error


def add(one: bytes, other: bytes) -> bytes:
    """Add points that `is_point` has let pass; that they are on the curve is all that is seen here.

    Raises GroupError.
    """
    try:
        return bindings.crypto_core_ed25519_add(one, other)
    except (CryptoError, TypeError, ValueError) as error:
        raise GroupError("a point is not of the group") from error


def take(one: bytes, other: bytes) -> bytes:
    """Return one point without the other, as `add`. Raises GroupError."""
    try:
        return bindings.crypto_core_ed25519_sub(one, other)
    except (CryptoError, TypeError, ValueError) as error:
        raise GroupError("a point is not of the group") from error


def is_point(data: bytes) -> bool:
    """Whether these bytes are a point of the group."""
    return len(data) == POINT_BYTES and bindings.crypto_core_ed25519_is_valid_point(data)


def _bytes(scalar: int) -> bytes:
    return (scalar % ORDER).to_bytes(SCALAR_BYTES, "little")

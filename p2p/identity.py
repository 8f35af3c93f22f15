"""Node keys and libp2p's names for them.

The peer id of an Ed25519 key holds the key itself (identity multihash of the protobuf
`PublicKey{Ed25519, key}`, libp2p specification "Peer Ids and Keys"), so no look-up is needed.
"""

from __future__ import annotations

from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

KEY_BYTES = 32
# identity multihash, 36 bytes; field 1 (type) = Ed25519, field 2 (data) of 32 bytes
_PREFIX = bytes.fromhex("0024080112" + "20")


def make_key_pair(seed: bytes) -> KeyPair:
    """Return the libp2p key pair of a 32-byte Ed25519 seed. ValueError on another length."""
    if len(seed) != KEY_BYTES:
        raise ValueError(f"a node seed has {KEY_BYTES} bytes, not {len(seed)}")
    return create_new_key_pair(seed)


def peer_id_of(key: bytes) -> ID:
    """Return the peer id of a 32-byte node public key."""
    return ID(_PREFIX + key)


def key_of(peer_id: ID) -> bytes | None:
    """Return the node key in a peer id, or None when it is not of an Ed25519 key."""
    raw: bytes = peer_id.to_bytes()
    if len(raw) != len(_PREFIX) + KEY_BYTES or not raw.startswith(_PREFIX):
        return None
    return raw[len(_PREFIX) :]


def pinned_key(address: str) -> bytes | None:
    """Return the node key in a multiaddr's trailing `/p2p/ID`, None without one.

    Raises ValueError if the id is not that of an Ed25519 key.
    """
    _, pin, text = address.partition("/p2p/")
    if not pin:
        return None
    try:
        key = key_of(ID.from_base58(text))
    except ValueError:
        key = None
    if key is None:
        raise ValueError(f"{text!r} is not the peer id of a node")
    return key

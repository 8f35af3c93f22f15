from __future__ import annotations

import pytest
from libp2p.crypto.secp256k1 import create_new_key_pair as create_secp256k1
from libp2p.peer.id import ID

from p2p.identity import key_of, make_key_pair, peer_id_of


def test_peer_id_holds_the_key() -> None:
    pair = make_key_pair(b"s" * 32)
    key = pair.public_key.to_bytes()
    assert peer_id_of(key) == ID.from_pubkey(pair.public_key)
    assert key_of(ID.from_pubkey(pair.public_key)) == key


def test_other_ids_hold_no_node_key() -> None:
    assert key_of(ID.from_pubkey(create_secp256k1().public_key)) is None
    assert key_of(ID(b"")) is None
    assert key_of(ID(peer_id_of(bytes(32)).to_bytes() + b"x")) is None


def test_seed_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        make_key_pair(b"s" * 31)

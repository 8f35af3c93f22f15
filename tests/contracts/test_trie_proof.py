"""Membership and non-membership proofs against the trie that the ledger keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.trie_proof import prove, verify_proof
from tests.contracts.trie_disk import Trie

_ITEMS = st.dictionaries(st.binary(min_size=1, max_size=2), st.binary(max_size=3), max_size=400)


@given(_ITEMS, st.binary(min_size=1, max_size=2))
def test_proofs_hold_for_what_is_and_for_what_is_not(items: dict[bytes, bytes], key: bytes) -> None:
    trie = Trie(items)
    root = trie.root
    for asked in [*items, key]:
        value = items.get(asked)
        proof = prove(trie.cache, root, asked)
        assert verify_proof(root, asked, value, proof)
        assert not verify_proof(root, asked, b"another", proof)
        if value is not None:
            assert not verify_proof(root, asked, None, proof)


def test_every_flipped_byte_is_refused() -> None:
    items = {b"key %d" % i: b"value %d" % i for i in range(300)}
    trie = Trie(items)
    root = trie.root
    for key, value in ((b"key 7", items[b"key 7"]), (b"absent", None)):
        proof = prove(trie.cache, root, key)
        for position in range(len(proof)):
            flipped = bytearray(proof)
            flipped[position] ^= 1
            assert not verify_proof(root, key, value, bytes(flipped))
        assert not verify_proof(bytes(32), key, value, proof)


@given(st.binary(max_size=200), st.none() | st.binary(max_size=4))
def test_arbitrary_bytes_prove_nothing(proof: bytes, value: bytes | None) -> None:
    assert not verify_proof(b"\x07" * 32, b"key", value, proof)

"""Who is let in follows the members' records."""

from __future__ import annotations

from typing import Any

from node.peers import Peers


def record(name: str, key: bytes, **changes: Any) -> dict[str, Any]:
    found = {"name": name, "node_key": key, "status": "active", "stopping": {}, "addresses": ["/a"]}
    return {**found, **changes}


def names(peers: Peers) -> list[str]:
    return sorted(peer.name for peer in peers.by_key.values())


def test_members_come_and_keep_what_is_known_of_them() -> None:
    peers = Peers(overrides={"b": ("/own",)})
    peers.follow([record("me", b"m"), record("a", b"1"), record("b", b"2")], "me", 5, drop=True)
    assert names(peers) == ["a", "b"]
    assert peers.by_key[b"2"].addresses == ("/own",)
    peers.by_key[b"1"].is_up = True
    peers.follow([record("a", b"1", addresses=["/b"])], "me", 6, drop=False)
    assert (peers.by_key[b"1"].is_up, peers.by_key[b"1"].addresses) == (True, ("/b",))


def test_an_expelled_member_goes_with_its_epoch_and_does_not_come_back() -> None:
    peers = Peers()
    peers.follow([record("a", b"1"), record("b", b"2")], "me", 5, drop=True)
    gone = record("a", b"1", status="expelled")
    assert peers.follow([gone, record("b", b"2")], "me", 6, drop=False) == []
    assert peers.follow([gone, record("b", b"2")], "me", 7, drop=True) == [b"1"]
    assert peers.follow([gone, record("b", b"2")], "me", 8, drop=False) == []
    assert names(peers) == ["b"]


def test_a_suspended_member_still_listens() -> None:
    peers = Peers()
    peers.follow([record("a", b"1", status="suspended")], "me", 5, drop=True)
    assert names(peers) == ["a"]


def test_a_replaced_node_key_is_let_in_until_it_stops() -> None:
    peers = Peers()
    replaced = record("a", b"2", stopping={"node": [b"1", 10]})
    peers.follow([replaced], "me", 10, drop=False)
    assert (sorted(peers.by_key), peers.has_stop(10), peers.has_stop(11)) == (
        [b"1", b"2"], False, True
    )  # fmt: skip
    assert peers.follow([replaced], "me", 11, drop=False) == [b"1"]
    assert (list(peers.by_key), peers.has_stop(99)) == ([b"2"], False)


def test_of_two_keys_of_a_validator_the_one_in_use_is_asked() -> None:
    peers = Peers()
    peers.follow([record("a", b"2", stopping={"node": [b"1", 10]})], "me", 5, drop=False)
    for key in (b"1", b"2"):
        peers.by_key[key].index = 0
        peers.by_key[key].is_up = True
        assert peers.key_of(0) == key
        peers.by_key[key].is_up = False
    assert peers.key_of(1) is None

"""The envelopes of a home: kept, found damaged, erased for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.envelopes.content import Content
from node.envelopes.sealed import Envelope, EnvelopeError, seal
from node.envelopes.store import EnvelopeStore
from tests.node.envelopes.test_sealed import FIELDS, KEYS


@pytest.fixture
def envelope() -> Envelope:
    content = Content.create("invoice", FIELDS)
    return seal(content.encode(), content.commitment, "land", {"land": KEYS["land"]})


def test_what_is_kept_is_found_again(tmp_path: Path, envelope: Envelope) -> None:
    found = EnvelopeStore(tmp_path / "e").put(envelope)
    store = EnvelopeStore(tmp_path / "e")
    assert store.get(found) == envelope
    assert store.has(found)
    assert not store.has(bytes(32))
    assert store.get(bytes(32)) is None
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "e").iterdir()}
    assert modes == {0o600}


def test_a_draft_is_one_until_it_is_settled_or_discarded(
    tmp_path: Path, envelope: Envelope
) -> None:
    store = EnvelopeStore(tmp_path)
    found = store.put(envelope)
    for end in (store.settle_draft, store.discard):
        store.mark_draft(found)
        ((marked, _),) = store.drafts()
        assert marked == found
        end(found)
        assert store.drafts() == []
    assert list(tmp_path.iterdir()) == []


def test_erasing_destroys_the_keys_and_lasts(tmp_path: Path, envelope: Envelope) -> None:
    store = EnvelopeStore(tmp_path)
    found = store.put(envelope)
    with (tmp_path / f"{found.hex()}.key").open("rb") as held:
        store.erase(found)
        held.seek(0)
        assert not any(held.read()), "the file's blocks still hold the wrapped keys"
    assert [path.name for path in tmp_path.iterdir()] == [f"{found.hex()}.gone"]
    assert store.get(found) is None
    store.put(envelope)
    assert store.get(found) is None
    assert store.has(found)
    store.erase(found)


def test_an_erasure_that_a_crash_cut_short_is_finished(tmp_path: Path, envelope: Envelope) -> None:
    store = EnvelopeStore(tmp_path)
    found = store.put(envelope)
    (tmp_path / f"{found.hex()}.gone").touch()
    store.finish_erasures()
    assert [path.name for path in tmp_path.iterdir()] == [f"{found.hex()}.gone"]


def test_damage_is_told(tmp_path: Path, envelope: Envelope) -> None:
    store = EnvelopeStore(tmp_path)
    found = store.put(envelope)
    for suffix in (".key", ".body"):
        path = tmp_path / (found.hex() + suffix)
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes((good[-1] ^ 1,)))
        with pytest.raises(EnvelopeError, match="damaged"):
            store.get(found)
        path.write_bytes(good)
    (tmp_path / (found.hex() + ".body")).unlink()
    assert store.get(found) is None


def test_the_cursor_survives_and_a_damaged_one_begins_anew(tmp_path: Path) -> None:
    store = EnvelopeStore(tmp_path / "e")
    assert store.load_cursor() == (0, {})
    store.save_cursor(7, {bytes(32): 5})
    assert store.load_cursor() == (7, {bytes(32): 5})
    (tmp_path / "e" / "cursor").write_bytes(b"\xff")
    assert store.load_cursor() == (0, {})

"""A licence shown in part proves what it shows, to one verifier, once."""

from __future__ import annotations

import pytest

from consensus.codec import DecodeError
from consensus.crypto import Signer, sha256
from node.envelopes.content import Content
from node.envelopes.presentation import Presentation, PresentationError, present

CHAIN, NONCE = sha256(b"a chain"), bytes(16)
HOLDER = Signer(sha256(b"the holder"))
RECORD = Content.create("licence", {"name": "Li", "born": "1980-01-01", "scope": "surgery"})


def made(**changes: object) -> bytes:
    terms: dict[str, object] = {
        "content": RECORD, "chain_id": CHAIN, "licence": "health/li", "fields": ["scope"],
        "to": "tax", "nonce": NONCE, "until_ms": 1_000, "signer": HOLDER,
    }  # fmt: skip
    return present(**{**terms, **changes})  # type: ignore[arg-type]


def check(data: bytes, **changes: object) -> Presentation:
    terms: dict[str, object] = {
        "chain_id": CHAIN, "holder": HOLDER.public_key, "commitment": RECORD.commitment,
        "to": "tax", "nonce": NONCE, "now_ms": 1_000,
    }  # fmt: skip
    found = Presentation.decode(data)
    found.check(**{**terms, **changes})  # type: ignore[arg-type]
    return found


def test_only_chosen_fields_are_shown() -> None:
    data = made(fields=["scope", "name"])
    assert check(data).fields == (("name", "Li"), ("scope", "surgery"))
    assert b"1980" not in data
    assert RECORD.seed not in data
    assert check(made(fields=[])).fields == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"chain_id": bytes(32)}, "another network"),
        ({"commitment": bytes(32)}, "not those that the issuer has sealed"),
        ({"holder": Signer(bytes(32)).public_key}, "not signed with the key"),
        ({"to": "land"}, "made for tax, not for land"),
        ({"nonce": bytes(15) + b"x"}, "may be a copy"),
        ({"now_ms": 1_001}, "time is over"),
    ],
)
def test_it_serves_one_verifier_once(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(PresentationError, match=problem):
        check(made(), **changes)


def test_any_changed_byte_is_refused() -> None:
    data = made()
    for place in range(len(data)):
        changed = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        with pytest.raises((DecodeError, PresentationError)):
            check(changed)


def test_a_record_of_another_kind_or_another_hand_does_not_pass() -> None:
    other = Content("permit", RECORD.names, RECORD.values, RECORD.seed)
    with pytest.raises(PresentationError, match="not those"):
        check(made(content=other))
    with pytest.raises(PresentationError, match="not signed"):
        check(made(signer=Signer(bytes(32))))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fields": ["age"]}, "there is no field 'age'; the fields are name, born, scope"),
        ({"to": "x" * 65}, "cannot be shown so"),
        ({"to": ""}, "cannot be shown so"),
    ],
)
def test_what_cannot_be_shown_is_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(PresentationError, match=problem):
        made(**changes)

"""The desk of a real home seals, opens, forgets what came to nothing, and refuses what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from node.desk.sealing import sweep
from node.envelopes.store import EnvelopeStore
from node.rpc.client import Client, NodeError
from node.web.signing import anchored
from tests.web.conftest import Console, desk_of


@pytest.fixture
def desk(console: Console) -> Iterator[Client]:
    with Client(console.home.desk_socket) as client:
        yield client


def test_a_text_is_sealed_opened_and_forgotten(console: Console, desk: Client) -> None:
    store, other = EnvelopeStore(console.home.envelopes), console.net.names[1]
    made = desk.call("sealing.seal", kind="deny", text="not yet", to=[other])
    envelope = bytes.fromhex(made["envelope"])
    assert {console.member, other} <= set(made["anchor"]["parties"])
    named, (_, _, args) = anchored(made)
    assert (named, args["id"]) == (made["envelope"], envelope)
    assert b"not yet" not in b"".join(p.read_bytes() for p in console.home.envelopes.iterdir())
    assert desk.call("sealing.open", envelope=made["envelope"]) == {"text": "not yet"}
    desk.call("sealing.discard", envelope=made["envelope"])
    assert store.get(envelope) is None
    with pytest.raises(NodeError, match="is not here"):
        desk.call("sealing.open", envelope=made["envelope"])


def test_what_nobody_signs_is_forgotten_in_time(console: Console, desk: Client) -> None:
    own = desk_of(console.home, console.member)
    store, other = EnvelopeStore(console.home.envelopes), console.net.names[1]

    def sealed(text: str) -> tuple[bytes, tuple[str, str, dict[str, Any]]]:
        envelope, anchor = anchored(desk.call("sealing.seal", kind="deny", text=text, to=[other]))
        return bytes.fromhex(envelope), anchor

    (signed, anchor), (closed, _), (fresh, _) = map(sealed, ("signed", "closed", "fresh"))
    own.chain.submit(*anchor)
    for old in (signed, closed):
        os.utime(console.home.envelopes / f"{old.hex()}.draft", (0, 0))
    assert sweep(own) == [closed]
    assert [store.state_of(each) for each in (signed, closed, fresh)] == ["here", "missing", "here"]
    drafts = [envelope for envelope, _ in store.drafts()]
    assert fresh in drafts
    assert signed not in drafts


@pytest.mark.parametrize(
    ("method", "params", "told"),
    [
        ("sealing.open", {"envelope": "zz"}, "32 bytes in hexadecimal"),
        ("sealing.seal", {"kind": "deny", "text": "x", "to": ["nobody"]}, "not an active member"),
        ("sealing.seal", {"kind": "deny", "text": 5, "to": []}, "text must be a text"),
        ("job.get", {"job": "1"}, "no such job"),
        ("vault.key", {}, "no method"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(
    desk: Client, method: str, params: dict[str, object], told: str
) -> None:
    before = desk.call("job.list")
    with pytest.raises(NodeError, match=told):
        desk.call(method, **params)
    assert desk.call("job.list") == before


def test_a_home_has_one_desk(console: Console, desk: Client) -> None:
    before = desk.call("job.list")
    command = [sys.executable, "-m", "node", "desk", "--home", str(console.home.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is in use by the desk with pid" in done.stderr
    assert desk.call("job.list") == before

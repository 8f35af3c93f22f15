"""The desk of a real home seals, opens, forgets what came to nothing, and refuses what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from node.envelopes.store import EnvelopeStore
from node.rpc.client import Client, NodeError
from node.web.signing import anchored
from tests.web.conftest import Console


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

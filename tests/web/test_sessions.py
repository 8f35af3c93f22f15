"""Sessions and logins at their bounds: what keeps a key open, and what a guess costs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from consensus.crypto import Signer
from node import keys
from node.home import Home
from node.keys import create_key
from node.rpc.client import LOST, NodeError
from node.web import sessions as module
from node.web.guard import Rates
from node.web.sessions import MAX_WAITING, BusyError, LoginError, Sessions

SIGNER = Signer(bytes(32))
ACTIVE = {"status": "active", "key": SIGNER.public_key.hex(), "duties": ["steward"]}


class Chain:
    """Answers for one operator, li; `away` is a node that cannot be reached."""

    def __init__(self) -> None:
        self.record: dict[str, Any] = ACTIVE
        self.away = False

    def query(self, contract: str, method: str, args: dict[str, Any]) -> Any:
        if self.away:
            raise NodeError("away", LOST)
        if args["operator"] != "li":
            raise NodeError("no such operator", "bad-argument")
        return self.record


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def made(tmp_path: Path) -> tuple[Sessions, Chain]:
    home, chain = Home(tmp_path), Chain()
    folder = home.operators / "li"
    folder.mkdir(parents=True)
    create_key(folder / "operator.key", "operator", "right", bytes(32), os.urandom(16))
    return Sessions(home, "tax", chain, idle_s=60.0), chain  # type: ignore[arg-type]


def test_what_a_page_asks_by_itself_keeps_no_session(tmp_path: Path, clock: list[float]) -> None:
    sessions, _ = made(tmp_path)
    token = sessions.enter("li", "right").token
    for _ in range(5):
        clock[0] += 13
        open_tab = sessions.find(token, by_person=False)
    assert open_tab is None
    token = sessions.enter("li", "right").token
    for _ in range(5):
        clock[0] += 13
        assert sessions.find(token) is not None


def test_an_unknown_name_costs_as_much_as_a_wrong_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, chain = made(tmp_path)
    spent: list[tuple[int, int]] = []
    real = keys.Scrypt

    def counted(*, salt: bytes, length: int, n: int, r: int, p: int) -> Any:
        spent.append((n, r))
        return real(salt=salt, length=length, n=n, r=r, p=p)

    monkeypatch.setattr(keys, "Scrypt", counted)
    for name, passphrase in (("li", "wrong"), ("nobody", "right"), ("../li", "x"), ("li", "wrong")):
        with pytest.raises(LoginError):
            sessions.enter(name, passphrase)
    chain.record = ACTIVE | {"status": "revoked"}
    with pytest.raises(LoginError):
        sessions.enter("li", "right")
    assert spent == [(keys.SCRYPT_N, keys.SCRYPT_R)] * 5


def test_logins_beyond_the_waiting_places_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, _ = made(tmp_path)
    inside, go_on = threading.Semaphore(0), threading.Event()

    def slow(self: Sessions, operator: str, record: Any, passphrase: str) -> Signer:
        inside.release()
        go_on.wait()
        return SIGNER

    real_record = Sessions._record

    def counted(self: Sessions, operator: str) -> Any:
        inside.release()
        return real_record(self, operator)

    monkeypatch.setattr(Sessions, "_record", counted)
    monkeypatch.setattr(Sessions, "_unlock", slow)
    threads = [
        threading.Thread(target=sessions.enter, args=("li", "x")) for _ in range(MAX_WAITING)
    ]
    for thread in threads:
        thread.start()
    for _ in range(MAX_WAITING + 1):  # all hold a place, one of them unlocks
        inside.acquire()
    with pytest.raises(BusyError):
        sessions.enter("li", "x")
    go_on.set()
    for thread in threads:
        thread.join()
    assert sessions.enter("li", "x").operator == "li"


def test_a_session_outlives_its_node_and_not_its_duties(tmp_path: Path) -> None:
    sessions, chain = made(tmp_path)
    token = sessions.enter("li", "right").token
    chain.away = True
    found = sessions.find(token)
    assert found is not None
    assert found.duties == {"steward"}
    chain.away, chain.record = False, ACTIVE | {"duties": []}
    found = sessions.find(token)
    assert found is not None
    assert found.duties == frozenset()
    chain.record = ACTIVE | {"status": "revoked"}
    assert sessions.find(token) is None
    chain.record = ACTIVE
    assert sessions.find(token) is None


def test_sessions_are_opened_and_found_by_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, _ = made(tmp_path)
    monkeypatch.setattr(Sessions, "_unlock", lambda *_: SIGNER)
    wrong: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(200):
                try:
                    sessions.find(sessions.enter("li", "x").token)
                except BusyError:
                    continue
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_try_is_counted_before_and_given_back_after() -> None:
    tries = Rates(0.0, 2.0)
    assert tries.allows("a")
    assert tries.allows("a")
    assert not tries.allows("a")
    assert tries.allows("b")
    tries.give_back("a")
    assert tries.allows("a")
    assert not tries.allows("a")
    for _ in range(5):
        tries.give_back("a")
    assert [tries.allows("a") for _ in range(3)] == [True, True, False]

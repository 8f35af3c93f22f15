"""Questions to the own node from the threads that make pages."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node.network import bytes_as_text
from node.rpc.client import LOST, Client, NodeError

BUSY = "busy"
"""Code of a refusal because too much is asked at once."""
IDLE = 8
"""Connections kept open."""
MOST = 24
"""Connections at once; the node serves 64 in all, and commands need some."""
WAIT_S = 10.0
TIMEOUT_S = 60.0


class Link:
    """Connections to a node's socket, used by one thread at a time each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[Client] = deque()
        self._places = threading.Semaphore(MOST)

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask what changes nothing; a connection lost since the last question is made anew.

        Raises NodeError.
        """
        return self._call_all([(method, params)])[0]

    def query(self, contract: str, method: str, args: dict[str, Any]) -> Any:
        """Ask a contract; byte strings go and come in hexadecimal."""
        return self.query_all([(contract, method, args)])[0]

    def query_all(self, questions: Sequence[tuple[str, str, dict[str, Any]]]) -> list[Any]:
        """Ask many questions of contracts at once; see `query`."""
        return self._call_all([
            ("state.query", {"contract": contract, "method": method, "args": bytes_as_text(args)})
            for contract, method, args in questions
        ])  # fmt: skip

    def _call_all(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        try:
            with self.client() as client:
                return client.collect(client.send_many(requests))
        except NodeError as error:
            if error.code != LOST:
                raise
        self._drop_idle()
        with self.client() as client:
            return client.collect(client.send_many(requests))

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Lend a connection for questions that belong together. Raises NodeError."""
        if not self._places.acquire(timeout=WAIT_S):
            raise NodeError("the pages ask this node too much at once; try again", BUSY)
        try:
            with self._lent() as client:
                yield client
        finally:
            self._places.release()

    @contextmanager
    def _lent(self) -> Iterator[Client]:
        try:
            client = self._idle.pop()
        except IndexError:
            client = Client(self._path, TIMEOUT_S)
        try:
            yield client
        except NodeError as error:
            if error.code == LOST:
                client.close()
            else:
                self._give_back(client)
            raise
        except BaseException:
            client.close()
            raise
        self._give_back(client)

    def close(self) -> None:
        self._drop_idle()

    def _give_back(self, client: Client) -> None:
        if len(self._idle) < IDLE:
            self._idle.append(client)
        else:
            client.close()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

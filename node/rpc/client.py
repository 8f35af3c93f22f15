"""A synchronous RPC client on plain sockets, quick to import."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from node.errors import MunimentError

LOST = "lost"
"""The code of a connection that broke: what was asked may have been done."""
UNREACHABLE = ("not-running", LOST)


class NodeError(MunimentError):
    """The node answered with an error, or cannot be reached."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """One connection to a node's socket; a context manager."""

    def __init__(self, path: Path, timeout_s: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._next = 0
        self._notes: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise NodeError(
                f"no node answers at {path} ({error.strerror or error}); "
                f"start it with: muniment start --home {path.parent}",
                "not-running",
            ) from error
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, method: str, /, **params: Any) -> Any:
        """Return the method's result. Raises NodeError with the node's sentence and code."""
        return self.collect(self.send_many([(method, params)]))[0]

    def send_many(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> list[int]:
        """Send requests without waiting; returns their ids for `collect`."""
        ids, lines = [], []
        for method, params in requests:
            self._next += 1
            ids.append(self._next)
            request = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
            lines.append(json.dumps(request, separators=(",", ":")))
        try:
            self._socket.sendall(("\n".join(lines) + "\n").encode())
        except OSError as error:
            raise _lost(error) from error
        return ids

    def collect(self, ids: Sequence[int]) -> list[Any]:
        """Wait for the answers to `ids`, in that order. Raises the first error among them."""
        while not self._answers.keys() >= set(ids):
            message = self._read()
            if "method" in message:
                self._notes.append(message)
            else:
                self._answers[message["id"]] = message
        answers = [self._answers.pop(identity) for identity in ids]
        for answer in answers:
            error = answer.get("error")
            if error is not None:
                raise NodeError(error["message"], error.get("data", {}).get("code", "error"))
        return [answer["result"] for answer in answers]

    def subscribe(self, topics: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield (topic, data) for ever; ends when the node goes away."""
        self.call("subscribe", topics=list(topics))
        self._socket.settimeout(None)
        while True:
            message = self._notes.pop(0) if self._notes else self._read()
            yield message["method"], message["params"]

    def _read(self) -> dict[str, Any]:
        try:
            line = self._file.readline()
        except OSError as error:
            raise _lost(error) from error
        if not line.endswith(b"\n"):
            raise _lost(None)  # the node ended, perhaps in the middle of a line
        message = json.loads(line)
        if not isinstance(message, dict):
            raise _lost(None)
        return message


def _lost(error: OSError | None) -> NodeError:
    reason = f": {error}" if error else ""
    return NodeError(f"the connection to the node was lost{reason}", LOST)

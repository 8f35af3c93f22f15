"""What the own node's chain says now, and how old that is: a server that is cut off must stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import trio

from node.data.chain import Query
from node.errors import MunimentError
from node.exchange.streams import StreamError
from node.rpc.client import Client, NodeError


class NotServedError(MunimentError):
    """Why nothing is served; `code` is the contract's, or `stale`, `denied`, `unsupported`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Watch:
    """The chain as the own node knows it. `heard` is called with each final block's time."""

    def __init__(
        self,
        query: Query,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        self._query, self._wall_ms, self._monotonic_ms = query, wall_ms, monotonic_ms
        self._block_ms = 0
        self._heard_ms = 0

    def heard(self, block_ms: int) -> None:
        """A block with this time (ms UTC) has become final."""
        if block_ms > self._block_ms:
            self._block_ms, self._heard_ms = block_ms, self._monotonic_ms()

    @property
    def age_ms(self) -> int:
        """Age of the last final block, by its own time or by when it was heard, the greater.

        A wall clock that is slow would make an old block look young, a node that has just started
        has heard of it a moment ago: neither alone tells.
        """
        return max(self._wall_ms() - self._block_ms, self._monotonic_ms() - self._heard_ms)

    @property
    def now_ms(self) -> int:
        return max(self._wall_ms(), self._block_ms)

    async def serving(self, delivery: int, member: str) -> dict[str, Any]:
        """Return delivery, grant and limits if `member` is to be served now. NotServedError."""
        args = {"delivery": delivery, "time": self.now_ms}
        found = await trio.to_thread.run_sync(self._query, "deliveries", "serving", args)
        if found is None or found["delivery"]["recipient"] != member:
            raise NotServedError("denied", f"{member} has opened no delivery {delivery}")
        self.require_fresh(found["limits"])
        if found["fault"] is not None:
            grant = found["grant"]["id"]
            raise NotServedError(
                found["fault"], f"delivery {delivery} under grant {grant}: {found['fault']}"
            )
        return found  # type: ignore[no-any-return]

    def require_fresh(self, limits: dict[str, Any]) -> None:
        """Raise NotServedError if what is known of the chain is older than `limits` allow."""
        if self.age_ms > limits["max_state_age_ms"]:
            raise NotServedError(
                "stale", "the server has not heard of the chain for too long; try again later"
            )

    async def follow(self, client: Client) -> None:
        """Hear of each block from the own node. Raises StreamError when the node goes."""

        def run() -> None:
            self.heard(client.call("block.get", height="latest", most=0)["timestamp"])
            for _, block in client.subscribe(("blocks",)):
                trio.from_thread.check_cancelled()
                self.heard(block["timestamp"])

        try:
            await trio.to_thread.run_sync(run, abandon_on_cancel=True)
        except NodeError as error:
            raise StreamError("our own node", "gone") from error

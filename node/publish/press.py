"""Publishing a version of one's own, with all that it asks of vault, log and chain."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from node.data.chain import Chain
from node.data.custody import Custody
from node.home import Home
from node.publish.shelf import Publication, Shelf
from node.publish.write import publish
from node.rpc.client import Client

PURPOSE = "open data"
"""What the access log calls it."""


def publish_version(
    home: Home, custody: Custody, chain: Chain, dataset: str, number: int, who: str,
    told: Callable[[int, int], None],
) -> Publication:  # fmt: skip
    """Publish a version that is agreed on; `told` gets how many records of how many are done.

    Raises ShelfError, VaultError, NodeError.
    """
    opened = custody.open(dataset, number)
    rows = opened.head.rows

    def prove(key: bytes) -> bytes:
        """Wait for the proof; the anchor of the access log makes the block that it waits for."""
        with Client(home.socket) as client, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.call, "state.prove", key=key.hex())
            custody.log.note(who, dataset, number, (1, max(1, rows)), PURPOSE)
            custody.anchor()
            return bytes.fromhex(waiting.result()["proof"])

    return publish(Shelf(home.open), opened, chain.query, prove, lambda done: told(done, rows))

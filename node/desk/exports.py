"""Exports for auditors: receipts gathered here, to be signed by the operator who asked for them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from consensus.codec import encode
from node.desk.params import ParamError, number, text
from node.home import atomic_write
from node.rpc.client import Client
from node.trace.export import MAX_RECEIPTS, MAX_TITLE, Content, key_of

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.desk.jobs import Progress

MAX_BLOCKS = 100_000
MAX_BYTES = 8 << 20
KEPT = 20
"""Prepared exports that are kept, the latest."""


def _prepare(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Start to gather receipts for `operator`: of a `dataset`'s registrations, or of all

    transactions `from` one height `to` another. Returns the job's id; its result names the file.
    """
    who, title = text(params, "operator", 32), text(params, "title", MAX_TITLE)
    dataset = text(params, "dataset") if params.get("dataset") else ""
    first, last = number(params, "from"), number(params, "to")
    if not dataset and not 0 <= last - first < MAX_BLOCKS:
        raise ParamError(f"an export is of 1 to {MAX_BLOCKS} blocks, from the lower to the higher")

    def work(progress: Progress) -> Any:
        progress(0, 0, "proving")
        with Client(desk.home.socket) as client:
            # First: it waits for the header that the latest receipts need too.
            key = key_of(desk.member, who).hex()
            proof = bytes.fromhex(client.call("state.prove", key=key)["proof"])
            txids = (
                _of_dataset(desk, client, dataset)
                if dataset
                else _of_blocks(client, first, last, progress)
            )
            receipts = _receipts(client, txids)
        made = Content(desk.member, who, time.time_ns() // 1_000_000, title, tuple(receipts))
        name = _keep(desk, encode([made.encode(), proof]))
        return {"file": name, "operator": who, "receipts": len(receipts)}

    return desk.jobs.start("receipts", f"{who} {secrets.token_hex(4)}", work)


def _of_blocks(client: Client, first: int, last: int, progress: Progress) -> Iterator[str]:
    for done, height in enumerate(range(first, last + 1)):
        if done % 64 == 0:
            progress(done, last - first + 1, "reading")
        for row in client.call("block.get", height=height)["transactions"]:
            yield row["txid"]


def _of_dataset(desk: Desk, client: Client, dataset: str) -> Iterator[str]:
    """The transactions of blocks with a version's registration that registered one."""
    after = 0
    while rows := desk.chain.query("catalogue", "versions", {"dataset": dataset, "after": after}):
        for row in rows:
            after = row["version"]
            for found in client.call("block.get", height=row["height"])["transactions"]:
                events = client.call("tx.get", txid=found["txid"]).get("events") or []
                if ["catalogue", "registered", dataset, after] in [
                    [contract, name, *data[:2]] for contract, name, data in events
                ]:
                    yield found["txid"]


def _receipts(client: Client, txids: Iterator[str]) -> list[bytes]:
    """Raises ParamError if they are too many."""
    found: dict[str, bytes] = {}
    size = 0
    for txid in txids:
        found[txid] = bytes.fromhex(client.call("receipt.get", txid=txid)["receipt"])
        size += len(found[txid])
        if len(found) > MAX_RECEIPTS or size > MAX_BYTES:
            raise ParamError(
                f"an export holds at most {MAX_RECEIPTS} receipts and {MAX_BYTES >> 20} MiB; "
                "choose fewer blocks"
            )
    return list(found.values())


def _keep(desk: Desk, data: bytes) -> str:
    folder = desk.home.prepared
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in sorted(folder.iterdir())[: -KEPT + 1 or None]:
        old.unlink(missing_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(8)}"
    atomic_write(folder / name, data, 0o600)
    return name


METHODS: dict[str, Method] = {"export.prepare": _prepare}

"""Files of proofs, gathered from the own node: a delivery's evidence, a whole case.

Proofs of the state wait for the next block, so all of a file are asked for at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.exchange import evidence
from node.rpc.client import Client
from node.trace import case_file
from node.trace.index import Entry

LOT = 100
"""Receipts that are asked for at once."""


def of_delivery(client: Client, delivery: int, txid: str) -> bytes:
    """The file that binds a delivery, closed by `txid`, to its decision and its output.

    Raises EvidenceError, NodeError.
    """
    args = {"delivery": delivery}
    found = client.call("state.query", contract="deliveries", method="get", args=args)
    if found is None:
        raise evidence.EvidenceError(f"there is no delivery {delivery}")
    keys = evidence.keys_of(delivery, found["grant"], found["dataset"], found["version"])
    proofs = _states(client, keys)
    return evidence.build(proofs, _receipts(client, [txid])[0])


def of_case(client: Client, case: int, life: Iterable[Entry], more: Sequence[str] = ()) -> bytes:
    """The file that proves every step of a case, whose `life` the index tells.

    `more` are further transactions that go with it. Raises NodeError.
    """
    steps = [entry for entry in life if not entry.code]
    found = [e.data[0] for e in steps if (e.contract, e.name) == ("sanctions", "found")]
    proofs = _states(client, case_file.keys_of(case, sorted(found)))
    txids = dict.fromkeys([*(entry.txid for entry in steps), *more])
    return case_file.build(proofs, _receipts(client, list(txids)))


def _states(client: Client, keys: Sequence[bytes]) -> list[bytes]:
    rows = client.collect(client.send_many([("state.prove", {"key": key.hex()}) for key in keys]))
    return [bytes.fromhex(row["proof"]) for row in rows]


def _receipts(client: Client, txids: Sequence[str]) -> list[bytes]:
    found: list[bytes] = []
    for start in range(0, len(txids), LOT):
        lot = [("receipt.get", {"txid": txid}) for txid in txids[start : start + LOT]]
        rows = client.collect(client.send_many(lot))
        found += [bytes.fromhex(row["receipt"]) for row in rows]
    return found

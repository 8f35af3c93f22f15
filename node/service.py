"""The RPC methods: what an operator's commands ask of a running node."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
import trio

from consensus.block import Header
from consensus.events import Now
from consensus.genesis import Genesis
from contracts.engine import QueryError, query
from contracts.envelope import Transaction
from contracts.receipts import Receipt, of_transactions
from contracts.system import governance
from node import activity, receipt, state_proof
from node.core import Core
from node.driver import Driver
from node.evidence import kept_evidence
from node.network import bytes_from_text, to_json
from node.outcome import BlockFinal, Outcome, Refusal, TransactionDropped
from node.render import name_of, render
from node.rpc.server import INVALID_PARAMS, Handler, RpcError, Server, Session
from node.standstill import stands_still
from node.store import RULING
from p2p.transport import Transport

WATCH_S = 1.0
TOPICS = ("blocks", "transactions", "events", "activity", "state")
MAX_SUBMIT_MANY = 1_000
MAX_REMEMBERED = 10_000
MAX_WAIT_MS = 600_000
MAX_LOG = 1_000
MAX_PROOF_WAIT_S = 60.0

log = structlog.get_logger("service")


class Service:
    """Answers for one node. Lives in the same loop as the driver, so it sees whole turns."""

    def __init__(
        self,
        core: Core,
        driver: Driver,
        transport: Transport,
        genesis: Genesis,
        clock: Callable[[], Now],
        addresses: Callable[[], list[str]],
    ) -> None:
        self._core = core
        self._driver = driver
        self._transport = transport
        self._genesis = genesis
        self._clock = clock
        self._addresses = addresses
        self._started_ms = clock().monotonic
        self._waiters: dict[bytes, trio.Event] = {}
        self._grown = trio.Event()
        self._dropped: dict[bytes, Refusal] = {}
        self.server: Server | None = None
        core.listen(self._hear)
        if core.courier is not None:
            core.courier.settled = self._wake

    @property
    def methods(self) -> Mapping[str, Handler]:
        return {
            "status": self._status,
            "peers": self._peers,
            "block.get": self._block_get,
            "tx.submit": self._tx_submit,
            "tx.submit_many": self._tx_submit_many,
            "tx.get": self._tx_get,
            "tx.place": self._tx_place,
            "tx.wait": self._tx_wait,
            "receipt.get": self._receipt_get,
            "state.prove": self._state_prove,
            "evidence.list": self._evidence_list,
            "state.query": self._state_query,
            "log.get": self._log_get,
            "events.range": self._events_range,
            "validators.get": self._validators_get,
            "envelope.wait": self._envelope_wait,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }

    # What happens

    def _hear(self, outcome: Outcome) -> None:
        match outcome:
            case BlockFinal(entry=entry):
                self._grown.set()
                self._grown = trio.Event()
                for transaction in entry.transactions:
                    self._wake(transaction.txid)
                self._publish(entry)
            case TransactionDropped(transaction=transaction, refusal=refusal):
                if len(self._dropped) >= MAX_REMEMBERED:
                    del self._dropped[next(iter(self._dropped))]
                self._dropped[transaction.txid] = refusal
                self._wake(transaction.txid)

    def _wake(self, txid: bytes) -> None:
        event = self._waiters.pop(txid, None)
        if event is not None:
            event.set()

    def _publish(self, entry: Any) -> None:
        server = self.server
        if server is None:
            return
        header = entry.header
        if server.has_subscribers("blocks"):
            server.publish(
                "blocks",
                {
                    "height": header.height,
                    "digest": entry.digest.hex(),
                    "timestamp": header.timestamp,
                    "proposer": header.proposer,
                    "transactions": len(entry.transactions),
                },
            )
        if server.has_subscribers("transactions"):
            outcomes = of_transactions(entry.receipts, len(entry.transactions))
            for transaction, outcome in zip(entry.transactions, outcomes, strict=True):
                base = {"txid": transaction.txid.hex(), "height": header.height}
                data = {"sender": transaction.sender, "code": outcome.code}
                server.publish("transactions", base | data)
        if server.has_subscribers("events"):
            for outcome in entry.receipts:
                base = {"txid": outcome.txid.hex(), "height": header.height}
                for event in outcome.events:
                    data = {"contract": event.contract, "name": event.name}
                    server.publish("events", base | data | {"data": to_json(event.data)})

        if server.has_subscribers("activity"):
            server.publish(
                "activity", self._activity_of(header, entry.transactions, entry.receipts)
            )

    def _activity_of(
        self, header: Header, transactions: Sequence[Transaction], receipts: Sequence[Receipt]
    ) -> dict[str, Any]:
        store = self._core.ledger.store
        found = store.finalization_from(header.height)
        certificate = found[1] if found is not None and found[0] == header.height else None
        validators = store.validator_set(header.epoch)
        return activity.describe(header, transactions, receipts, certificate, validators)

    # The node

    async def _status(self, params: dict[str, Any], session: Session) -> Any:
        """How the node is: height, leader, peers, what waits and is kept, why it stands still."""
        core, now = self._core, self._clock()
        tip = core.ledger.tip.header
        validators = core.ledger.validators
        return {
            "name": core.name,
            "network": self._genesis.network,
            "chain_id": self._genesis.chain_id.hex(),
            "version": validators.parameters.version,
            "versions": sorted(core.ledger.versions),
            "planned_version": governance.planned_version(core.ledger.state()),
            "role": "validator" if core.machine.is_validator else "observer",
            "state": self._state(now),
            "standing_still": self._stands_still(now),
            "height": tip.height,
            "tip": core.ledger.tip.digest.hex(),
            "finalized_at_ms": core.final_at_ms,
            "age_ms": max(0, now.wall - core.final_at_ms),
            "clock_off_ms": self._clock_off_ms(),
            "epoch": core.machine.epoch,
            "view": core.machine.view,
            "leader": validators.validators[validators.leader(core.machine.view)].name,
            "nullified_in_row": core.machine.nullified_in_row,
            "state_root": core.ledger.state_root.hex(),
            "peers": len(core.peers.connected()),
            "members": len({peer.name for peer in core.peers.by_key.values()}) + 1,
            "mempool": {"count": len(core.mempool), "bytes": core.mempool.bytes},
            "evidence": sum(1 for _ in core.ledger.store.evidence()),
            "kept": {
                "blocks_from": core.ledger.store.kept_from(),
                "results_from": core.ledger.store.results_from(),
                "snapshot": core.maker.height or None,
                "archive": core.pruner.is_archive,
                "retention": core.pruner.retention or None,
            },
            "state_sync": self._state_sync(),
            "missing_envelopes": core.courier.missing if core.courier else 0,
            "services": self._driver.services,
            "uptime_s": (now.monotonic - self._started_ms) // 1_000,
            "listening": self._addresses(),
            "pid": os.getpid(),
        }

    def _clock_off_ms(self) -> int:
        """How far the clock is off, 0 while it is within the governed drift of the network's."""
        skew_ms = self._core.clock_skew_ms
        drift_ms = self._core.ledger.validators.parameters.drift_ms
        return skew_ms if abs(skew_ms) > drift_ms else 0

    def _state_sync(self) -> dict[str, Any] | None:
        sync = self._core.state_sync
        if not sync.is_active:
            return None
        here, total = sync.progress
        return {"phase": sync.phase.value, "cells": here, "of": total}

    def _state(self, now: Now) -> str:
        core = self._core
        validators = core.ledger.validators
        voices = sum(peer.index is not None for peer in core.peers.connected())
        voices += core.machine.is_validator
        if core.machine.is_observing:
            return "recovering"
        if voices < validators.quorum:
            return "no quorum"
        if core.state_sync.is_active:
            return "catching up"
        height = core.ledger.tip.header.height
        ahead = core.peers.ahead_of(height)
        if ahead and not any(peer.keeps(height + 1) for peer in ahead):
            return "no source"
        if self._stands_still(now):
            return "stalled"  # whatever a single peer says of its height
        return "catching up" if core.sync.is_active else "in sync"

    def _stands_still(self, now: Now) -> bool:
        core = self._core
        parameters, age_ms = core.ledger.validators.parameters, now.wall - core.final_at_ms
        return not core.state_sync.is_active and stands_still(parameters.idle_ms, age_ms)

    async def watch(self) -> None:
        """Log and publish each change of the node's state: no block tells of a chain that stops."""
        last = ("", False)
        while True:
            now = self._clock()
            state = (self._state(now), self._stands_still(now))
            if state != last:
                if state[1] != last[1]:
                    height = self._core.ledger.tip.header.height
                    message = "nothing becomes final" if state[1] else "blocks become final again"
                    (log.error if state[1] else log.info)(message, state=state[0], height=height)
                if self.server is not None and self.server.has_subscribers("state"):
                    self.server.publish("state", {"state": state[0], "standing_still": state[1]})
                last = state
            await trio.sleep(WATCH_S)

    async def _peers(self, params: dict[str, Any], session: Session) -> Any:
        """The other members' nodes: whether connected, their height, bytes sent and received."""
        statistics = self._transport.statistics()
        rows = []
        for peer in sorted(self._core.peers.by_key.values(), key=lambda peer: peer.name):
            known = statistics.get(peer.key)
            rows.append(
                {
                    "name": peer.name,
                    "node_key": peer.key.hex(),
                    "connected": peer.is_up,
                    "validator": peer.index is not None,
                    "addresses": list(peer.addresses),
                    "height": peer.status.height if peer.status else None,
                    "tip": peer.status.digest.hex() if peer.status else None,
                    "sent_bytes": known.bytes_out if known else 0,
                    "received_bytes": known.bytes_in if known else 0,
                    "last_fault": known.last_fault if known else "",
                }
            )
        return rows

    async def _validators_get(self, params: dict[str, Any], session: Session) -> Any:
        """Validators and parameters of `epoch`, the present one unless given."""
        epoch = _integer(params, "epoch", self._core.machine.epoch)
        found = self._core.ledger.store.validator_set(epoch)
        if found is None:
            raise RpcError(INVALID_PARAMS, f"epoch {epoch} has no validator set yet", "not-found")
        return {
            "epoch": epoch,
            "quorum": found.quorum,
            "validators": [{"name": v.name, "key": v.key.hex()} for v in found.validators],
            "parameters": found.parameters.to_value(),
        }

    # The chain

    async def _block_get(self, params: dict[str, Any], session: Session) -> Any:
        """The final block at `height` (a number, or `latest`) with its transactions.

        Of them all, unless `most` of them from place `first` on are enough; `count` is of all.
        """
        ledger = self._core.ledger
        height = params.get("height", "latest")
        if height == "latest":
            height = ledger.tip.header.height
        height = _integer({"height": height}, "height", 0)
        full = ledger.store.block_at(height)
        if full is None:
            low, top = ledger.store.kept_from(), ledger.tip.header.height
            message = f"no block {height}; kept are {low} to {top}, the latest"
            raise RpcError(INVALID_PARAMS, message, "not-found")
        header = full.block.header
        validators = ledger.store.validator_set(header.epoch)
        found = ledger.store.finalization_from(height)
        certificate = None
        if found is not None and found[0] == height and validators is not None:
            names = [validators.validators[i].name for i in found[1].signers]
            certificate = {"view": found[1].statement.view, "signers": names}
        first = _integer(params, "first", 0)
        raws = full.raws[first : first + _integer(params, "most", len(full.raws))]
        codes: list[int | None] = [None] * len(raws)
        if raws and height >= ledger.store.results_from():
            receipts = of_transactions(ledger.store.receipts_at(height), len(full.raws))
            codes = [r.code for r in receipts[first : first + len(raws)]]
        rows = []
        for raw, code in zip(raws, codes, strict=True):
            transaction = self._decode(raw, header.epoch)
            rows.append({"txid": transaction.txid.hex(), **_describe(transaction), "code": code})
        return {
            "height": header.height,
            "digest": full.block.digest.hex(),
            "epoch": header.epoch,
            "timestamp": header.timestamp,
            "proposer": header.proposer,
            "parent": header.parent.hex(),
            "state_root": header.state_root.hex(),
            "size": sum(map(len, full.raws)),
            "certificate": certificate,
            "count": len(full.raws),
            "transactions": rows,
        }

    # Transactions

    async def _tx_submit(self, params: dict[str, Any], session: Session) -> Any:
        """Take a signed transaction, `tx` in hexadecimal; returns its `txid`, or says why not."""
        found = await self._submit(_bytes(params, "tx"))
        if isinstance(found, Refusal):
            raise RpcError(-32000, found.reason, found.code)
        return {"txid": found.txid.hex()}

    async def _tx_submit_many(self, params: dict[str, Any], session: Session) -> Any:
        """Take several, `txs`; returns for each its `txid` or its refusal."""
        texts = params.get("txs")
        if not isinstance(texts, list) or len(texts) > MAX_SUBMIT_MANY:
            message = f"txs must be a list of at most {MAX_SUBMIT_MANY} transactions"
            raise RpcError(INVALID_PARAMS, message, "params")
        raws = [_bytes({"txs": text}, "txs") for text in texts]
        answers: list[dict[str, Any]] = [{} for _ in raws]
        done = trio.Event()
        left = len(raws)

        def take(index: int, found: Transaction | Refusal) -> None:
            nonlocal left
            if isinstance(found, Refusal):
                answers[index] = {"code": found.code, "reason": found.reason}
            else:
                answers[index] = {"txid": found.txid.hex()}
            left -= 1
            if not left:
                done.set()

        for index, raw in enumerate(raws):
            self._driver.submit(raw, lambda found, index=index: take(index, found))  # type: ignore[misc]
        if raws:
            await done.wait()
        return answers

    async def _submit(self, raw: bytes) -> Transaction | Refusal:
        answered = trio.Event()
        answer: list[Transaction | Refusal] = []

        def take(found: Transaction | Refusal) -> None:
            answer.append(found)
            answered.set()

        self._driver.submit(raw, take)
        await answered.wait()
        return answer[0]

    async def _tx_get(self, params: dict[str, Any], session: Session) -> Any:
        """What became of the transaction `txid`: unknown, pending, refused, expired, or final."""
        return self._find(_bytes(params, "txid", 32))

    async def _tx_place(self, params: dict[str, Any], session: Session) -> Any:
        """Only where the transaction stands: cheap enough to ask for thousands."""
        place = self._core.ledger.store.place_of(_bytes(params, "txid", 32))
        if place is None:
            return {"final": False}
        return {"final": True, "height": place.height, "index": place.index}

    async def _tx_wait(self, params: dict[str, Any], session: Session) -> Any:
        """As `tx.get`, once it is not pending or after `timeout_ms` (10 minutes at most)."""
        txid = _bytes(params, "txid", 32)
        timeout_ms = min(_integer(params, "timeout_ms", 30_000), MAX_WAIT_MS)
        with trio.move_on_after(timeout_ms / 1_000):
            while self._find(txid)["state"] == "pending":
                await self._waiters.setdefault(txid, trio.Event()).wait()
        return self._find(txid)

    def _find(self, txid: bytes) -> dict[str, Any]:
        core = self._core
        place = core.ledger.store.place_of(txid)
        if place is not None:
            full = core.ledger.store.block_at(place.height)
            if full is None:
                raise RpcError(-32000, f"block {place.height} is missing", "store")
            transaction = self._decode(full.raws[place.index], full.block.header.epoch)
            known = {
                "txid": txid.hex(),
                "state": "final",
                "height": place.height,
                "index": place.index,
                "block_time": full.block.header.timestamp,
                **_describe(transaction),
            }
            receipts = core.ledger.store.receipts_at(place.height)
            if not receipts:
                lowest = core.ledger.store.results_from()
                return known | {"reason": f"results below height {lowest} are not kept here"}
            outcome = of_transactions(receipts, len(full.raws))[place.index]
            return known | {
                "code": outcome.code,
                "code_name": name_of(outcome.code),
                "sentence": render(outcome.code, outcome.details),
                "details": to_json(outcome.details),
                "events": [[e.contract, e.name, to_json(e.data)] for e in outcome.events],
            }
        dropped = self._dropped.get(txid)
        if dropped is not None:
            return {"txid": txid.hex(), "state": dropped.code, "reason": dropped.reason}
        waiting = core.mempool.get_by_txid(txid)
        if waiting is not None:
            return {"txid": txid.hex(), "state": "pending", **_describe(waiting)}
        return {"txid": txid.hex(), "state": "unknown"}

    def _decode(self, raw: bytes, epoch: int) -> Transaction:
        """Decode a final transaction under the limits of its epoch, which may have changed."""
        validators = self._core.ledger.store.validator_set(epoch)
        if validators is None:
            raise RpcError(-32000, f"the validator set of epoch {epoch} is missing", "store")
        return Transaction.decode(raw, validators.parameters, self._genesis.chain_id)

    async def _log_get(self, params: dict[str, Any], session: Session) -> Any:
        """Changes of the rules, of members and of operators, the latest first."""
        store = self._core.ledger.store
        top = self._core.ledger.tip.header.height + 1
        before = _integer(params, "before", top)
        limit = min(_integer(params, "limit", 100), MAX_LOG)
        rows = []
        for height, place in store.changes_before(before, limit):
            full, receipts = store.block_at(height), store.receipts_at(height)
            if full is None or place >= len(receipts):
                continue
            index = place - len(receipts) + len(full.raws)
            sender = (
                "" if index < 0 else self._decode(full.raws[index], full.block.header.epoch).sender
            )
            rows += [
                {
                    "height": height,
                    "time": full.block.header.timestamp,
                    "txid": receipts[place].txid.hex(),
                    "sender": sender,
                    "contract": event.contract,
                    "name": event.name,
                    "data": to_json(event.data),
                }
                for event in receipts[place].events
                if event.contract in RULING
            ]
        return rows

    async def _events_range(self, params: dict[str, Any], session: Session) -> Any:
        """The activity of blocks above `after`, as many as fit an answer; `idle` ones on request.

        `to` is the last height looked at, `from` the lowest whose results are kept here, `height`
        the latest.
        """
        store, top = self._core.ledger.store, self._core.ledger.tip.header.height
        lowest, with_idle = store.results_from(), params.get("idle") is True
        height = max(_integer(params, "after", 0), lowest - 1)
        blocks: list[dict[str, Any]] = []
        last = min(top, height + activity.MAX_BLOCKS)
        room = activity.MAX_ROWS
        while height < last and room > 0:
            height += 1
            receipts = store.receipts_at(height)
            if not receipts and not with_idle:
                continue
            full = store.block_at(height)
            if full is None:
                raise RpcError(-32000, f"block {height} is missing", "store")
            header = full.block.header
            transactions = [self._decode(raw, header.epoch) for raw in full.raws]
            blocks.append(self._activity_of(header, transactions, receipts))
            room -= activity.size_of(blocks[-1])
        return {"from": lowest, "to": height, "height": top, "blocks": blocks}

    async def _receipt_get(self, params: dict[str, Any], session: Session) -> Any:
        """The proof that the transaction `txid` is final, as `muniment verify` reads it."""
        data = receipt.build(self._core.ledger.store, _bytes(params, "txid", 32))
        return {"receipt": data.hex()}

    async def _state_prove(self, params: dict[str, Any], session: Session) -> Any:
        """A proof of the state as it is now; waits until the next header, which holds the root."""
        key = _bytes(params, "key")
        ledger = self._core.ledger
        height = ledger.tip.header.height
        value, proof = ledger.state().get(key), ledger.prove_state(key)
        with trio.move_on_after(MAX_PROOF_WAIT_S):
            while ledger.tip.header.height <= height:
                await self._grown.wait()
        data = state_proof.build(ledger.store, height, key, value, proof)
        return {"proof": data.hex(), "height": height, "exists": value is not None}

    async def _evidence_list(self, params: dict[str, Any], session: Session) -> Any:
        """Validators that contradicted themselves, with both signed votes."""
        store, chain_id = self._core.ledger.store, self._genesis.chain_id
        return [
            {
                "epoch": kept.epoch,
                "validator": kept.validator,
                "voting_key": kept.voting_key.hex(),
                "verified": kept.is_valid(store, chain_id),
                "view": kept.evidence.first.statement.view,
                "votes": [
                    {
                        "kind": vote.statement.kind.name.lower(),
                        "digest": vote.statement.digest.hex(),
                        "parent_view": vote.statement.parent_view,
                        "signature": vote.signature.hex(),
                    }
                    for vote in (kept.evidence.first, kept.evidence.second)
                ],
            }
            for kept in kept_evidence(store)
        ]

    async def _state_query(self, params: dict[str, Any], session: Session) -> Any:
        """Ask `contract` its query `method` with the map `args`; byte strings are hexadecimal."""
        contract, method, args = (params.get(k) for k in ("contract", "method", "args"))
        if not isinstance(contract, str) or not isinstance(method, str):
            raise RpcError(INVALID_PARAMS, "contract and method must be text", "params")
        if not isinstance(args, dict | None):
            raise RpcError(INVALID_PARAMS, "args must be an object", "params")
        try:
            args = bytes_from_text(args or {})
        except ValueError:
            raise RpcError(INVALID_PARAMS, "hex: must precede hexadecimal", "params") from None
        ledger = self._core.ledger
        version = ledger.validators.parameters.version
        try:
            found = query(ledger.state(), version, contract, method, args, ledger.versions)
            return to_json(found)
        except QueryError as error:
            sentence = render(int(error.code), error.details)
            raise RpcError(INVALID_PARAMS, sentence, name_of(int(error.code))) from error

    async def _envelope_wait(self, params: dict[str, Any], session: Session) -> Any:
        """Wait until an envelope is here or erased, or the time is over; returns its state."""
        envelope = _bytes(params, "id", 32)
        timeout_ms = min(_integer(params, "timeout_ms", 30_000), MAX_WAIT_MS)
        courier = self._core.courier
        if courier is None:
            raise RpcError(INVALID_PARAMS, "this node keeps no envelopes", "not-found")
        with trio.move_on_after(timeout_ms / 1_000):
            while courier.state_of(envelope) == "missing":
                await self._waiters.setdefault(envelope, trio.Event()).wait()
        return {"id": envelope.hex(), "state": courier.state_of(envelope)}

    async def _subscribe(self, params: dict[str, Any], session: Session) -> Any:
        """Have notifications of `topics` sent from now on; returns all that are."""
        session.topics |= _topics(params)
        return sorted(session.topics)

    async def _unsubscribe(self, params: dict[str, Any], session: Session) -> Any:
        """Have no more of `topics`; returns what is left."""
        session.topics -= _topics(params)
        return sorted(session.topics)


def _topics(params: dict[str, Any]) -> set[str]:
    topics = params.get("topics")
    if not isinstance(topics, list) or not all(topic in TOPICS for topic in topics):
        message = f"topics must be a list of {', '.join(TOPICS)}"
        raise RpcError(INVALID_PARAMS, message, "params")
    return set(topics)


def _describe(transaction: Transaction) -> dict[str, Any]:
    return {
        "sender": transaction.sender,
        "calls": [f"{call.contract}.{call.method}" for call in transaction.calls],
        "timestamp": transaction.timestamp,
        "valid_until": transaction.valid_until,
    }


def _integer(params: dict[str, Any], name: str, default: int) -> int:
    value = params.get(name, default)
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise RpcError(INVALID_PARAMS, f"{name} must be a whole number", "params")
    return value


def _bytes(params: dict[str, Any], name: str, length: int | None = None) -> bytes:
    text = params.get(name)
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        value = None
    if value is None or (length is not None and len(value) != length):
        size = f" of {length} bytes" if length else ""
        raise RpcError(INVALID_PARAMS, f"{name} must be hexadecimal{size}", "params")
    return value

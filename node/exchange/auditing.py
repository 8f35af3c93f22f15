"""Audits over streams: the owner opens what the chain has drawn, a supervisor judges it.

The supervisor sends ["audit", delivery, b"", b"", false] on a stream of the service `delivery`; the
owner, which draws the sample by itself, answers

    ["map", salt, key of the masks, the request's sealed record or null]
    ["entries", a piece of the map]...
    ["rows", rows]    ["records", a run of records]...    ["end"]

or refuses, as a server of deliveries does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from consensus.codec import DecodeError, Value, encode, expect_bytes
from consensus.crypto import HASH_BYTES, sha256
from contracts.masks import Use
from node.data import vault
from node.data.chain import Chain, destroyed_rows
from node.data.commitment import Field
from node.data.keyring import Keyring
from node.data.vault import Version, column_names
from node.data.worker import Worker
from node.envelopes.content import MAX_CONTENT_BYTES, Content
from node.exchange import audit as rules
from node.exchange.audit import Agrees, AuditError, Finding, Subject
from node.exchange.authorise import OpenEnvelope
from node.exchange.filters import Filter
from node.exchange.linked import Opened
from node.exchange.prepared import Prepared
from node.exchange.rowmap import RowMap
from node.exchange.source import MASK_LIMITS, grant_key, masks_of, shape_of
from node.exchange.streams import DataSocket, Stream
from node.exchange.terms import TermsError, read_values
from node.exchange.tree import RecordTree
from node.exchange.watch import NotServedError
from node.home import Home

SERVICE = "delivery"
PIECE_BYTES = 1 << 20
PATIENCE_S = 300.0
"""For an owner that has to read what it opens."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Masked columns by name, and whether a mark may have moved their values."""

    masks: tuple[tuple[str, Use], ...]
    is_marked: bool


@contextmanager
def agreeing(plan: Plan, key: bytes) -> Iterator[Agrees]:
    """Run the masks again in a worker, which holds the grant's key and nothing else."""
    args: dict[str, Value] = {
        "names": [name for name, _ in plan.masks],
        "masks": [use.to_value() for _, use in plan.masks],
        "key": key, "marked": plan.is_marked,
    }  # fmt: skip
    with Worker("agree", args, MASK_LIMITS) as worker:
        frames = worker.frames()

        def agrees(before: list[list[Field]], after: list[list[Field]]) -> list[list[bool]]:
            worker.send([before, after])
            return next(frames)[1]  # type: ignore[no-any-return]

        yield agrees


def read_subject(chain: Chain, number: int, content: Content | None) -> tuple[Subject, Plan, bytes]:
    """Return what is audited, its masks, and the seed of the sample, as the chain has them.

    `content` is the request's sealed record. Raises NotServedError if nothing is drawn yet.
    """
    delivery = chain.query("deliveries", "get", {"delivery": number})
    found = None if delivery is None else delivery["audit"]
    if found is None or found["secret"] is None:
        raise NotServedError("not-drawn", f"no sample of delivery {number} is drawn")
    block = chain.digest_of(found["height"], 0)
    if block is None:
        raise NotServedError("not-drawn", f"block {found['height']} is not final, or not kept")
    grant = chain.query("access", "grant", {"grant": delivery["grant"]})
    place = {"dataset": delivery["dataset"], "version": delivery["version"]}
    registered = chain.query("catalogue", "get", place)
    named = grant["standard"]
    args = {"id": named[0], "version": named[1]}
    standard = chain.query("standards", "get", args)["standard"]
    fields = standard["fields"]
    shape = shape_of(grant, len(fields))
    subject = Subject(
        number, chain.chain_id, delivery["dataset"], delivery["version"], sha256(encode(standard)),
        len(fields), registered["rows"], bytes.fromhex(registered["commitment"]),
        bytes.fromhex(found["root"]), found["rows"], delivery["reserved"],
        bytes.fromhex(found["map"]), shape.exact, shape.masked,
        _filter_of(chain, grant, fields, content),
        len(destroyed_rows(chain.query, delivery["dataset"], delivery["version"])[1]),
        grant["subjects"] is not None,
        bool(grant["k"]),
    )  # fmt: skip
    columns = column_names(standard)
    masks = tuple((columns[index], use) for index, use in masks_of(grant))
    plan = Plan(masks, found["mark"] is not None)
    return subject, plan, rules.draw(block, bytes.fromhex(found["secret"]), number)


def _filter_of(
    chain: Chain, grant: dict[str, Any], fields: list[Any], content: Content | None
) -> Filter | None:
    """Return the grant's filter; its values are those that the chain's envelope commits to."""
    if not grant["filter"]:
        return None
    anchored = chain.query("envelopes", "get", {"id": bytes.fromhex(grant["envelope"])})
    if content is None or content.commitment.hex() != anchored["commitment"]:
        raise AuditError("the filter's values are not those that the request was sealed with")
    record = dict(zip(content.names, content.values, strict=True))
    try:
        return Filter(grant["filter"], read_values(record, len(grant["filter"])), fields)
    except TermsError as error:
        raise AuditError(error.message) from error


@dataclass(frozen=True, slots=True)
class Auditee:
    """The owner's side. `master` opens its vault."""

    home: Home
    chain: Chain
    master: bytes
    open_envelope: OpenEnvelope

    async def answer(self, stream: Stream, number: int) -> None:
        """Open a delivery's sample to a supervisor. Raises NotServedError, StreamError."""
        messages = await trio.to_thread.run_sync(self._open, number, stream.member)
        for message in messages:
            await stream.send(message)

    def _open(self, number: int, member: str) -> list[Value]:
        delivery = self.chain.query("deliveries", "get", {"delivery": number})
        record = self.chain.query("members", "get", {"name": member})
        parties = () if delivery is None else (delivery["recipient"], delivery["owner"])
        if (
            delivery is None
            or delivery["server"] != self.chain.member
            or "supervisor" not in record["roles"]
            or record["status"] != "active"
            or member in parties
        ):
            raise NotServedError("denied", f"{member} may not audit delivery {number} here")
        folder = self.home.prepared / str(number)
        if not (folder / "plan").exists():
            raise NotServedError("gone", f"what was prepared for delivery {number} is not here")
        grant = self.chain.query("access", "grant", {"grant": delivery["grant"]})
        content = None
        if grant["filter"]:
            content = self.open_envelope(bytes.fromhex(grant["envelope"]))
        return list(self._messages(number, grant, Prepared(folder, self.master), content))

    def _messages(
        self, number: int, grant: dict[str, Any], prepared: Prepared, content: Content | None
    ) -> Iterator[Value]:
        subject, _, seed = read_subject(self.chain, number, content)
        salt, entries = prepared.map()
        rows = RowMap.decode(entries, subject.records, prepared.rows)
        key = grant_key(self.master, self.chain.chain_id, grant["id"])
        yield ["map", salt, key, None if content is None else content.encode()]
        for at in range(0, len(entries), PIECE_BYTES):
            yield ["entries", entries[at : at + PIECE_BYTES]]
        wanted = rules.sample(seed, rows, prepared.rows)
        frozen = list(zip(wanted.rows, prepared.rows_at(wanted.rows), strict=True))
        yield ["rows", rules.open_rows(prepared.tree, [(i, r.salt, r.values) for i, r in frozen])]
        keyring = Keyring(self.home.vault, self.master)
        folder = vault.folder_of(self.home.vault, subject.dataset, subject.version)
        version = Version(folder, keyring)
        tree = RecordTree(version.hashes())
        places = {*wanted.omitted, *(row.place for _, row in frozen)}
        records = list(_records(version, places))
        for each in rules.open_records(subject, tree, records):
            yield ["records", each]
        yield ["end"]


def _records(version: Version, places: set[int]) -> Iterator[Opened]:
    """Yield the records at some places of the tree, sorted. NotServedError if one is erased."""
    everywhere = enumerate(version.places(1, version.head.rows), 1)
    for place, row in sorted((place, row) for row, place in everywhere if place in places):
        found = version.opened(row)
        if found is None:
            raise NotServedError("erased", "a record that was drawn has been erased since")
        yield Opened(place, *found)


@dataclass(slots=True)
class _Answer:
    """What an owner has sent so far."""

    salt: bytes = b""
    key: bytes = b""
    content: Content | None = None
    entries: bytearray = field(default_factory=bytearray)
    rows: Value = None
    records: list[Value] = field(default_factory=list)

    def take(self, message: Value, most: int) -> bool:
        """Take a message in; returns whether it was the last. Raises AuditError."""
        match message:
            case ["map", bytes(salt), bytes(key), content]:
                self.salt, self.key = salt, expect_bytes(key, "key", HASH_BYTES)
                if content is not None:
                    data = expect_bytes(content, "record", max_length=MAX_CONTENT_BYTES)
                    self.content = Content.decode(data)
            case ["entries", bytes(piece)] if len(self.entries) + len(piece) <= 4 * most:
                self.entries += piece
            case ["rows", rows]:
                self.rows = rows
            case ["records", bytes(run)] if len(self.records) < 2 * rules.SAMPLE:
                self.records.append(run)
            case ["end"]:
                return True
            case ["refused", str(code), str(sentence)]:
                raise NotServedError(code[:64], sentence[:300])
            case _:
                raise AuditError("the owner sent what is no answer to an audit")
        return False


@dataclass(frozen=True, slots=True)
class Auditor:
    """A supervisor's side; `chain` signs for it."""

    chain: Chain

    def waiting(self) -> list[int]:
        """Return deliveries that wait for an audit which this member may make."""
        found: list[int] = []
        after = 0
        while numbers := self.chain.query("deliveries", "audits", {"after": after}):
            after = numbers[-1]
            found += [number for number in numbers if self._may(number)]
        return found

    def _may(self, number: int) -> bool:
        delivery = self.chain.query("deliveries", "get", {"delivery": number})
        parties = (delivery["recipient"], delivery["owner"], delivery["server"])
        return self.chain.member not in parties

    async def audit(self, socket: DataSocket, number: int) -> Finding:
        """Ask the owner for a delivery's sample, and judge it. Faults of any kind are findings.

        Raises NotServedError or StreamError if the owner does not answer.
        """
        delivery = await trio.to_thread.run_sync(
            self.chain.query, "deliveries", "get", {"delivery": number}
        )
        place = {"dataset": delivery["dataset"], "version": delivery["version"]}
        registered = await trio.to_thread.run_sync(self.chain.query, "catalogue", "get", place)
        stream = await socket.open(delivery["server"], SERVICE)
        answer = _Answer()
        try:
            await stream.send(["audit", number, b"", b"", False])
            while not answer.take(await stream.receive(patience_s=PATIENCE_S), registered["rows"]):
                pass
            return await trio.to_thread.run_sync(self._judge, number, answer)
        except DecodeError as error:
            return Finding(0, (str(error),), {})
        finally:
            with trio.CancelScope(shield=True):
                await stream.end()

    def _judge(self, number: int, answer: _Answer) -> Finding:
        subject, plan, seed = read_subject(self.chain, number, answer.content)
        rows = rules.read_map(subject, answer.salt, answer.key, bytes(answer.entries))
        wanted = rules.sample(seed, rows, subject.rows)
        opened: tuple[Value, Value] = answer.rows, list(answer.records)
        with agreeing(plan, answer.key) as agrees:
            return rules.judge(subject, rows, wanted, opened, agrees)

    def report(self, number: int, finding: Finding) -> str:
        """Put the outcome on the chain; returns it."""
        outcome = "failed" if finding.faults else "passed"
        self._post(number, outcome, finding.checked, len(finding.faults))
        return outcome

    def report_silence(self, number: int, now_ms: int) -> bool:
        """Say on the chain that the owner does not answer, once it has had its time."""
        audit = self.chain.query("deliveries", "get", {"delivery": number})["audit"]
        patience_ms = self.chain.query("deliveries", "limits", {})["audit_ms"]
        if audit["outcome"] is not None or now_ms <= audit["time"] + patience_ms:
            return False
        self._post(number, "silent", 0, 0)
        return True

    def _post(self, number: int, outcome: str, checked: int, faults: int) -> None:
        args = {"delivery": number, "outcome": outcome, "checked": checked, "faults": faults}
        self.chain.submit("deliveries", "audit", args)

"""What is wrong with a chunk that its server has signed: shown by the recipient, found by anybody.

A finding stands against the server only where no honest one could have signed what is shown: the
recipient chooses what to show, and must not be able to make a fault out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_list
from consensus.crypto import sha256
from contracts.system.deliveries.header import START, Header, first, is_signed
from node.data import commitment
from node.data.chain import Query
from node.data.commitment import Field
from node.data.vault import column_names
from node.exchange import audited
from node.exchange.copies import Copy, Order
from node.exchange.linked import MAX_BODY_BYTES, Received, Shape, unpack
from node.exchange.piece import DisputeError, Earlier, Piece, Registered, Signed
from node.exchange.source import Masks, is_whole, masks_of, shape_of
from node.exchange.tree import RecordTree, root_of_proof
from node.exchange.unmasked import PlainFinder


@dataclass(frozen=True, slots=True)
class Terms:
    """What the chain says of a disputed delivery.

    `audit` is what its server committed to in audited mode: the root over `total` rows, if it did.
    """

    chain_id: bytes
    delivery: int
    server: str
    server_key: bytes
    is_table: bool
    by_subject: bool
    dataset: str
    version: int
    rows: int
    reserved: int
    commitment: bytes
    standard: bytes
    columns: tuple[str, ...]
    shape: Shape
    masks: Masks
    is_audited: bool
    is_replaced: bool
    root: bytes
    total: int

    @classmethod
    def load(cls, chain_id: bytes, query: Query, number: int) -> Terms:
        """`query` is that of the own node. Raises DisputeError."""
        found = query("deliveries", "get", {"delivery": number})
        if found is None:
            raise DisputeError(f"there is no delivery {number}")
        grant = query("access", "grant", {"grant": found["grant"]})
        dataset, version = found["dataset"], found["version"]
        registered = query("catalogue", "get", {"dataset": dataset, "version": version})
        server = query("members", "get", {"name": found["server"]})
        named = {"id": grant["standard"][0], "version": grant["standard"][1]}
        standard = query("standards", "get", named)["standard"]
        columns, audit = column_names(standard), found["audit"] or {"root": "", "rows": 0}
        return cls(
            chain_id, number, found["server"], bytes.fromhex(found["server_key"]),
            found["kind"] == "table", grant["subjects"] is not None,
            dataset, version, registered["rows"], found["reserved"],
            bytes.fromhex(registered["commitment"]), sha256(encode(standard)), columns,
            shape_of(grant, len(columns)), () if grant["watermark"] else masks_of(grant),
            grant["mode"] == "audited", server["node_key"] != found["server_key"],
            bytes.fromhex(audit["root"]), audit["rows"],
        )  # fmt: skip

    def is_signed(self, signed: Signed) -> bool:
        return is_signed(signed.header, self.server_key, self.chain_id, signed.signature)

    def is_root(self, root: bytes) -> bool:
        """Whether the version's registration commits to the tree with this root."""
        made = commitment.commitment(
            self.chain_id, self.dataset, self.version, self.standard, self.rows, root
        )
        return made == self.commitment

    def unpack(self, body: bytes) -> Received:
        """Raises DecodeError. The body of a look-up's answer is [key, chunk]."""
        if not self.is_table:
            _, chunk = expect_list(decode(body, max_bytes=MAX_BODY_BYTES), "answer", 2)
            body = expect_bytes(chunk, "chunk", max_length=MAX_BODY_BYTES)
        return unpack(self.shape, body)

    def columns_of(self, body: bytes) -> tuple[list[Field], ...]:
        """Return the delivered columns of a chunk in either mode. Raises DecodeError."""
        if self.is_audited:
            return audited.unpack(len(self.shape.delivered), body).columns
        return self.unpack(body).columns


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence, and whether it stands against the server."""

    code: str
    says: str
    is_fault: bool = True


def examine(piece: Piece, terms: Terms) -> list[Finding]:
    """Return what is found, at least one. Raises WorkerError."""
    if not terms.is_signed(piece.signed):
        return [Finding("unsigned", f"the header is not signed by {terms.server}", False)]
    try:
        header = Header.decode(piece.signed.header)
    except DecodeError as error:
        return [Finding("no-header", f"{terms.server} signed what is no header: {error}")]
    if header.delivery != terms.delivery:
        return [Finding("elsewhere", "the header is that of another delivery", False)]
    found = list(_beyond(header, terms))
    found += _in_body(piece, header, terms)
    if found and terms.is_replaced:
        said = f"{terms.server} has another node key now: whoever had the old one could sign this"
        found.append(Finding("replaced-key", said, False))
    return found or [Finding("nothing", "the chunk is what was agreed on and registered", False)]


def _beyond(header: Header, terms: Terms) -> Iterator[Finding]:
    """What the header tells by itself."""
    if header.rows > terms.reserved:
        yield Finding("too-many", f"{header.rows} rows, where {terms.reserved} were reserved")
    if not terms.is_table or terms.is_audited:
        return
    if header.position > terms.rows:
        yield Finding("no-record", f"{header.position} records of {terms.rows} gone through")
    if header.is_last and header.position < terms.rows and header.rows < terms.reserved:
        yield Finding(
            "too-few",
            f"signed as the last chunk after {header.position} of {terms.rows} records and "
            f"{header.rows} of {terms.reserved} rows",
        )


def _in_body(piece: Piece, header: Header, terms: Terms) -> Iterator[Finding]:
    before = _decoded(piece.before, terms)
    if piece.before.header and before is None:
        yield Finding("unbound", "the header before is not one that the server signed", False)
        return
    digest = START if before is None else before.digest
    if sha256(digest + sha256(piece.body)) != header.digest:
        yield Finding("unbound", "the body is not what the header before and this one sign", False)
        return
    if header.is_last and not (terms.is_table or piece.body):
        return  # the end of a session of look-ups
    last = first(terms.delivery) if before is None else before
    try:
        if terms.is_audited:
            committed = audited.unpack(len(terms.shape.delivered), piece.body)
            came, columns = committed.rows, committed.columns
            yield from _uncommitted(committed, last, header, terms)
        else:
            received = terms.unpack(piece.body)
            came, columns = received.rows if terms.is_table else 1, received.columns
            yield from _unregistered(piece.registered, received, terms)
            if piece.earlier is not None:
                yield from _twice(piece.earlier, digest, received, terms)
    except DecodeError as error:
        yield Finding("unreadable", f"the chunk is not in the form that was agreed: {error}")
        return
    number, rows = last.number, last.rows
    if (header.number, header.rows) != (number + 1, rows + came):
        yield Finding(
            "miscounted", f"{came} rows follow {rows}, and the header says {header.rows}; "
            f"it is number {header.number} after {number}")  # fmt: skip
    yield from _plain(columns, terms)


def _decoded(signed: Signed, terms: Terms) -> Header | None:
    try:
        found = Header.decode(signed.header)
    except DecodeError:
        return None
    return found if terms.is_signed(signed) and found.delivery == terms.delivery else None


def _unregistered(shown: Registered | None, received: Received, terms: Terms) -> Iterator[Finding]:
    records = received.records
    beyond = sorted(place for place in records if place >= terms.rows)
    if beyond:
        yield Finding("no-record", f"place {beyond[0]} is beyond the {terms.rows} records")
    elif terms.is_table and is_whole(terms.reserved, terms.rows, terms.by_subject):
        if shown is None or shown.place not in records:
            return
        if terms.is_root(_root({shown.place: shown.record}, terms.rows, shown.path)):
            if records[shown.place] != shown.record:
                yield Finding(
                    "other-record", f"the record at place {shown.place} is not the registered one"
                )
        else:
            yield Finding("unproved", "what should be registered there is not shown", False)
    elif records and not terms.is_root(_root(records, terms.rows, received.proof or [])):
        yield Finding(
            "other-record", "the records are not those registered as "
            f"{terms.dataset} version {terms.version}")  # fmt: skip


def _uncommitted(
    received: audited.Received, last: Header, header: Header, terms: Terms
) -> Iterator[Finding]:
    """Rows of audited mode, which stand under the root that the server put on the chain."""
    end = last.position + len(received.leaves)
    if header.position != end or header.is_last != (end == terms.total):
        yield Finding("too-few", f"signed for rows to {header.position} of {terms.total}, where "
                      f"{len(received.leaves)} follow {last.position}")  # fmt: skip
    leaves = dict(enumerate(received.leaves, last.position))
    if leaves and _root(leaves, terms.total, received.proof) != terms.root:
        yield Finding("other-record", "the rows are not those that the server committed to")


def _root(records: dict[int, bytes], count: int, path: Sequence[bytes]) -> bytes:
    """Return the root that is proved; of no proof nothing that could be registered."""
    try:
        return root_of_proof(records, count, path)
    except DecodeError:
        return b""


def _twice(earlier: Earlier, digest: bytes, received: Received, terms: Terms) -> Iterator[Finding]:
    """A record that came in two chunks of one chain of bodies."""
    other = _decoded(earlier.signed, terms)
    running = sha256(earlier.before + sha256(earlier.body))
    if other is None or other.digest != running:
        return
    for link in earlier.links:
        running = sha256(running + link)
    if running != digest:
        return
    try:
        same = terms.unpack(earlier.body).records.keys() & received.records.keys()
    except DecodeError:
        return  # it was taken without complaint
    if same:
        yield Finding("twice", f"the record at place {min(same)} was sent before")


def _plain(columns: tuple[list[Field], ...], terms: Terms) -> Iterator[Finding]:
    if not terms.masks or not columns[0]:
        return
    finder = PlainFinder(terms.masks)
    try:
        masked = [columns[terms.shape.delivered.index(index)] for index, _ in terms.masks]
        for index, rows in finder.find(masked):
            mask = next(use for field, use in terms.masks if field == index)
            yield Finding(
                "unmasked", f"{terms.columns[index]} is shown in {len(rows)} of {len(columns[0])} "
                f"rows as {mask} cannot have made it")  # fmt: skip
    finally:
        finder.stop()


def gather(copy: Copy, row: int = 0, why: str = "") -> Piece:
    """Return the piece for the chunk that was refused, or that row `row`, from 1, came with.

    Raises DisputeError.
    """
    kept = list(copy.pieces())
    if row:
        at = next((n for n, p in enumerate(kept) if Header.decode(p.header).rows >= row), None)
        if at is None:
            raise DisputeError(f"row {row} did not come with this delivery")
        signed, body = Signed(kept[at].header, kept[at].server), kept[at].body
    else:
        refused = copy.refused()
        if refused is None:
            raise DisputeError(
                "nothing of this delivery was refused; name a row that is wrong with --row"
            )
        signed, body, at = Signed(refused[0], refused[1]), refused[2], _place(refused[0], kept)
        why = why or refused[3]
    before = Signed(kept[at - 1].header, kept[at - 1].server) if at else Signed()
    registered = earlier = None
    if copy.order.mode == "linked":
        with suppress(DecodeError):  # this is what is wrong with it, or it is a look-up's answer
            received = unpack(copy.order.shape, body)
            registered = _registered(copy.order, copy.tree(), received)
            earlier = _earlier(copy, at, received)
    return Piece(before, signed, body, registered, earlier, row, why)


def _place(header: bytes, kept: Sequence[Any]) -> int:
    """Where the chunk with a header would stand among those kept: by its number, else the end."""
    try:
        number = Header.decode(header).number
    except DecodeError:
        number = 0
    return number - 1 if 0 < number <= len(kept) else len(kept)


def _registered(order: Order, hashes: bytes | None, received: Received) -> Registered | None:
    """The first record that is another than the registered one, where the list of all came."""
    if hashes is None:
        return None
    tree = RecordTree(hashes)
    for place, record in sorted(received.records.items()):
        if place < order.rows and tree[place] != record:
            return Registered(place, tree[place], tuple(tree.proof([place])))
    return None


def _earlier(copy: Copy, at: int, received: Received) -> Earlier | None:
    """The first chunk before that holds a record of this one."""
    before, links, found = START, [], None
    for number in range(at):
        piece = copy.piece(number)
        if found is not None:
            links.append(sha256(piece.body))
        elif unpack(copy.order.shape, piece.body).records.keys() & received.records.keys():
            found = before, Signed(piece.header, piece.server), piece.body
        before = Header.decode(piece.header).digest
    return None if found is None else Earlier(*found, tuple(links))

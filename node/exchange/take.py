"""Verifies a delivery's chunks as they come and keeps them, before they are signed for."""

from __future__ import annotations

from typing import Protocol

from consensus import merkle
from consensus.codec import DecodeError
from consensus.crypto import HASH_BYTES, Kind, Signer
from contracts.system.deliveries.header import Header, is_signed
from node.data import commitment
from node.data.commitment import Field
from node.exchange import audited, linked
from node.exchange.copies import Copy, Piece, WrongDataError
from node.exchange.source import Masks, is_whole
from node.exchange.tree import root_of_proof
from node.exchange.unmasked import PlainFinder

Columns = tuple[list[Field], ...]
SAMPLE = 32
"""Rows of a chunk whose masked values are looked at; who masks nothing is caught by the first."""


class _Proof(Protocol):
    """How the chunks of one mode are proved. `take` returns the columns that a chunk shows."""

    def take(self, last: Header, found: Header, body: bytes) -> Columns: ...

    def take_tree(self, piece: bytes) -> None: ...

    @property
    def has_tree(self) -> bool: ...


class Taker:
    """Takes one delivery's chunks under the grant's masks; for one thread at a time.

    `close` it in the end.
    """

    def __init__(self, copy: Copy, chain_id: bytes, masks: Masks = ()) -> None:
        self._copy, self._chain_id = copy, chain_id
        self._finder = PlainFinder(masks) if masks else None
        self._signer = Signer(copy.order.seed)
        self._proof: _Proof = (
            _Audited(copy) if copy.order.mode == "audited" else _Linked(copy, chain_id)
        )
        self.last = copy.last

    def close(self) -> None:
        if self._finder is not None:
            self._finder.stop()

    @property
    def has_tree(self) -> bool:
        return self._proof.has_tree

    def take_tree(self, piece: bytes) -> None:
        """Collect the record hashes; when all are there they must be those registered."""
        self._proof.take_tree(piece)

    def take(self, header: bytes, signature: bytes, body: bytes) -> tuple[int, bytes]:
        """Verify a chunk, keep it, then sign; returns its number and the signature.

        A chunk that is refused is kept too, for a dispute.
        """
        try:
            found = self._verify(header, signature, body)
        except WrongDataError as error:
            self._copy.refuse(header, signature, body, error.message)
            raise
        mine = self._signer.sign(Kind.DELIVERY, self._chain_id, header)
        self._copy.append(Piece(header, signature, mine, body))
        self.last = found
        return found.number, mine

    def _verify(self, header: bytes, signature: bytes, body: bytes) -> Header:
        order = self._copy.order
        if not is_signed(header, order.server_key, self._chain_id, signature):
            raise WrongDataError(f"{order.server} sent a header that it did not sign")
        try:
            found = Header.decode(header)
            columns = self._proof.take(self.last, found, body)
        except DecodeError as error:
            raise WrongDataError(
                f"{order.server} sent a chunk that cannot be read: {error}"
            ) from error
        rows = len(columns[0]) if columns else 0
        wanted = self.last.next(body, rows, found.position, is_last=found.is_last)
        if found != wanted or found.rows > order.reserved:
            raise WrongDataError(f"{order.server} signed a header that does not follow the last")
        self._look(columns, rows)
        return found

    def _look(self, columns: Columns, rows: int) -> None:
        """Look at some masked values: an owner that has masked nothing is not signed for."""
        if self._finder is None or not rows:
            return
        order = self._copy.order
        masked = [order.shape.delivered.index(index) for index in order.masked]
        step = -(-rows // SAMPLE)
        for index, _ in self._finder.find([columns[at][::step] for at in masked]):
            raise WrongDataError(f"{order.server} sent {order.columns[index]} without its mask")


class _Linked:
    """Each record must stand at its place in the registered tree, and be new."""

    def __init__(self, copy: Copy, chain_id: bytes) -> None:
        self._copy, self._chain_id = copy, chain_id
        order = self._order = copy.order
        self._shape = order.shape
        self._hashes = copy.tree() or b""
        self._is_whole = is_whole(order.reserved, order.rows, order.by_subject)
        self._seen = bytearray(-(-order.rows // 8))
        for piece in copy.pieces():
            self._mark(linked.unpack(self._shape, piece.body))

    @property
    def has_tree(self) -> bool:
        return len(self._hashes) == HASH_BYTES * self._order.rows

    def take_tree(self, piece: bytes) -> None:
        order = self._order
        if not self._is_whole or len(self._hashes) + len(piece) > HASH_BYTES * order.rows:
            raise WrongDataError(f"{order.server} sent too many record hashes")
        self._hashes += piece
        if not self.has_tree:
            return
        hashes = self._hashes
        found = (hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
        order.require_registered(self._chain_id, commitment.root(found))
        self._copy.keep_tree(hashes)

    def take(self, last: Header, found: Header, body: bytes) -> Columns:
        order, received = self._order, linked.unpack(self._shape, body)
        rows = received.rows
        if not last.position + rows <= found.position <= order.rows:
            raise WrongDataError(f"{order.server} signed a header that does not follow the last")
        ends = found.position == order.rows or found.rows == order.reserved
        if (found.is_last and not ends) or not (rows or found.is_last):
            raise WrongDataError(f"{order.server} ends the delivery before all rows are out")
        self._check(received)
        self._mark(received)
        return received.columns

    def _check(self, received: linked.Received) -> None:
        records, order = received.records, self._order
        for place, record in records.items():
            if place >= order.rows or self._seen[place >> 3] >> (place & 7) & 1:
                raise WrongDataError(f"{order.server} sent a record twice, or one that is none")
            at = HASH_BYTES * place
            if self._is_whole and self._hashes[at : at + HASH_BYTES] != record:
                raise WrongDataError(
                    f"{order.server} sent a record that is not the registered one (place {place})"
                )
        if self._is_whole and not self.has_tree:
            raise WrongDataError(f"{order.server} sent records before their hashes")
        if not self._is_whole and records:
            try:
                root = root_of_proof(records, order.rows, received.proof or [])
            except DecodeError as error:
                raise WrongDataError(f"{order.server} sent no proof: {error}") from error
            order.require_registered(self._chain_id, root)

    def _mark(self, received: linked.Received) -> None:
        for place in received.records:
            self._seen[place >> 3] |= 1 << (place & 7)


class _Audited:
    """Each row must stand under the delivery's root, in order and without a gap."""

    has_tree = False

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    def take_tree(self, piece: bytes) -> None:
        raise WrongDataError(f"{self._copy.order.server} sent record hashes in audited mode")

    def take(self, last: Header, found: Header, body: bytes) -> Columns:
        order = self._copy.order
        if not order.root:
            raise WrongDataError(f"{order.server} sent rows before their root stood on the chain")
        received = audited.unpack(len(order.shape.delivered), body)
        end = last.position + len(received.leaves)
        if found.position != end or found.is_last != (end == order.total):
            raise WrongDataError(f"{order.server} ends the delivery before all rows are out")
        leaves = dict(enumerate(received.leaves, last.position))
        root = root_of_proof(leaves, order.total, received.proof) if leaves else merkle.EMPTY_ROOT
        if root != order.root or not (leaves or found.is_last):
            raise WrongDataError(f"{order.server} sent rows that are not those it committed to")
        return received.columns

"""What validators say to each other: votes, certificates, proposals, and questions about views.

The signed statements follow Simplex (Chan and Pass, "Simplex Consensus", 2023): `notarize` and
`finalize` bind (epoch, view, parent view, digest), `nullify` binds (epoch, view). A proposal is
its leader's notarize vote with the block beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.block import Block
from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import HASH_BYTES, SIGNATURE_BYTES, Kind, Signer, verify
from consensus.validators import MAX_VALIDATORS, ValidatorSet

MAX_VIEW = 1 << 48
MAX_QUESTION_VIEWS = 64
VOTE_KINDS = (Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE)


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed. For nullify the parent view is 0 and the digest empty."""

    kind: Kind
    epoch: int
    view: int
    parent_view: int
    digest: bytes

    @property
    def encoded(self) -> bytes:
        if self.kind is Kind.NULLIFY:
            return encode([self.epoch, self.view])
        return encode([self.epoch, self.view, self.parent_view, self.digest])

    def to_value(self) -> list[Value]:
        return [int(self.kind), self.epoch, self.view, self.parent_view, self.digest]

    @classmethod
    def from_value(cls, value: Value) -> Statement:
        kind, epoch, view, parent_view, digest = expect_list(value, "statement", 5)
        if kind not in VOTE_KINDS:
            raise DecodeError("statement is not notarize, nullify or finalize")
        statement = cls(
            Kind(expect_int(kind, "statement kind")),
            expect_int(epoch, "epoch"),
            expect_int(view, "view", 1, MAX_VIEW),
            expect_int(parent_view, "parent view", 0, MAX_VIEW),
            expect_bytes(digest, "digest", max_length=HASH_BYTES),
        )
        if statement.kind is Kind.NULLIFY:
            if statement.parent_view or statement.digest:
                raise DecodeError("nullify names a parent or a digest")
        elif statement.parent_view >= statement.view or len(statement.digest) != HASH_BYTES:
            raise DecodeError("statement's parent view or digest is impossible")
        return statement


def nullify(epoch: int, view: int) -> Statement:
    """Return the statement that `view` is skipped."""
    return Statement(Kind.NULLIFY, epoch, view, 0, b"")


@dataclass(frozen=True, slots=True)
class Vote:
    """A statement signed by the validator with index `signer` in its epoch's set."""

    statement: Statement
    signer: int
    signature: bytes

    @classmethod
    def create(cls, statement: Statement, index: int, signer: Signer, chain_id: bytes) -> Vote:
        return cls(statement, index, signer.sign(statement.kind, chain_id, statement.encoded))

    def is_valid(self, chain_id: bytes, validators: ValidatorSet) -> bool:
        if self.signer >= len(validators.validators):
            return False
        key = validators.validators[self.signer].key
        statement = self.statement
        return verify(key, statement.kind, chain_id, statement.encoded, self.signature)

    def to_value(self) -> Value:
        return [self.statement.to_value(), self.signer, self.signature]

    @classmethod
    def from_value(cls, value: Value) -> Vote:
        statement, signer, signature = expect_list(value, "vote", 3)
        return cls(
            Statement.from_value(statement),
            expect_int(signer, "signer", 0, MAX_VALIDATORS - 1),
            expect_bytes(signature, "signature", SIGNATURE_BYTES),
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum's signatures on one statement, in ascending order of signer index."""

    statement: Statement
    signers: tuple[int, ...]
    signatures: tuple[bytes, ...]

    @classmethod
    def create(cls, votes: Iterable[Vote]) -> Certificate:
        """Assemble votes on the same statement by distinct signers."""
        ordered = sorted(votes, key=lambda vote: vote.signer)
        return cls(
            ordered[0].statement,
            tuple(vote.signer for vote in ordered),
            tuple(vote.signature for vote in ordered),
        )

    def is_valid(self, chain_id: bytes, validators: ValidatorSet) -> bool:
        """Tell whether a quorum signed; that signers are distinct is ensured on decoding."""
        if len(self.signers) < validators.quorum:
            return False
        return all(
            Vote(self.statement, signer, signature).is_valid(chain_id, validators)
            for signer, signature in zip(self.signers, self.signatures, strict=True)
        )

    @property
    def votes(self) -> tuple[Vote, ...]:
        pairs = zip(self.signers, self.signatures, strict=True)
        return tuple(Vote(self.statement, signer, signature) for signer, signature in pairs)

    def to_value(self) -> Value:
        bitmap = bytearray((self.signers[-1] >> 3) + 1)
        for signer in self.signers:
            bitmap[signer >> 3] |= 1 << (signer & 7)
        return [self.statement.to_value(), bytes(bitmap), b"".join(self.signatures)]

    @classmethod
    def from_value(cls, value: Value) -> Certificate:
        statement, bits, joined = expect_list(value, "certificate", 3)
        bitmap = expect_bytes(bits, "signer bitmap", max_length=MAX_VALIDATORS // 8)
        signatures = expect_bytes(joined, "signatures", max_length=MAX_VALIDATORS * SIGNATURE_BYTES)
        signers = tuple(i for i in range(8 * len(bitmap)) if bitmap[i >> 3] >> (i & 7) & 1)
        if not bitmap or bitmap[-1] == 0 or len(signatures) != SIGNATURE_BYTES * len(signers):
            raise DecodeError("certificate's bitmap and signatures do not agree")
        parts = (signatures[i : i + SIGNATURE_BYTES] for i in range(0, len(signatures), 64))
        return cls(Statement.from_value(statement), signers, tuple(parts))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A leader's notarize vote, the block it is for, and the parent's notarization.

    The certificate spares followers a question when they left the parent's view by another
    certificate; it is None for a parent at view 0, which needs none.
    """

    vote: Vote
    block: Block
    justification: Certificate | None

    def to_value(self) -> Value:
        proof = None if self.justification is None else self.justification.to_value()
        return [self.vote.to_value(), self.block.to_value(), proof]

    @classmethod
    def from_value(cls, value: Value) -> Proposal:
        vote, block, proof = expect_list(value, "proposal", 3)
        proposal = cls(
            Vote.from_value(vote),
            Block.from_value(block),
            None if proof is None else Certificate.from_value(proof),
        )
        statement = proposal.vote.statement
        if statement.kind is not Kind.NOTARIZE or statement.digest != proposal.block.digest:
            raise DecodeError("proposal's vote is not a notarize for its block")
        return proposal


@dataclass(frozen=True, slots=True)
class Question:
    """Asks a peer for its certificates of `views` of an epoch, sorted; answered with Certificates.

    With `report`, also asks for the view the peer is in: its answer is a ViewReport.
    """

    epoch: int
    views: tuple[int, ...]
    report: bool = False

    def to_value(self) -> Value:
        return [self.epoch, list(self.views), self.report]

    @classmethod
    def from_value(cls, value: Value) -> Question:
        epoch, views, report = expect_list(value, "question", 3)
        rows = expect_list(views, "views", max_length=MAX_QUESTION_VIEWS)
        if type(report) is not bool:
            raise DecodeError("report must be true or false")
        return cls(
            expect_int(epoch, "epoch"),
            tuple(expect_int(view, "view", 0, MAX_VIEW) for view in rows),
            report,
        )


@dataclass(frozen=True, slots=True)
class ViewReport:
    """The view that a validator is in and the certificate that admitted it (None: view 1)."""

    epoch: int
    view: int
    admission: Certificate | None

    def to_value(self) -> Value:
        proof = None if self.admission is None else self.admission.to_value()
        return [self.epoch, self.view, proof]

    @classmethod
    def from_value(cls, value: Value) -> ViewReport:
        epoch, view, proof = expect_list(value, "view report", 3)
        report = cls(
            expect_int(epoch, "epoch"),
            expect_int(view, "view", 1, MAX_VIEW),
            None if proof is None else Certificate.from_value(proof),
        )
        if (report.admission is None) != (report.view == 1):
            raise DecodeError("view report lacks the certificate that admits to its view")
        if report.admission is not None:
            statement = report.admission.statement
            if (statement.epoch, statement.view) != (report.epoch, report.view - 1):
                raise DecodeError("view report's certificate is of another view")
        return report


Message = Vote | Certificate | Proposal | Question | ViewReport

_TYPES: dict[int, type[Message]] = {
    1: Vote,
    2: Certificate,
    3: Proposal,
    4: Question,
    5: ViewReport,
}
_TAGS = {cls: tag for tag, cls in _TYPES.items()}


def encode_message(message: Message) -> bytes:
    """Return the message's bytes, as sent and as kept in the journal."""
    return encode([_TAGS[type(message)], message.to_value()])


def decode_message(data: bytes) -> Message:
    """Raises DecodeError on anything that is not one well-formed message."""
    tag, body = expect_list(decode(data), "message", 2)
    kind = _TYPES.get(expect_int(tag, "message type"))
    if kind is None:
        raise DecodeError("unknown message type")
    return kind.from_value(body)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two votes of one key that no honest validator casts together."""

    first: Vote
    second: Vote

    def is_valid(self, chain_id: bytes, validators: ValidatorSet) -> bool:
        return is_conflict(self.first, self.second) and all(
            vote.is_valid(chain_id, validators) for vote in (self.first, self.second)
        )

    def is_signed_by(self, chain_id: bytes, key: bytes) -> bool:
        """Tell whether `key` signed both votes, whatever its index in a set was."""
        return is_conflict(self.first, self.second) and all(
            verify(key, vote.statement.kind, chain_id, vote.statement.encoded, vote.signature)
            for vote in (self.first, self.second)
        )

    def to_value(self) -> Value:
        return [self.first.to_value(), self.second.to_value()]

    @classmethod
    def from_value(cls, value: Value) -> Evidence:
        first, second = expect_list(value, "evidence", 2)
        return cls(Vote.from_value(first), Vote.from_value(second))


def is_conflict(first: Vote, second: Vote) -> bool:
    """Tell whether one signer contradicts itself within one view.

    That is: two different notarize votes (two proposals among them), two different finalize
    votes, or nullify beside finalize. Notarize then nullify is legal.
    """
    a, b = first.statement, second.statement
    if first.signer != second.signer or (a.epoch, a.view) != (b.epoch, b.view):
        return False
    if a.kind is b.kind:
        return a != b
    return {a.kind, b.kind} == {Kind.NULLIFY, Kind.FINALIZE}

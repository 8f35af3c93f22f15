"""The transaction envelope: who asks for which calls, until when, signed once."""

from __future__ import annotations

from typing import NamedTuple

import cbor2

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from consensus.crypto import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Kind, Signer, sha256, verify
from consensus.validators import MAX_NAME_BYTES, Parameters

NONCE_BYTES = 16
MAX_CONTRACT_NAME_BYTES = 64
MAX_METHOD_NAME_BYTES = 64
MAX_SENDER_BYTES = 2 * MAX_NAME_BYTES + 1
_TAIL_BYTES = 2 + SIGNATURE_BYTES  # the signature's CBOR head (0x58 0x40) and the signature
_PAIR_HEAD = 0x82
_TAG = Kind.TRANSACTION.to_bytes(1, "big")


class Call(NamedTuple):
    """One method call; `args` is a map as the codec allows it."""

    contract: str
    method: str
    args: dict[str, Value]


class Transaction(NamedTuple):
    """A signed list of calls that take effect together or not at all.

    `txid` is the hash of what is signed (replay, display); `wid` the hash of all bytes (gossip,
    blocks): one message can carry two valid signatures. `sender` is MEMBER, or MEMBER/OPERATOR.
    `valid_until` is a height, `timestamp` is the sender's clock in ms UTC.
    """

    sender: str
    key: bytes
    nonce: bytes
    valid_until: int
    timestamp: int
    call_count: int
    decoded: tuple[Call, ...] | None
    signature: bytes
    raw: bytes
    txid: bytes
    wid: bytes

    @classmethod
    def create(
        cls,
        signer: Signer,
        chain_id: bytes,
        sender: str,
        nonce: bytes,
        valid_until: int,
        timestamp: int,
        calls: tuple[Call, ...],
    ) -> Transaction:
        """Sign `calls`. `nonce` is NONCE_BYTES random bytes.

        The transaction is the one that `decode` returns, so its arguments are in canonical order.
        """
        rows: list[Value] = [[call.contract, call.method, call.args] for call in calls]
        encoded_calls = encode(rows)
        ordered = expect_list(decode(encoded_calls), "calls")
        head = encode([sender, signer.public_key, nonce, valid_until, timestamp, []])
        signed = head[:-1] + encoded_calls
        signature = signer.sign(Kind.TRANSACTION, chain_id, signed)
        raw = bytes((_PAIR_HEAD,)) + signed + encode(signature)
        txid = sha256(_TAG + chain_id + signed)
        return cls(
            sender,
            signer.public_key,
            nonce,
            valid_until,
            timestamp,
            len(calls),
            tuple(_decode_call(call) for call in ordered),
            signature,
            raw,
            txid,
            sha256(raw),
        )

    @classmethod
    def decode(cls, raw: bytes, parameters: Parameters, chain_id: bytes) -> Transaction:
        """Raises DecodeError. The signature is not checked: see `is_signed`."""
        value = decode(raw, max_bytes=parameters.max_transaction_bytes)
        signed, signature = expect_list(value, "transaction", 2)
        expect_bytes(signature, "signature", SIGNATURE_BYTES)
        row = expect_list(signed, "signed part", 6)
        calls = expect_list(row[5], "calls", max_length=parameters.max_calls)
        if not calls:
            raise DecodeError("calls must be at least one")
        return cls(
            expect_text(row[0], "sender", MAX_SENDER_BYTES),
            expect_bytes(row[1], "key", PUBLIC_KEY_BYTES),
            expect_bytes(row[2], "nonce", NONCE_BYTES),
            expect_int(row[3], "valid_until"),
            expect_int(row[4], "timestamp"),
            len(calls),
            tuple(_decode_call(call) for call in calls),
            raw[-SIGNATURE_BYTES:],
            raw,
            # Canonical bytes, so the signed part is what stands before the signature.
            sha256(_TAG + chain_id + raw[1:-_TAIL_BYTES]),
            sha256(raw),
        )

    @property
    def calls(self) -> tuple[Call, ...]:
        if self.decoded is not None:
            return self.decoded
        signed, _ = cbor2.loads(self.raw)  # bytes that have been decoded before
        return tuple(map(Call._make, signed[5]))

    def without_calls(self) -> Transaction:
        """The same in a tenth of the memory: its calls are decoded whenever they are needed."""
        return self._replace(decoded=None)

    @property
    def member(self) -> str:
        """The member in whose name it is sent."""
        return self.sender.partition("/")[0]

    def is_signed(self, chain_id: bytes) -> bool:
        """Whether the signature is valid for this chain under the key that it names."""
        signed = self.raw[1:-_TAIL_BYTES]
        return verify(self.key, Kind.TRANSACTION, chain_id, signed, self.signature)


def _decode_call(value: Value) -> Call:
    contract, method, args = expect_list(value, "call", 3)
    if type(args) is not dict:
        raise DecodeError("args must be a map")
    return Call(
        expect_text(contract, "contract", MAX_CONTRACT_NAME_BYTES),
        expect_text(method, "method", MAX_METHOD_NAME_BYTES),
        args,
    )

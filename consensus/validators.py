"""The parameters and the validator set in force during one epoch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from consensus.codec import (
    DecodeError,
    Value,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_map,
    expect_text,
)
from consensus.crypto import PUBLIC_KEY_BYTES, sha256

MAX_VALIDATORS = 256
MAX_NAME_BYTES = 32
BYZANTINE = "byzantine"
CRASH = "crash"
FAULT_MODELS = (BYZANTINE, CRASH)

_BOUNDS: dict[str, tuple[int, int]] = {
    "version": (1, 1 << 16),
    "epoch_length": (4, 1_000_000),
    "delta_ms": (10, 60_000),
    "delta_cap_ms": (10, 600_000),
    "retry_ms": (50, 60_000),
    "idle_ms": (10, 3_600_000),
    "interval_ms": (0, 60_000),
    "drift_ms": (100, 3_600_000),
    "max_block_transactions": (1, 20_000),
    "max_block_bytes": (4_096, 32 << 20),
    "max_transaction_bytes": (512, 1 << 20),
    "max_calls": (1, 1_000),
    "replay_window": (8, 10_000),
    "retention": (0, 1 << 40),
    "max_gas": (10_000, 100_000_000),
    "max_block_gas": (10_000, 1_000_000_000),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """Governed limits; times in milliseconds, sizes in bytes. Part of the validator set's hash.

    `delta_ms` bounds the network delay that Simplex assumes: the leader timer is two of it, the
    advance timer three. After a full block the next leader waits `interval_ms`, after a lesser one
    in proportion. `replay_window` is the number of heights a transaction may be valid for.
    `retention` is the number of heights whose blocks every node keeps; 0 keeps all.
    `max_gas` bounds what deployed contracts may do in a transaction, `max_block_gas` in a block; a
    unit is about 100 ns.
    """

    version: int = 1
    fault_model: str = BYZANTINE
    epoch_length: int = 1_000
    delta_ms: int = 500
    delta_cap_ms: int = 4_000
    retry_ms: int = 1_000
    idle_ms: int = 10_000
    interval_ms: int = 600
    drift_ms: int = 30_000
    max_block_transactions: int = 2_000
    max_block_bytes: int = 2 << 20
    max_transaction_bytes: int = 64 << 10
    max_calls: int = 100
    replay_window: int = 600
    retention: int = 0
    max_gas: int = 1_000_000
    max_block_gas: int = 5_000_000

    @classmethod
    def widest(cls) -> Parameters:
        """The largest value of each bound: what decoders of foreign bytes allow in any epoch."""
        return cls(fault_model=BYZANTINE, **{name: high for name, (_, high) in _BOUNDS.items()})

    @staticmethod
    def bounds(name: str) -> tuple[int, int] | None:
        """The least and the largest value that a parameter may have; None if it is no number."""
        return _BOUNDS.get(name)

    def to_value(self) -> dict[str, Value]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_value(cls, value: Value) -> Parameters:
        """Raises DecodeError naming the parameter that is missing, unknown or out of bounds."""
        items = expect_map(value, "parameters", frozenset(f.name for f in fields(cls)))
        model = items["fault_model"]
        if model not in FAULT_MODELS:
            raise DecodeError(f"fault_model must be one of {', '.join(FAULT_MODELS)}")
        numbers = {
            name: expect_int(items[name], name, low, high) for name, (low, high) in _BOUNDS.items()
        }
        parameters = cls(fault_model=str(model), **numbers)
        if parameters.delta_cap_ms < parameters.delta_ms:
            raise DecodeError("delta_cap_ms must not be below delta_ms")
        if parameters.max_block_bytes < parameters.max_transaction_bytes:
            raise DecodeError("max_block_bytes must not be below max_transaction_bytes")
        if parameters.max_block_gas < parameters.max_gas:
            raise DecodeError("max_block_gas must not be below max_gas")
        return parameters


@dataclass(frozen=True, slots=True)
class Validator:
    """A member that votes: its name and 32-byte voting key."""

    name: str
    key: bytes


@dataclass(frozen=True)
class ValidatorSet:
    """Validators of equal weight, ordered by name, and the parameters of the same epoch."""

    validators: tuple[Validator, ...]
    parameters: Parameters

    @cached_property
    def quorum(self) -> int:
        """Votes in a certificate: floor(2n/3)+1 against traitors, floor(n/2)+1 against crashes."""
        n = len(self.validators)
        return 2 * n // 3 + 1 if self.parameters.fault_model == BYZANTINE else n // 2 + 1

    @cached_property
    def hash(self) -> bytes:
        return sha256(encode(self.to_value()))

    def leader(self, view: int) -> int:
        """Return the index of the leader of `view`, round robin."""
        return view % len(self.validators)

    def index_of(self, key: bytes) -> int | None:
        """Return the index of the validator with voting key `key`."""
        for index, validator in enumerate(self.validators):
            if validator.key == key:
                return index
        return None

    def to_value(self) -> Value:
        return [[[v.name, v.key] for v in self.validators], self.parameters.to_value()]

    @classmethod
    def from_value(cls, value: Value) -> ValidatorSet:
        rows, parameters = expect_list(value, "validator set", 2)
        validators = []
        for row in expect_list(rows, "validators", max_length=MAX_VALIDATORS):
            name, key = expect_list(row, "validator", 2)
            validators.append(
                Validator(
                    expect_text(name, "validator name", MAX_NAME_BYTES),
                    expect_bytes(key, "voting key", PUBLIC_KEY_BYTES),
                )
            )
        names = [validator.name for validator in validators]
        if not names or names != sorted(set(names)):
            raise DecodeError("validators must be at least one, distinct and sorted by name")
        if len({validator.key for validator in validators}) != len(validators):
            raise DecodeError("two validators share a voting key")
        return cls(tuple(validators), Parameters.from_value(parameters))

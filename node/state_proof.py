"""State proofs as files: that a key of the ledger's state had a value, or none, at a height."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.codec import (
    DecodeError,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.genesis import Genesis
from consensus.light import ProofError
from contracts.trie_proof import MAX_PROOF_BYTES, verify_proof
from node.errors import MunimentError
from node.finality import Finality
from node.store import Store

FORMAT = 1
MAX_FILE_BYTES = 64 << 20


class StateProofError(MunimentError):
    """A file does not prove what it claims."""

    code = "state-proof"


@dataclass(frozen=True, slots=True)
class StateReport:
    """What a state proof showed: the value of `key` (None: it had none) after `height`."""

    network: str
    chain_id: bytes
    key: bytes
    value: bytes | None
    height: int
    timestamp: int
    finalized_height: int
    signers: tuple[str, ...]
    validators: int
    epoch: int
    fault_model: str


def build(store: Store, height: int, key: bytes, value: bytes | None, proof: bytes) -> bytes:
    """Return the file that proves what the state after `height` holds at `key`.

    The state root stands in the header of the next height, which must be final.
    """
    finality = Finality.of(store, height + 1)
    return encode([FORMAT, key, value, proof, *finality.to_values()])


def verify(data: bytes, genesis: Genesis) -> StateReport:
    """Check a file against the genesis alone. Raises StateProofError with the reason."""
    try:
        row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "state proof", 7)
        expect_int(row[0], "state proof format", FORMAT, FORMAT)
        key = expect_bytes(row[1], "key")
        value = None if row[2] is None else expect_bytes(row[2], "value")
        proof = expect_bytes(row[3], "proof", max_length=MAX_PROOF_BYTES)
        finality = Finality.from_values(*row[4:])
        validators = finality.check(genesis)
        header = finality.headers[0]
        if not verify_proof(header.state_root, key, value, proof):
            raise ProofError("the value is not what the state root covers")
    except DecodeError as error:
        raise StateProofError(f"the state proof does not decode: {error}") from error
    except ProofError as error:
        raise StateProofError(f"the state proof proves nothing: {error}") from error
    return StateReport(
        genesis.network,
        genesis.chain_id,
        key,
        value,
        header.height - 1,
        header.timestamp,
        finality.headers[-1].height,
        tuple(validators.validators[i].name for i in finality.certificate.signers),
        len(validators.validators),
        finality.epoch,
        validators.parameters.fault_model,
    )

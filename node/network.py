"""Cards and genesis as files that people can read: JSON with bytes in hexadecimal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.codec import DecodeError, encode
from consensus.genesis import Card, Genesis
from node.errors import MunimentError
from node.home import atomic_write

MAX_FILE_BYTES = 16 << 20
_HEX_LISTS = ("keys", "proofs")
_HEX_FIELDS = ("chain_id", "digest", "state_root")


class NetworkFileError(MunimentError):
    """A card or genesis file that cannot be used; the message names file and field."""

    code = "network-file"


def to_json(value: Any) -> Any:
    """Return `value` with byte strings as lower-case hexadecimal."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: to_json(item) for key, item in value.items()}
        case list() | tuple():
            return [to_json(item) for item in value]
        case _:
            return value


def bytes_as_text(value: Any) -> Any:
    """Return `value` with each byte string as `hex:` and hexadecimal, as requests write them."""
    match value:
        case bytes():
            return "hex:" + value.hex()
        case dict():
            return {key: bytes_as_text(item) for key, item in value.items()}
        case list() | tuple():
            return [bytes_as_text(item) for item in value]
        case _:
            return value


def bytes_from_text(value: Any) -> Any:
    """Undo `bytes_as_text`. Raises ValueError on what is not hexadecimal."""
    match value:
        case str() if value.startswith("hex:"):
            return bytes.fromhex(value[4:])
        case dict():
            return {key: bytes_from_text(item) for key, item in value.items()}
        case list():
            return [bytes_from_text(item) for item in value]
        case _:
            return value


def _from_json(value: Any, key: str = "") -> Any:
    """Undo `to_json` for cards and genesis, where bytes stand under a few names only."""
    match value:
        case dict():
            return {name: _from_json(item, name) for name, item in value.items()}
        case list() if key in _HEX_LISTS:
            return [bytes.fromhex(item) if isinstance(item, str) else item for item in value]
        case list():
            return [_from_json(item, key) for item in value]
        case str() if key in _HEX_FIELDS:
            return bytes.fromhex(value)
        case _:
            return value


@dataclass(frozen=True, slots=True)
class SignedGenesis:
    """A genesis and the members' signatures on it, by name."""

    genesis: Genesis
    signatures: Mapping[str, bytes]

    @property
    def unsigned(self) -> list[str]:
        """Members whose signature is missing or wrong."""
        return [
            member.name
            for member in self.genesis.members
            if not self.genesis.is_signed_by(member, self.signatures.get(member.name, b""))
        ]


def load_card(path: Path) -> Card:
    """Read and check a member's card. Raises NetworkFileError."""
    return card_of(_load(path), str(path))


def card_of(content: Any, what: str) -> Card:
    """Check a card that was JSON; `what` calls it. Raises NetworkFileError."""
    try:
        encode(content)
        return Card.from_value(_from_json(content))
    except (DecodeError, ValueError, TypeError) as error:
        raise NetworkFileError(f"{what} is not a valid card: {error}") from error


def save_card(path: Path, card: Card) -> None:
    _save(path, to_json(card.to_value()))


def load_genesis(path: Path) -> SignedGenesis:
    """Read and check a genesis file; signatures may still be missing. Raises NetworkFileError."""
    content = _load(path)
    try:
        if not isinstance(content, dict) or content.keys() != {"genesis", "signatures"}:
            raise DecodeError("it must hold genesis and signatures")
        encode(content)
        genesis = Genesis.from_value(_from_json(content["genesis"]))
        signatures = content["signatures"]
        if not isinstance(signatures, dict):
            raise DecodeError("signatures must be an object")
        found = {str(name): bytes.fromhex(text) for name, text in signatures.items()}
        unknown = found.keys() - {member.name for member in genesis.members}
        if unknown:
            raise DecodeError(f"signatures.{sorted(unknown)[0]} is not a member")
    except (DecodeError, ValueError, TypeError) as error:
        raise NetworkFileError(f"{path} is not a valid genesis: {error}") from error
    return SignedGenesis(genesis, found)


def save_genesis(path: Path, signed: SignedGenesis) -> None:
    _save(
        path,
        {
            "genesis": to_json(signed.genesis.to_value()),
            "signatures": {name: s.hex() for name, s in sorted(signed.signatures.items())},
        },
    )


def _load(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise NetworkFileError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NetworkFileError(f"{path} is not JSON: {error}") from error


def _save(path: Path, content: Any) -> None:
    atomic_write(path, (json.dumps(content, indent=2) + "\n").encode(), 0o644)

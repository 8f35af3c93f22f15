"""Secret keys in files: encrypted under a passphrase, readable by their owner only.

A key file is JSON with the parameters of scrypt (RFC 7914) and AES-256-GCM; purpose and public
key are authenticated with the secret. The keys of a home share one salt, so that unlocking all of
them derives once.
"""

from __future__ import annotations

import json
import os
import stat
from functools import lru_cache
from getpass import getpass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from consensus.crypto import Signer
from node.errors import MunimentError
from node.home import atomic_write

SUITE = "scrypt-aes256gcm-v1"
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 15, 8, 1
MAX_SCRYPT_BYTES = 256 << 20
"""Of memory: 128 * n * r (RFC 7914, section 2)."""
SALT_BYTES, NONCE_BYTES, SECRET_BYTES = 16, 12, 32
MAX_FILE_BYTES = 4_096
CREDENTIAL = "muniment-passphrase"


class KeyFileError(MunimentError):
    """A key cannot be made or unlocked; the message names the file and never the secret."""

    code = "key"


def create_key(path: Path, purpose: str, passphrase: str, secret: bytes, salt: bytes) -> None:
    """Write a new key file; refuses to replace one."""
    if path.exists():
        raise KeyFileError(f"{path} exists already and will not be replaced")
    public = Signer(secret).public_key.hex() if purpose != "vault" else ""
    nonce = os.urandom(NONCE_BYTES)
    key = _derive(passphrase, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    sealed = AESGCM(key).encrypt(nonce, secret, _associated(purpose, public))
    content = {
        "suite": SUITE,
        "purpose": purpose,
        "public_key": public,
        "n": SCRYPT_N,
        "r": SCRYPT_R,
        "p": SCRYPT_P,
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "sealed": sealed.hex(),
    }
    atomic_write(path, (json.dumps(content, indent=2) + "\n").encode(), 0o600)


def load_key(path: Path, purpose: str, passphrase: str) -> bytes:
    """Return the 32-byte secret in `path`. Raises KeyFileError saying what to do."""
    content = _read(path)
    try:
        if content["suite"] != SUITE:
            raise KeyFileError(f"{path} uses suite {content['suite']!r}; this release has {SUITE}")
        if content["purpose"] != purpose:
            raise KeyFileError(f"{path} holds a {content['purpose']} key, not a {purpose} key")
        n, r, p = int(content["n"]), int(content["r"]), int(content["p"])
        is_sane = n >= 2 and n & (n - 1) == 0 and r >= 1 and 1 <= p <= 16
        if not is_sane or 128 * n * r > MAX_SCRYPT_BYTES:
            raise KeyFileError(f"{path} asks for scrypt parameters out of bounds; restore a backup")
        salt, nonce = bytes.fromhex(content["salt"]), bytes.fromhex(content["nonce"])
        sealed = bytes.fromhex(content["sealed"])
        associated = _associated(purpose, str(content["public_key"]))
    except (KeyError, TypeError, ValueError) as error:
        raise KeyFileError(f"{path} is damaged; restore it from a backup") from error
    try:
        secret = AESGCM(_derive(passphrase, salt, n, r, p)).decrypt(nonce, sealed, associated)
    except (InvalidTag, ValueError) as error:
        raise KeyFileError(
            f"the passphrase does not open {path}, or the file is damaged"
        ) from error
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{path} is damaged; restore it from a backup")
    return secret


def find_keys(folder: Path, purpose: str) -> dict[bytes, Path]:
    """Return the key files of a purpose by public key, the newest last. Raises KeyFileError.

    A home has more than one while a key is being replaced: PURPOSE.key, PURPOSE-2.key and so on.
    """
    paths = [path for path in folder.glob(f"{purpose}*.key") if _number_of(path, purpose)]
    found: dict[bytes, Path] = {}
    for path in sorted(paths, key=lambda path: _number_of(path, purpose)):
        try:
            found[bytes.fromhex(str(_read(path)["public_key"]))] = path
        except (KeyError, ValueError) as error:
            raise KeyFileError(f"{path} is damaged; restore it from a backup") from error
    return found


def next_path(folder: Path, purpose: str) -> Path:
    """Where another key of a purpose goes."""
    numbers = [_number_of(path, purpose) for path in folder.glob(f"{purpose}*.key")]
    return folder / f"{purpose}-{max([1, *numbers]) + 1}.key"


def _number_of(path: Path, purpose: str) -> int:
    """1 for PURPOSE.key, n for PURPOSE-n.key, 0 for a file of another name."""
    rest = path.stem.removeprefix(purpose)
    if not rest:
        return 1
    return int(rest[1:]) if rest[0] == "-" and rest[1:].isdecimal() else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFileError(f"{path} can be read by others; run: chmod 600 {path}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise KeyFileError(f"{path} is missing; restore it from a backup") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        content = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise KeyFileError(f"{path} is damaged; restore it from a backup")
    return content


def _associated(purpose: str, public: str) -> bytes:
    return f"{SUITE}|{purpose}|{public}".encode()


@lru_cache(maxsize=4)
def _derive(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())


def spend_as_unlocking(passphrase: str) -> None:
    """Work as long as `load_key` does, where there is no key and nobody may learn that."""
    _derive(passphrase, os.urandom(SALT_BYTES), SCRYPT_N, SCRYPT_R, SCRYPT_P)


def forget_passphrases() -> None:
    """Forget what was derived so far, for processes that outlive the wish to unlock."""
    _derive.cache_clear()


def read_passphrase(file: Path | None, *, confirm: bool = False) -> str:
    """Return the passphrase from `file`, a systemd credential, or a prompt, in this order.

    With `confirm` a prompt asks twice. Raises KeyFileError if there is no source.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if file is None and credentials and (Path(credentials) / CREDENTIAL).exists():
        file = Path(credentials) / CREDENTIAL
    if file is not None:
        return _read_passphrase_file(file)
    if not os.isatty(0):
        raise KeyFileError("no passphrase: give --passphrase-file FILE, or run in a terminal")
    passphrase = getpass("Passphrase: ")
    if not passphrase:
        raise KeyFileError("the passphrase is empty")
    if confirm and getpass("Again: ") != passphrase:
        raise KeyFileError("the two passphrases differ")
    return passphrase


def _read_passphrase_file(file: Path) -> str:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise KeyFileError(f"{file} can be read by others; run: chmod 600 {file}")
        passphrase = file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"the passphrase file {file} cannot be read: {error}") from error
    if not passphrase:
        raise KeyFileError(f"the passphrase file {file} is empty")
    return passphrase

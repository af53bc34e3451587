"""A keyring in a directory: files `<name>.kek` and `<name>.index` of 32 random bytes, mode 0600.

Names sort by age, and the last of each kind is the current one.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenon_core.ids import uuid7
from tenon_crypto.keyring import Mac, WrappedKey

KEK = "kek"
INDEX = "index"
KEY_BYTES = 32
NONCE_BYTES = 12


class FileKeyring:
    """Keys of a directory. A name that is not known is looked for again: a key that was added
    for another process's writing is readable here without a restart.
    """

    def __init__(self, directory: Path) -> None:
        """Read the keys; exit with a clear message if a kind is missing or a file is no key."""
        self._directory = directory
        self._keks = {name: AESGCM(key) for name, key in _load(directory, KEK).items()}
        self._index_keys = _load(directory, INDEX)

    async def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        name = max(self._keks)
        nonce = os.urandom(NONCE_BYTES)
        return WrappedKey(name, nonce + self._keks[name].encrypt(nonce, key, context), context)

    async def unwrap(self, keys: Sequence[WrappedKey]) -> Sequence[bytes | None]:
        if any(key.kek not in self._keks for key in keys):
            self._keks = {name: AESGCM(key) for name, key in _load(self._directory, KEK).items()}
        return [self._unwrap(key) for key in keys]

    async def macs(self, message: bytes) -> Sequence[Mac]:
        return [
            Mac(name, hmac.digest(self._index_keys[name], message, hashlib.sha256))
            for name in sorted(self._index_keys, reverse=True)
        ]

    def _unwrap(self, key: WrappedKey) -> bytes | None:
        kek = self._keks.get(key.kek)
        nonce, ciphertext = key.ciphertext[:NONCE_BYTES], key.ciphertext[NONCE_BYTES:]
        if kek is None or len(nonce) < NONCE_BYTES:
            return None
        try:
            return kek.decrypt(nonce, ciphertext, key.context)
        except InvalidTag:
            return None


def create_keyring(directory: Path) -> None:
    """Make the directory, and a first key of each kind, where they are missing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for kind in (KEK, INDEX):
        if not any(directory.glob(f"*.{kind}")):
            add_key(directory, kind)


def add_key(directory: Path, kind: str) -> None:
    """Add a newest key; after a crash it is there whole or not at all."""
    path = directory / f"{uuid7()}.{kind}"
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _load(directory: Path, kind: str) -> Mapping[str, bytes]:
    keys = {path.stem: path.read_bytes() for path in directory.glob(f"*.{kind}")}
    if not keys:
        raise SystemExit(
            f"there is no key {directory}/<name>.{kind}: bring the keyring back from its backup,"
            f" without which nothing encrypted can be read; for a new system put {KEY_BYTES} random"
            " bytes there"
        )
    for name, key in keys.items():
        if len(key) != KEY_BYTES:
            raise SystemExit(f"{directory}/{name}.{kind} has not {KEY_BYTES} bytes, so is no key")
    return keys

"""A keyring in a directory: files `<name>.kek` and `<name>.index` of 32 random bytes, mode 0600.

Names sort by age. A retired key is `<name>.kek-retired`; under its old name it reads again, as a
backup of the database from before needs it to.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenon_core.ids import uuid7
from tenon_crypto.keyring import KeyInfo, KeyKind, KeyringReadOnly, Mac, WrappedKey, current_name

KEK = KeyKind.KEK
INDEX = KeyKind.INDEX
KEY_BYTES = 32
NONCE_BYTES = 12
RETIRED = "-retired"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyFile:
    name: str
    content: bytes
    change_time: float


class FileKeyring:
    """Keys of a directory. Whenever that changes it is read again, so nobody has to be restarted.

    A new key is used for writing once it is `settle_seconds` old. Where processes have copies of
    the directory, that is the time in which all of them have to get it; where they share one, each
    process reads by a key as soon as another one writes with it.
    """

    def __init__(self, directory: Path, *, settle_seconds: float = 0.0) -> None:
        """Read the keys; exit with a clear message if a kind is missing or a file is no key."""
        self.settle_seconds = settle_seconds
        self._directory = directory
        self._unwrapping: dict[str, AESGCM] = {}
        self._files: Mapping[KeyKind, Mapping[str, KeyFile]] = {}
        self._read_at = 0
        self._read()

    async def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        self._look()
        return self._wrap(key, context)

    async def unwrap(self, keys: Sequence[WrappedKey]) -> Sequence[bytes | None]:
        if any(key.kek not in self._unwrapping for key in keys):
            self._look()
        return [self._unwrap(key) for key in keys]

    async def rewrap(self, keys: Sequence[WrappedKey]) -> Sequence[WrappedKey | None]:
        unwrapped = zip(keys, await self.unwrap(keys), strict=True)
        self._look()
        return [self._wrap(plain, key.context) if plain else None for key, plain in unwrapped]

    async def macs(self, message: bytes) -> Sequence[Mac]:
        self._look()
        keys = self._files[INDEX]
        current = current_name(self._infos(INDEX))
        return [
            Mac(name, hmac.digest(keys[name].content, message, hashlib.sha256))
            for name in sorted(keys, key=lambda name: (name == current, name), reverse=True)
        ]

    async def keys(self, kind: KeyKind) -> Sequence[KeyInfo]:
        self._look()
        return self._infos(kind)

    async def add(self, kind: KeyKind) -> str:
        try:
            return add_key(self._directory, kind)
        except OSError as error:
            raise KeyringReadOnly(f"{self._directory}: {error.strerror}") from error

    async def retire(self, kind: KeyKind, name: str) -> None:
        path = self._directory / f"{name}.{kind}"
        try:
            path.rename(path.with_name(path.name + RETIRED))
        except FileNotFoundError:
            return
        except OSError as error:
            raise KeyringReadOnly(f"{self._directory}: {error.strerror}") from error

    def _infos(self, kind: KeyKind) -> list[KeyInfo]:
        files = [self._files[kind][name] for name in sorted(self._files[kind])]
        settled = [file for file in files if time.time() - file.change_time >= self.settle_seconds]
        current = settled[-1] if settled else files[0]
        return [
            KeyInfo(file.name, datetime.fromtimestamp(file.change_time, UTC), file is current)
            for file in files
        ]

    def _look(self) -> None:
        """Read the directory again if anything was added, replaced or taken away; if it is not
        whole at that moment, go on with what was there.
        """
        try:
            if self._directory.stat().st_mtime_ns != self._read_at:
                self._read()
        except (OSError, SystemExit) as error:
            log.warning("the keyring cannot be read", error=str(error))

    def _read(self) -> None:
        read_at = self._directory.stat().st_mtime_ns if self._directory.exists() else 0
        self._files = {kind: _load(self._directory, kind) for kind in KeyKind}
        self._read_at = read_at
        # A retired key still reads what was fetched just before it was retired.
        self._unwrapping |= {name: AESGCM(f.content) for name, f in self._files[KEK].items()}

    def _wrap(self, key: bytes, context: bytes) -> WrappedKey:
        name = current_name(self._infos(KEK))
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = nonce + self._unwrapping[name].encrypt(nonce, key, context)
        return WrappedKey(name, ciphertext, context)

    def _unwrap(self, key: WrappedKey) -> bytes | None:
        kek = self._unwrapping.get(key.kek)
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
    for kind in KeyKind:
        if not any(directory.glob(f"*.{kind}")):
            add_key(directory, kind)


def add_key(directory: Path, kind: KeyKind) -> str:
    """Add a newest key; after a crash it is there whole or not at all."""
    name = str(uuid7())
    path = directory / f"{name}.{kind}"
    unfinished = path.with_suffix(".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return name


def _load(directory: Path, kind: KeyKind) -> Mapping[str, KeyFile]:
    keys = {}
    for path in directory.glob(f"*.{kind}"):
        with suppress(FileNotFoundError):  # it is being retired
            keys[path.stem] = KeyFile(path.stem, path.read_bytes(), path.stat().st_mtime)
    if not keys:
        raise SystemExit(
            f"there is no key {directory}/<name>.{kind}: bring the keyring back from its backup,"
            f" without which nothing encrypted can be read; for a new system put {KEY_BYTES} random"
            " bytes there"
        )
    for name, key in keys.items():
        if len(key.content) != KEY_BYTES:
            raise SystemExit(f"{directory}/{name}.{kind} has not {KEY_BYTES} bytes, so is no key")
    return keys

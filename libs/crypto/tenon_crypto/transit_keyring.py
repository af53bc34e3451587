"""A keyring in Vault's Transit engine: data keys are wrapped there, by a key that never leaves it.

Index keys are derived from a second Transit key, `<name>-index`: one from each version, by its HMAC
of a constant. Processes hold them as they hold data keys, for every look-up needs one
(docs/decisions/0033-vault-transit.md).
"""

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from tenon_core.errors import Unavailable
from tenon_crypto.keyring import KeyInfo, KeyKind, KeyringReadOnly, Mac, WrappedKey, current_name
from tenon_crypto.transit_client import Forbidden, JsonObject, TransitClient

LOOK_SECONDS = 30.0
"""How often a process looks for new index keys."""
CIPHERTEXT = re.compile(r"(vault:v[0-9]+):(.+)")
NAME = re.compile(r"vault:v([0-9]+)")
SEED = b"tenon index key"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IndexKeys:
    """What a process knows of the index keys, and when it has looked."""

    infos: Sequence[KeyInfo]
    keys: Mapping[str, bytes]
    look_time: float


class TransitKeyring:
    """Versions of two Transit keys, by the names that Vault writes before ciphertexts: `vault:v3`.

    Vault encrypts with a new version at once, which everybody can read. A new index key is used
    first once every process has looked.
    """

    def __init__(
        self, client: TransitClient, name: str, *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Ask nothing yet."""
        self.settle_seconds = 2 * look_seconds
        self._client = client
        self._names = {KeyKind.KEK: name, KeyKind.INDEX: f"{name}-index"}
        self._look_seconds = look_seconds
        self._indexes: IndexKeys | None = None
        self._looking = asyncio.Lock()

    async def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        (wrapped,) = await self._wrapped([(key, context)])
        return wrapped

    async def unwrap(self, keys: Sequence[WrappedKey]) -> Sequence[bytes | None]:
        """Unwrap what Vault could have wrapped, all in one request."""
        ours = [key for key in keys if NAME.fullmatch(key.kek)]
        results = iter(await self._batch("decrypt", [_wrapped_item(key) for key in ours]))
        return [_plain(next(results)) if NAME.fullmatch(key.kek) else None for key in keys]

    async def rewrap(self, keys: Sequence[WrappedKey]) -> Sequence[WrappedKey | None]:
        """Unwrap and wrap: Transit's own `rewrap` is not documented to take associated data."""
        unwrapped = await self.unwrap(keys)
        pairs = [(plain, key.context) for key, plain in zip(keys, unwrapped, strict=True) if plain]
        wrapped = iter(await self._wrapped(pairs))
        return [next(wrapped) if plain else None for plain in unwrapped]

    async def macs(self, message: bytes) -> Sequence[Mac]:
        known = await self._index_keys()
        current = current_name(known.infos)
        names = sorted(known.keys, key=lambda name: (name == current, _version(name)), reverse=True)
        return [Mac(name, hmac.digest(known.keys[name], message, hashlib.sha256)) for name in names]

    async def keys(self, kind: KeyKind) -> Sequence[KeyInfo]:
        settle = self.settle_seconds if kind is KeyKind.INDEX else 0.0
        return _infos(await self._read(kind), settle)

    async def add(self, kind: KeyKind) -> str:
        try:
            await self._client.rotate(self._names[kind])
        except Forbidden as error:
            raise _read_only("rotate") from error
        return f"vault:v{(await self._read(kind))['latest_version']}"

    async def retire(self, kind: KeyKind, name: str) -> None:
        """Let Vault decrypt by later versions alone; lowering the setting undoes it."""
        settings = {"min_decryption_version": _version(name) + 1}
        if settings["min_decryption_version"] <= (await self._read(kind))["min_decryption_version"]:
            return
        try:
            await self._client.configure(self._names[kind], settings)
        except Forbidden as error:
            raise _read_only("configure") from error

    async def _index_keys(self) -> IndexKeys:
        async with self._looking:
            known = self._indexes
            if known and time.monotonic() - known.look_time < self._look_seconds:
                return known
            try:
                self._indexes = await self._look()
            except Unavailable:
                if known is None:
                    raise
                log.warning("vault is not asked for new index keys, the known ones are used")
            return self._indexes or known  # type: ignore[return-value] # one of them is there

    async def _look(self) -> IndexKeys:
        infos = await self.keys(KeyKind.INDEX)
        keys = {info.name: await self._index_key(info.name) for info in infos}
        return IndexKeys(infos, keys, time.monotonic())

    async def _index_key(self, name: str) -> bytes:
        if self._indexes and name in self._indexes.keys:
            return self._indexes.keys[name]
        answer = await self._client.hmac(self._names[KeyKind.INDEX], _version(name), _text(SEED))
        return _parts(answer)[1]

    async def _read(self, kind: KeyKind) -> JsonObject:
        try:
            return await self._client.read_key(self._names[kind])
        except Forbidden as error:
            raise _refused() from error

    async def _wrapped(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[WrappedKey]:
        items = [
            {"plaintext": _text(key), "associated_data": _text(context)} for key, context in pairs
        ]
        results = await self._batch("encrypt", items)
        wrapped = []
        for (_, context), result in zip(pairs, results, strict=True):
            if "ciphertext" not in result:
                raise Unavailable
            wrapped.append(WrappedKey(*_parts(result["ciphertext"]), context))
        return wrapped

    async def _batch(self, verb: str, items: Sequence[JsonObject]) -> Sequence[JsonObject]:
        if not items:
            return []
        try:
            return await self._client.batch(verb, self._names[KeyKind.KEK], items)
        except Forbidden as error:
            raise _refused() from error


def _infos(key: JsonObject, settle_seconds: float) -> list[KeyInfo]:
    """Return the readable versions; the last that has settled is current, or else the first."""
    readable = sorted(
        (int(version), created)
        for version, created in key["keys"].items()
        if int(version) >= key["min_decryption_version"]
    )
    settled = [version for version, at in readable if time.time() - at >= settle_seconds]
    current = settled[-1] if settled else readable[0][0]
    return [
        KeyInfo(f"vault:v{version}", datetime.fromtimestamp(created, UTC), version == current)
        for version, created in readable
    ]


def _wrapped_item(key: WrappedKey) -> JsonObject:
    ciphertext = f"{key.kek}:{_text(key.ciphertext)}"
    return {"ciphertext": ciphertext, "associated_data": _text(key.context)}


def _plain(result: JsonObject) -> bytes | None:
    return base64.b64decode(result["plaintext"]) if result.get("plaintext") else None


def _parts(text: str) -> tuple[str, bytes]:
    """Take apart what Vault calls a ciphertext or an HMAC; Unavailable if it is none."""
    found = CIPHERTEXT.fullmatch(text)
    if found is None:
        raise Unavailable
    return found[1], base64.b64decode(found[2])


def _version(name: str) -> int:
    found = NAME.fullmatch(name)
    assert found, f"{name} is no version of Vault's"
    return int(found[1])


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _refused() -> Unavailable:
    log.error("vault refuses the token, or what it may do does not suffice")
    return Unavailable()


def _read_only(what: str) -> KeyringReadOnly:
    return KeyringReadOnly(f"vault does not let this token {what} the key")

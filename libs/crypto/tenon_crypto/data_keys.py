"""From wrapped data keys in the database to keys that encrypt."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenon_core.ids import uuid7
from tenon_crypto.cells import Owner, OwnerKind
from tenon_crypto.envelope import KEY_BYTES, DataKey
from tenon_crypto.errors import Undecryptable
from tenon_crypto.key_cache import KeyCache
from tenon_crypto.keyring import Keyring
from tenon_crypto.repository import DataKeyRepository, KeyVersion, StoredKey
from tenon_db.transaction import Transaction

TRIES = 2
"""A key may be wrapped anew between being fetched and being unwrapped."""

log = structlog.get_logger()


class DataKeys:
    """The data keys of one service.

    Reading takes keys from the cache; which key is current is always asked of the database, so
    that a rotation takes effect with its commit.
    """

    def __init__(self, schema: str, keyring: Keyring, cache: KeyCache | None = None) -> None:
        self.schema = schema
        self._keyring = keyring
        self._cache = cache or KeyCache()

    async def find_all(
        self, tx: Transaction, kind: OwnerKind, wanted: Collection[tuple[UUID, UUID]]
    ) -> Mapping[UUID, DataKey]:
        """Return those of these keys that exist and unwrap; `wanted` are ids of owner and key.

        However many they are, it takes one statement at most.
        """
        found = {key_id: key for _, key_id in wanted if (key := self._cache.find(key_id))}
        missing = [pair for pair in wanted if pair[1] not in found]
        if missing:
            repository = DataKeyRepository(tx, self.schema, kind)
            owner_ids, key_ids = zip(*missing, strict=True)
            stored = await repository.find_all(owner_ids, key_ids)
            found |= {key.id: key for key in await self._unwrapped(stored)}
        return found

    async def current(self, tx: Transaction, kind: OwnerKind) -> DataKey:
        """Return the key under which the transaction's owner's values are written; made on first
        use, once, by however many at a time.
        """
        owner = owner_of(tx, kind)
        repository = DataKeyRepository(tx, self.schema, kind)
        for _ in range(TRIES):
            stored = await repository.lock_current(owner) or await self._created(repository, owner)
            key = self._cache.find(stored.id)
            if key is None:
                (key,) = await self._unwrapped([stored]) or (None,)
            if key:
                return key
        raise Undecryptable

    async def renew(self, tx: Transaction, kind: OwnerKind, before: datetime) -> bool:
        """Give the transaction's owner a new current key if theirs is so old; say whether it was.

        The old one goes on to read. Of two at once, one makes the new key.
        """
        owner = owner_of(tx, kind)
        repository = DataKeyRepository(tx, self.schema, kind)
        old = await repository.retire_current(owner, before)
        if old:
            await self._created(repository, owner)
        return old

    async def hold_current(self, tx: Transaction, kind: OwnerKind) -> UUID | None:
        """Return the id of the current key of the transaction's owner, if there is one; nobody
        destroys it before the commit.
        """
        owner = owner_of(tx, kind)
        stored = await DataKeyRepository(tx, self.schema, kind).lock_current(owner)
        return stored.id if stored else None

    async def versions(self, tx: Transaction, kind: OwnerKind) -> list[KeyVersion]:
        """Return the keys of the transaction's owner, newest first."""
        return await DataKeyRepository(tx, self.schema, kind).versions(owner_of(tx, kind))

    async def destroy(self, tx: Transaction, kind: OwnerKind) -> None:
        """Destroy the keys of the transaction's owner, and forget them once that is committed."""
        owner = owner_of(tx, kind)
        await DataKeyRepository(tx, self.schema, kind).remove_all(owner)

        async def forget() -> None:
            self.forget(owner)

        tx.after_commit(forget)

    def forget(self, owner: Owner) -> None:
        """Drop an owner's keys from this process's memory, once they are destroyed."""
        self._cache.forget(owner)

    async def _created(self, repository: DataKeyRepository, owner: Owner) -> StoredKey:
        key_id = uuid7()
        await repository.hold_keks()
        key = AESGCM.generate_key(KEY_BYTES * 8)
        wrapped = await self._keyring.wrap(key, repository.context(owner, key_id))
        stored = StoredKey(key_id, owner, wrapped)
        if await repository.add(stored):
            return stored
        quicker = await repository.lock_current(owner)
        assert quicker is not None, "it was in the way"
        return quicker

    async def _unwrapped(self, stored: Sequence[StoredKey]) -> list[DataKey]:
        """Unwrap what can be, and remember it.

        A key of a transaction that is rolled back may be remembered: then no value names it.
        """
        unwrapped = await self._keyring.unwrap([key.wrapped for key in stored])
        keys = []
        for key, plain in zip(stored, unwrapped, strict=True):
            if plain is None:
                log.error("data key does not unwrap", key=str(key.id), kek=key.wrapped.kek)
            else:
                keys.append(DataKey(key.id, key.owner, plain))
                self._cache.add(keys[-1])
        return keys


def owner_of(tx: Transaction, kind: OwnerKind) -> Owner:
    owner_id = tx.user_id if kind is OwnerKind.USER else tx.org_id
    assert owner_id is not None, f"not the transaction of a {kind}"
    return Owner(kind, owner_id)

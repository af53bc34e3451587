"""The wrapped data keys of a service, whoever's they are: for who rotates them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, delete, func, literal, select, tuple_, update

from tenon_crypto.cells import Owner, OwnerKind
from tenon_crypto.keyring import WrappedKey
from tenon_crypto.repository import DataKeyRepository, StoredKey, keks_lock
from tenon_crypto.tables import data_keys_of, owner_column
from tenon_db.transaction import Transaction

PURPOSE = "rotation"
"""A system transaction for it reads the wrapped keys of all owners."""


class WrappedKeyRepository:
    def __init__(self, tx: Transaction, schema: str, kind: OwnerKind) -> None:
        self._tx = tx
        self._schema = schema
        self._kind = kind
        self._keys: Table = data_keys_of(schema, kind)
        self._owner_id = self._keys.c[owner_column(kind)]

    async def owners(self, after: UUID | None, limit: int) -> list[UUID]:
        """Return the next owners that have a key, by id; for the purpose."""
        wanted = select(self._owner_id.label("owner_id")).distinct()
        if after:
            wanted = wanted.where(self._owner_id > after)
        rows = await self._tx.rows(wanted.order_by(self._owner_id).limit(limit))
        return [row.owner_id for row in rows]

    async def count_owners(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count(self._owner_id.distinct())).select_from(self._keys)
        )
        return counted

    async def oldest_current(self) -> datetime | None:
        found: datetime | None = await self._tx.scalar(
            select(func.min(self._keys.c.create_time)).where(self._keys.c.current)
        )
        return found

    async def under_others(self, kek: str, after: StoredKey | None, limit: int) -> list[StoredKey]:
        """Return the next keys that are wrapped with anything else; for the purpose."""
        wanted = select(self._keys).where(self._keys.c.kek != kek)
        if after:
            last = tuple_(literal(after.owner.id), literal(after.id))
            wanted = wanted.where(tuple_(self._owner_id, self._keys.c.id) > last)
        rows = await self._tx.rows(wanted.order_by(self._owner_id, self._keys.c.id).limit(limit))
        repository = DataKeyRepository(self._tx, self._schema, self._kind)
        return [repository.stored(row) for row in rows]

    async def count_under_others(self, kek: str) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).select_from(self._keys).where(self._keys.c.kek != kek)
        )
        return counted

    async def replace(self, key: StoredKey, wrapped: WrappedKey) -> bool:
        """Store a key as it is wrapped now, in its owner's transaction; False if it has changed."""
        replaced = await self._tx.execute(
            update(self._keys)
            .where(
                self._owner_id == key.owner.id,
                self._keys.c.id == key.id,
                self._keys.c.wrapped == key.wrapped.ciphertext,
            )
            .values(kek=wrapped.kek, wrapped=wrapped.ciphertext)
        )
        return replaced.rowcount == 1

    async def lock_keks(self) -> None:
        """Wait for whoever wraps a key, and keep them waiting until the commit."""
        name = literal(keks_lock(self._schema))
        await self._tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    async def lock_old(self, owner: Owner) -> Sequence[UUID]:
        """Return an owner's keys that only read; whoever still writes under one is done then."""
        rows = await self._tx.rows(
            select(self._keys.c.id)
            .where(self._owner_id == owner.id, self._keys.c.current.is_(False))
            .with_for_update()
        )
        return [row.id for row in rows]

    async def remove(self, owner: Owner, key_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            delete(self._keys).where(self._owner_id == owner.id, self._keys.c.id.in_(key_ids))
        )

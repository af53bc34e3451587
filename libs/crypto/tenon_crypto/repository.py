from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Table, Uuid, any_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_crypto.cells import Owner, OwnerKind, framed
from tenon_crypto.keyring import WrappedKey
from tenon_crypto.tables import data_keys_of, owner_column
from tenon_db.transaction import Transaction


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A data key as the database has it."""

    id: UUID
    owner: Owner
    wrapped: WrappedKey


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """What may be told of a data key."""

    id: UUID
    create_time: datetime
    current: bool


class DataKeyRepository:
    """The data keys of one kind of owner that the transaction sees."""

    def __init__(self, tx: Transaction, schema: str, kind: OwnerKind) -> None:
        self._tx = tx
        self._schema = schema
        self._kind = kind
        self._keys: Table = data_keys_of(schema, kind)
        self._owner_id = self._keys.c[owner_column(kind)]

    async def find_all(
        self, owner_ids: Collection[UUID], key_ids: Collection[UUID]
    ) -> list[StoredKey]:
        """Return those of these keys that these owners have."""
        rows = await self._tx.rows(
            select(self._keys).where(
                self._owner_id == any_(literal(list(owner_ids), ARRAY(Uuid))),
                self._keys.c.id == any_(literal(list(key_ids), ARRAY(Uuid))),
            )
        )
        return self._stored(rows)

    async def lock_current(self, owner: Owner) -> StoredKey | None:
        """Return the key to write under; nobody destroys it before the commit."""
        rows = await self._tx.rows(
            select(self._keys)
            .where(self._owner_id == owner.id, self._keys.c.current)
            .with_for_update(read=True, key_share=True)
        )
        return next(iter(self._stored(rows)), None)

    async def add(self, key: StoredKey) -> bool:
        """Add an owner's current key; False if somebody else added one, and has committed."""
        added = await self._tx.scalar(
            insert(self._keys)
            .values(
                {
                    self._owner_id.name: key.owner.id,
                    "id": key.id,
                    "kek": key.wrapped.kek,
                    "wrapped": key.wrapped.ciphertext,
                }
            )
            .on_conflict_do_nothing()
            .returning(self._keys.c.id)
        )
        return added is not None

    async def hold_keks(self) -> None:
        """Keep whoever would retire a key-encryption key from it until the commit: what is wrapped
        in this transaction will be seen.
        """
        name = literal(keks_lock(self._schema))
        await self._tx.execute(
            select(func.pg_advisory_xact_lock_shared(func.hashtextextended(name, 0)))
        )

    async def retire_current(self, owner: Owner, before: datetime) -> bool:
        """Let an owner's current key only read from now on, if it is so old; say whether it was."""
        retired = await self._tx.execute(
            update(self._keys)
            .where(
                self._owner_id == owner.id, self._keys.c.current, self._keys.c.create_time < before
            )
            .values(current=False)
        )
        return retired.rowcount == 1

    async def versions(self, owner: Owner) -> list[KeyVersion]:
        """Return an owner's keys, newest first."""
        columns = (self._keys.c.id, self._keys.c.create_time, self._keys.c.current)
        rows = await self._tx.rows(
            select(*columns).where(self._owner_id == owner.id).order_by(self._keys.c.id.desc())
        )
        return [KeyVersion(row.id, row.create_time, row.current) for row in rows]

    async def remove_all(self, owner: Owner) -> None:
        await self._tx.execute(delete(self._keys).where(self._owner_id == owner.id))

    def context(self, owner: Owner, key_id: UUID) -> bytes:
        """Return what a wrapped key is bound to: the row that it stands in."""
        return framed(b"tenon data key", self._schema.encode(), *owner.parts(), key_id.bytes)

    def _stored(self, rows: Sequence[Row[Any]]) -> list[StoredKey]:
        return [self.stored(row) for row in rows]

    def stored(self, row: Row[Any]) -> StoredKey:
        """Return a row of the table as a key."""
        owner = Owner(self._kind, getattr(row, self._owner_id.name))
        wrapped = WrappedKey(row.kek, row.wrapped, self.context(owner, row.id))
        return StoredKey(row.id, owner, wrapped)


def keks_lock(schema: str) -> str:
    """Name the lock between wrapping data keys and retiring what they are wrapped with."""
    return f"{schema}.keks"

"""The encrypted values of one table, as they are stored."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    Row,
    Uuid,
    and_,
    any_,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from tenon_crypto.envelope import HEADER_BYTES, VERSION
from tenon_crypto.sealed_tables import SealedTable
from tenon_db.transaction import Transaction

ID_AT = len(VERSION) + 1
ID_BYTES = HEADER_BYTES - len(VERSION)


class SealedRowRepository:
    """Rows with encrypted values, of the transaction's owner unless it may read others'."""

    def __init__(self, tx: Transaction, table: SealedTable) -> None:
        self._tx = tx
        self._sealed = table
        self._owner = table.table.c[table.owner]
        self._row = table.table.c[table.row]
        self._columns = [table.table.c[name] for name in table.columns]

    async def reread(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return these rows with what the table's columns hold now; without those that are gone."""
        owners, ids = (
            {row[name] for row in rows} for name in (self._sealed.owner, self._sealed.row)
        )
        found = await self._tx.rows(
            select(self._sealed.table).where(
                self._owner == any_(literal(list(owners), ARRAY(Uuid))),
                self._row == any_(literal(list(ids), ARRAY(Uuid))),
            )
        )
        fetched = [{**row._mapping} for row in found]  # noqa: SLF001 # SQLAlchemy's public name begins with _
        now = {self._key(row): row for row in fetched}
        return [
            {name: fresh.get(name, value) for name, value in row.items()}
            for row in rows
            if (fresh := now.get(self._key(row)))
        ]

    async def lock_others(
        self, owner_id: UUID, key_id: UUID, after: UUID | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Lock the next rows with a value under another key, and return their sealed columns.

        Rows that somebody else has locked are left out: whoever waits for no lock takes part in no
        deadlock.
        """
        named = dict.fromkeys((self._owner, self._row, *self._columns))
        wanted = select(*named).where(self._owner == owner_id, self._under_other(key_id))
        if after:
            wanted = wanted.where(self._row > after)
        return await self._tx.rows(
            wanted.order_by(self._row)
            .limit(limit)
            .with_for_update(key_share=True, skip_locked=True)
        )

    async def replace(self, owner_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store other ciphertexts in rows that are locked."""
        names = self._sealed.columns
        arrays = [literal([row[self._sealed.row] for row in rows], ARRAY(Uuid))]
        arrays += [literal([row[name] for row in rows], ARRAY(LargeBinary)) for name in names]
        new = (
            func.unnest(*arrays)
            .table_valued(column("row_id", Uuid), *(column(name, LargeBinary) for name in names))
            .render_derived(name="new")
        )
        await self._tx.execute(
            update(self._sealed.table)
            .where(self._owner == owner_id, self._row == new.c.row_id)
            .values({name: new.c[name] for name in names})
        )

    async def count(self, owner_id: UUID) -> int:
        """Return how many rows have a value."""
        filled = or_(*(one.is_not(None) for one in self._columns))
        counted: int = await self._tx.scalar(
            select(func.count())
            .select_from(self._sealed.table)
            .where(self._owner == owner_id, filled)
        )
        return counted

    async def has_any(self, owner_id: UUID, key_ids: Sequence[UUID]) -> bool:
        """Say whether a value is under one of these keys."""
        ids = literal([key_id.bytes for key_id in key_ids], ARRAY(LargeBinary))
        under = or_(*(_key_id(column) == any_(ids) for column in self._columns))
        there: bool = await self._tx.scalar(
            select(exists(select(self._row).where(self._owner == owner_id, under)))
        )
        return there

    def _under_other(self, key_id: UUID) -> ColumnElement[bool]:
        return or_(*(and_(one.is_not(None), _key_id(one) != key_id.bytes) for one in self._columns))

    def _key(self, row: Mapping[str, Any]) -> tuple[UUID, UUID]:
        return row[self._sealed.owner], row[self._sealed.row]


def _key_id(value: ColumnElement[Any]) -> ColumnElement[bytes]:
    return func.substring(value, ID_AT, ID_BYTES, type_=LargeBinary)

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.exports.models import SEALED_EXPORTS, Export, ExportState, personal_exports
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction

table = personal_exports.c
SHOWN = [table[field.name] for field in dataclasses.fields(Export)]


class ExportRepository:
    """The exports of the transaction's user."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def add(self, export: Export) -> bool:
        """Add one that is queued; False if there is one already."""
        added = await self._tx.execute(
            insert(personal_exports)
            .values(dataclasses.asdict(export))
            .on_conflict_do_nothing(
                index_elements=["user_id"], index_where=table.state == ExportState.QUEUED.value
            )
        )
        return added.rowcount == 1

    async def find(self, export_id: UUID) -> Export | None:
        row = await self._tx.row(
            select(*SHOWN).where(table.user_id == self._tx.user_id, table.id == export_id)
        )
        return _export(row) if row else None

    async def find_queued(self) -> Export | None:
        row = await self._tx.row(
            select(*SHOWN).where(
                table.user_id == self._tx.user_id, table.state == ExportState.QUEUED
            )
        )
        return _export(row) if row else None

    async def count(self, since: datetime) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).where(table.user_id == self._tx.user_id, table.create_time > since)
        )
        return counted

    async def read(self, export_id: UUID) -> bytes | None:
        """Return the compressed document, if it is there."""
        rows = await self._tx.rows(
            select(table.user_id, table.id, table.document).where(
                table.user_id == self._tx.user_id, table.id == export_id
            )
        )
        opened = await self._cipher.open(self._tx, SEALED_EXPORTS, rows)
        document: bytes | None = opened[0]["document"] if opened else None
        return document

    async def finish(self, export: Export, document: bytes | None = None) -> bool:
        """Record the end of one that is queued; say whether it was.

        It is looked for first: sealing would make a key for somebody who is no more.
        """
        queued = await self._tx.scalar(
            select(table.id)
            .where(table.user_id == export.user_id, table.id == export.id)
            .where(table.state == ExportState.QUEUED)
            .with_for_update()
        )
        if queued is None:
            return False
        row = {**dataclasses.asdict(export), "document": document}
        sealed = await self._cipher.seal(self._tx, SEALED_EXPORTS, row)
        await self._tx.execute(
            update(personal_exports)
            .where(table.user_id == export.user_id, table.id == export.id)
            .values(sealed)
        )
        return True

    async def delete(self, user_id: UUID, export_id: UUID) -> None:
        await self._tx.execute(
            delete(personal_exports).where(table.user_id == user_id, table.id == export_id)
        )


def _export(row: Row[Any]) -> Export:
    return Export(**{**row._mapping, "state": ExportState(row.state)})  # noqa: SLF001 # SQLAlchemy's public name begins with _

"""The encrypted columns of rows, for repositories."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from tenon_crypto.cells import Cell, OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.envelope import DataKey, key_id_of
from tenon_crypto.errors import Undecryptable
from tenon_crypto.sealed_rows import SealedRowRepository
from tenon_crypto.sealed_tables import SealedTable
from tenon_db.transaction import Transaction

__all__ = ["FieldCipher", "SealedTable"]

log = structlog.get_logger()


class FieldCipher:
    """Encrypts what goes into sealed columns and decrypts what comes out; None stays None."""

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def seal(
        self, tx: Transaction, table: SealedTable, row: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a row of the transaction's owner as it is stored."""
        (sealed,) = await self.seal_all(tx, table, [row])
        return sealed

    async def seal_all(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return rows of the transaction's owner as they are stored."""
        key = await self._keys.current(tx, table.kind)
        return [_sealed(table, row, key) for row in rows]

    async def open(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Row[Any]]
    ) -> list[dict[str, Any]]:
        """Return rows as they were before; Undecryptable if any value is not whole."""
        stored, keys = await self._with_keys(tx, table, rows)
        return [_opened(table, row, keys) for row in stored]

    async def open_readable(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Row[Any]]
    ) -> list[dict[str, Any]]:
        """Return rows likewise, without those that do not decrypt: others can still be shown."""
        stored, keys = await self._with_keys(tx, table, rows)
        opened, lost = [], []
        for row in stored:
            try:
                opened.append(_opened(table, row, keys))
            except Undecryptable:
                lost.append(str(row[table.row]))
        if lost:
            log.warning("rows do not decrypt", table=table.table.name, rows=lost)
        return opened

    async def destroy_keys(self, tx: Transaction, kind: OwnerKind) -> None:
        """Destroy the keys of the transaction's owner: what they have sealed is lost."""
        await self._keys.destroy(tx, kind)

    async def _with_keys(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Row[Any]]
    ) -> tuple[list[Mapping[str, Any]], Mapping[UUID, DataKey]]:
        """Return rows and what opens them.

        If a key is gone, a rotation may have been faster: then the rows, or the keys, have changed
        since they were read, and are read once more.
        """
        stored = _mappings(rows)
        wanted = _wanted(table, stored)
        keys = await self._keys.find_all(tx, table.kind, wanted)
        if all(key_id in keys for _, key_id in wanted):
            return stored, keys
        stored = await SealedRowRepository(tx, table).reread(stored)
        return stored, await self._keys.find_all(tx, table.kind, _wanted(table, stored))


def _wanted(table: SealedTable, rows: Sequence[Mapping[str, Any]]) -> set[tuple[UUID, UUID]]:
    return {
        (row[table.owner], key_id)
        for row in rows
        for value in _sealed_values(table, row)
        if (key_id := key_id_of(value))
    }


def _sealed(table: SealedTable, row: Mapping[str, Any], key: DataKey) -> dict[str, Any]:
    sealed = {
        column: key.seal(table.cell(row, column), _encoded(row[column]))
        for column in table.columns
        if row.get(column) is not None
    }
    return {**row, **sealed}


def _opened(
    table: SealedTable, row: Mapping[str, Any], keys: Mapping[UUID, DataKey]
) -> dict[str, Any]:
    opened = dict(row)
    for column in table.columns:
        value = row.get(column)
        if value is not None:
            plain = _open(table.cell(row, column), value, keys)
            opened[column] = plain.decode() if column in table.text else plain
    return opened


def _open(cell: Cell, value: bytes, keys: Mapping[UUID, DataKey]) -> bytes:
    key_id = key_id_of(value)
    key = keys.get(key_id) if key_id else None
    if key is None or key.owner != cell.owner:
        raise Undecryptable
    return key.open(cell, value)


def _sealed_values(table: SealedTable, row: Mapping[str, Any]) -> Iterator[bytes]:
    return (value for column in table.columns if (value := row.get(column)) is not None)


def _mappings(rows: Sequence[Row[Any]]) -> list[Mapping[str, Any]]:
    return [{**row._mapping} for row in rows]  # noqa: SLF001 # SQLAlchemy's public name begins with _


def _encoded(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value

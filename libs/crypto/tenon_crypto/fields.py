"""The encrypted columns of rows, for repositories."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, Table

from tenon_crypto.cells import Cell, Owner, OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.envelope import DataKey, key_id_of
from tenon_crypto.errors import Undecryptable
from tenon_crypto.tables import KINDS
from tenon_db.transaction import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SealedTable:
    """Which columns of a table are encrypted: `text` as UTF-8, `binary` as it is.

    `owner` and `row` are the columns of a row's owner and of its id within the table.
    """

    table: Table
    owner: str
    row: str = "id"
    text: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()

    @property
    def kind(self) -> OwnerKind:
        return next(kind for kind, info in KINDS.items() if info == self.table.info)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.text + self.binary

    def cell(self, row: Mapping[str, Any], column: str) -> Cell:
        owner = Owner(self.kind, row[self.owner])
        return Cell(owner, str(self.table.schema), self.table.name, column, row[self.row])


class FieldCipher:
    """Encrypts what goes into sealed columns and decrypts what comes out; None stays None."""

    def __init__(self, keys: DataKeys) -> None:
        self._keys = keys

    async def seal(
        self, tx: Transaction, table: SealedTable, row: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a row of the transaction's owner as it is stored."""
        key = await self._keys.current(tx, table.kind)
        sealed = {
            column: key.seal(table.cell(row, column), _encoded(row[column]))
            for column in table.columns
            if row.get(column) is not None
        }
        return {**row, **sealed}

    async def open(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Row[Any]]
    ) -> list[dict[str, Any]]:
        """Return rows as they were before; Undecryptable if any value is not whole."""
        stored = _mappings(rows)
        keys = await self._keys_of(tx, table, stored)
        return [_opened(table, row, keys) for row in stored]

    async def open_readable(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Row[Any]]
    ) -> list[dict[str, Any]]:
        """Return rows likewise, without those that do not decrypt: others can still be shown."""
        stored = _mappings(rows)
        keys = await self._keys_of(tx, table, stored)
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

    async def _keys_of(
        self, tx: Transaction, table: SealedTable, rows: Sequence[Mapping[str, Any]]
    ) -> Mapping[UUID, DataKey]:
        wanted = {
            (row[table.owner], key_id)
            for row in rows
            for value in _sealed_values(table, row)
            if (key_id := key_id_of(value))
        }
        return await self._keys.find_all(tx, table.kind, wanted)


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

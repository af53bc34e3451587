"""Every encrypted value that names a key of a person, in all databases, and what opens it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from tenon_crypto.cells import Cell, Owner, OwnerKind, framed
from tenon_crypto.envelope import DataKey, key_id_of
from tenon_crypto.errors import Undecryptable
from tenon_crypto.file_keyring import FileKeyring
from tenon_crypto.keyring import WrappedKey
from tenon_testing.system import SERVICES

Admin = psycopg.Connection[tuple[Any, ...]]

KEYS = "SELECT user_id, id, kek, wrapped FROM {}"
BINARY_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = %s AND data_type = 'bytea' AND table_name <> 'user_data_keys'"
)


@dataclass(frozen=True)
class SealedValue:
    """A value as a backup has it: with all that says where it stood."""

    schema: str
    table: str
    column: str
    row: Mapping[str, Any]
    content: bytes

    def open(self, keys: Mapping[UUID, DataKey]) -> bytes:
        """Return what was sealed; Undecryptable without its key."""
        key = keys.get(key_id_of(self.content) or UUID(int=0))
        if key is None:
            raise Undecryptable
        row_id = self.row.get("id", key.owner.id)
        cell = Cell(key.owner, self.schema, self.table, self.column, row_id)
        return key.open(cell, self.content)


async def live_keys(admin: Admin, keyring: Path) -> dict[UUID, DataKey]:
    """Return all data keys of people that are left anywhere, unwrapped."""
    keys = {}
    for schema in SERVICES:
        if not admin.execute("SELECT to_regclass(%s)", [f"{schema}.user_data_keys"]).fetchone()[0]:  # type: ignore[index] # one row
            continue
        rows = admin.execute(sql.SQL(KEYS).format(sql.Identifier(schema, "user_data_keys")))
        for user_id, key_id, kek, wrapped in rows.fetchall():
            owner = Owner(OwnerKind.USER, user_id)
            context = framed(b"tenon data key", schema.encode(), *owner.parts(), key_id.bytes)
            (plain,) = await FileKeyring(keyring).unwrap([WrappedKey(kek, wrapped, context)])
            assert plain is not None
            keys[key_id] = DataKey(key_id, owner, plain)
    return keys


def sealed_for(admin: Admin, owner_id: UUID, keys: Mapping[UUID, DataKey]) -> list[SealedValue]:
    """Return all values in all databases that name a key of somebody."""
    theirs = {key_id for key_id, key in keys.items() if key.owner.id == owner_id}
    return [
        value
        for schema in SERVICES
        for table, column in admin.execute(BINARY_COLUMNS, [schema]).fetchall()
        for value in _values(admin, schema, table, column)
        if key_id_of(value.content) in theirs
    ]


def _values(admin: Admin, schema: str, table: str, column: str) -> list[SealedValue]:
    query = sql.SQL("SELECT * FROM {} WHERE {} IS NOT NULL").format(
        sql.Identifier(schema, table), sql.Identifier(column)
    )
    cursor = admin.execute(query)
    names = [one.name for one in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [SealedValue(schema, table, column, row, row[column]) for row in rows]

"""Tables with sealed columns as a service has them, and what a test does to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Column, LargeBinary, Table, Uuid, insert, select

from tenon_core.ids import uuid7
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher, SealedTable
from tenon_crypto.file_keyring import FileKeyring
from tenon_crypto.key_cache import KeyCache
from tenon_db.database import Database
from tenon_db.tables import TENANT, USER, metadata

SCHEMA = "probe"

people = Table(
    "people",
    metadata(SCHEMA),
    Column("id", Uuid, primary_key=True),
    Column("email", LargeBinary),
    Column("name", LargeBinary),
    info=USER,
)
PEOPLE = SealedTable(people, owner="id", text=("email", "name"))

diaries = Table(
    "diaries",
    metadata(SCHEMA),
    Column("user_id", Uuid, primary_key=True),
    Column("email", LargeBinary),
    Column("secret", LargeBinary),
    info=USER,
)
DIARIES = SealedTable(diaries, owner="user_id", row="user_id", text=("email",), binary=("secret",))

customers = Table(
    "customers",
    metadata(SCHEMA),
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("email", LargeBinary),
    Column("name", LargeBinary),
    info=TENANT,
)
CUSTOMERS = SealedTable(customers, owner="org_id", text=("email", "name"))


@dataclass(frozen=True)
class Probe:
    database: Database
    admin_url: str
    keyring: Path

    def cipher(self, cache: KeyCache | None = None) -> FieldCipher:
        """Return a cipher as a process has it that was just started."""
        return FieldCipher(self.keys(cache))

    def keys(self, cache: KeyCache | None = None) -> DataKeys:
        return DataKeys(SCHEMA, FileKeyring(self.keyring), cache)

    async def new_person(self, cipher: FieldCipher, user_id: UUID | None = None) -> UUID:
        """Make a person with a diary."""
        user_id = user_id or uuid7()
        person = {"id": user_id, "email": f"{user_id}@example.com", "name": "Ada"}
        diary = {"user_id": user_id, "email": person["email"], "secret": b"\x00\xff"}
        async with self.database.user(user_id) as tx:
            await tx.execute(insert(people).values(await cipher.seal(tx, PEOPLE, person)))
            await tx.execute(insert(diaries).values(await cipher.seal(tx, DIARIES, diary)))
        return user_id

    async def new_customers(self, cipher: FieldCipher, org_id: UUID, count: int) -> None:
        async with self.database.tenant(org_id) as tx:
            for number in range(count):
                row = {"org_id": org_id, "id": uuid7(), "email": f"{number}@a.b", "name": "Bob"}
                await tx.execute(insert(customers).values(await cipher.seal(tx, CUSTOMERS, row)))

    async def person(self, cipher: FieldCipher, user_id: UUID) -> dict[str, Any]:
        """Read a person; Undecryptable."""
        async with self.database.user(user_id) as tx:
            rows = await tx.rows(select(people).where(people.c.id == user_id))
            (opened,) = await cipher.open(tx, PEOPLE, rows)
        return opened

    async def readable_people(self, cipher: FieldCipher) -> list[dict[str, Any]]:
        async with self.database.system("contacts") as tx:
            return await cipher.open_readable(tx, PEOPLE, await tx.rows(select(people)))

    async def readable_customers(self, cipher: FieldCipher, org_id: UUID) -> list[dict[str, Any]]:
        async with self.database.tenant(org_id) as tx:
            return await cipher.open_readable(tx, CUSTOMERS, await tx.rows(select(customers)))

    def admin(self) -> psycopg.Connection:
        """Connect as who may change everything, past row level security."""
        return psycopg.connect(self.admin_url, autocommit=True)

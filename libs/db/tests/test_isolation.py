"""Row level security, by itself: none of these statements names an organization."""

from uuid import UUID

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text

from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.transaction import Transaction

INSERT = text("INSERT INTO probe.notes VALUES (:org_id, :id)")
SELECT = text("SELECT org_id FROM probe.notes")


async def new_org(database: Database) -> UUID:
    """Make an organization with one note."""
    org_id = uuid7()
    async with database.tenant(org_id) as tx:
        await tx.execute(INSERT, {"org_id": org_id, "id": 1})
    return org_id


async def seen(tx: Transaction) -> set[UUID]:
    return {row.org_id for row in await tx.rows(SELECT)}


async def test_a_tenant_sees_its_own_rows_only(database: Database) -> None:
    mine, _ = await new_org(database), await new_org(database)
    async with database.tenant(mine) as tx:
        assert await seen(tx) == {mine}


async def test_a_tenant_cannot_write_into_another(database: Database) -> None:
    mine, other = await new_org(database), await new_org(database)
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        async with database.tenant(mine) as tx:
            await tx.execute(INSERT, {"org_id": other, "id": 2})


@pytest.mark.parametrize("kind", ["user", "system"])
async def test_without_a_tenant_there_is_nothing(database: Database, kind: str) -> None:
    await new_org(database)
    opened = database.user(uuid7()) if kind == "user" else database.system("test")
    async with opened as tx:
        assert await seen(tx) == set()


async def test_a_purpose_reads_and_does_not_write(database: Database) -> None:
    org_id = await new_org(database)
    async with database.system("inspection") as tx:
        assert org_id in await seen(tx)
        result = await tx.execute(text("DELETE FROM probe.notes"))
        assert result.rowcount == 0


async def test_the_application_role_cannot_step_out(database: Database) -> None:
    for statement in (
        "TRUNCATE probe.notes",
        "ALTER TABLE probe.notes DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE probe.mine ()",
    ):
        with pytest.raises(InsufficientPrivilege):
            async with database.system("test") as tx:
                await tx.execute(text(statement))

"""Whoever is on their way to write for an organization that is deleted is too late, or is erased
with the rest.
"""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Integer, Table, Uuid, insert

from tenon_core.errors import NotFound
from tenon_db.database import Database
from tenon_db.deleted_organizations import (
    BITE_ROWS,
    DeletedOrganizations,
    Erased,
    OrganizationRows,
    UnknownTable,
)
from tenon_db.tables import TENANT, metadata

SCHEMA = "probe"
BLOCKED_SECONDS = 0.3


def table(name: str) -> Table:
    found = metadata(SCHEMA).tables.get(f"{SCHEMA}.{name}")
    columns = (Column("org_id", Uuid, primary_key=True), Column("id", Integer, primary_key=True))
    return Table(name, metadata(SCHEMA), *columns, info=TENANT) if found is None else found


NOTES, LEAVES, OPEN_NOTES = table("notes"), table("leaves"), table("open_notes")


async def erase(database: Database, org_id: UUID) -> Erased:
    """Close an organization, and destroy its rows."""
    async with database.tenant(org_id) as tx:
        await DeletedOrganizations(tx, SCHEMA).close(org_id)
    async with database.tenant(org_id) as tx:
        rows = OrganizationRows(tx, SCHEMA)
        for one in await rows.tables():
            while (gone := await rows.bite(one)) != Erased():
                await DeletedOrganizations(tx, SCHEMA).add(org_id, gone)
        return await DeletedOrganizations(tx, SCHEMA).erased(org_id)


async def left(database: Database, org_id: UUID, one: Table) -> int:
    async with database.tenant(org_id) as tx:
        return len(await tx.rows(one.select().where(one.c.org_id == org_id)))


async def written_meanwhile(database: Database, one: Table) -> int:
    """Erase an organization while somebody writes a row of it; return how many are left."""
    org_id, erasing = uuid4(), None
    async with database.tenant(org_id) as tx:
        await tx.execute(insert(one).values(org_id=org_id, id=1))
        erasing = asyncio.create_task(erase(database, org_id))
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCKED_SECONDS):
                await asyncio.shield(erasing)
    await erasing
    return await left(database, org_id, one)


async def test_who_is_writing_is_waited_for_and_erased(database: Database) -> None:
    assert await written_meanwhile(database, NOTES) == 0


async def test_otherwise_their_row_would_be_left(database: Database) -> None:
    """The control."""
    assert await written_meanwhile(database, OPEN_NOTES) == 1


async def test_who_comes_later_is_refused(database: Database) -> None:
    org_id = uuid4()
    await erase(database, org_id)
    for one, taken in ((NOTES, False), (OPEN_NOTES, True)):
        try:
            async with database.tenant(org_id) as tx:
                await tx.execute(insert(one).values(org_id=org_id, id=1))
        except NotFound:
            assert not taken
        else:
            assert taken


async def test_all_rows_of_the_one_organization_go_whatever_refers_to_what(
    database: Database,
) -> None:
    own, other, count = uuid4(), uuid4(), BITE_ROWS + 1
    for org_id in (own, other):
        async with database.tenant(org_id) as tx:
            for one in (NOTES, LEAVES):
                rows = [{"org_id": org_id, "id": number} for number in range(count)]
                await tx.execute_many(insert(one), rows)
    assert await erase(database, own) == Erased(rows=2 * count)
    assert await erase(database, own) == Erased(rows=2 * count)
    assert [await left(database, own, one) for one in (NOTES, LEAVES)] == [0, 0]
    assert [await left(database, other, one) for one in (NOTES, LEAVES)] == [count, count]


@pytest.mark.parametrize("is_closed", [False, True])
async def test_an_organization_is_known_to_be_no_more(database: Database, is_closed: bool) -> None:
    org_id = uuid4()
    if is_closed:
        await erase(database, org_id)
    async with database.system("test") as tx:
        assert await DeletedOrganizations(tx, SCHEMA).has(org_id) is is_closed


async def test_who_does_not_know_a_table_does_not_say_that_all_is_gone(database: Database) -> None:
    """As a process of the version before that made it."""
    org_id = uuid4()
    metadata(SCHEMA).remove(NOTES)
    try:
        with pytest.raises(UnknownTable, match="notes"):
            await erase(database, org_id)
    finally:
        table("notes")

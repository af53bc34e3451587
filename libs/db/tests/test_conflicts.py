"""Of two transactions that are in each other's way, one is told to come again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from sqlalchemy import text

from libs.db.tests.conftest import SCHEMA
from tenon_core.errors import Unavailable
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.transaction import Transaction

ADD = text("INSERT INTO probe.notes VALUES (:org, :id)")
CHANGE = text("UPDATE probe.notes SET id = id WHERE id = :id")
REPEATABLE = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
POOL_SIZE = 5
"""The fewest connections of which one organization may use two at once."""
MEETING_SECONDS = 10.0


@pytest.fixture(scope="module")
async def database(database_url: str, doorbell: Doorbell) -> AsyncIterator[Database]:
    pool = Database(database_url, schema=SCHEMA, doorbell=doorbell, pool_size=POOL_SIZE)
    yield pool
    await pool.close()


@pytest.fixture
async def org_id(database: Database) -> AsyncIterator[UUID]:
    """An organization with two rows."""
    org_id = uuid7()
    async with database.tenant(org_id) as tx:
        for number in (1, 2):
            await tx.execute(ADD, {"org": org_id, "id": number})
    yield org_id
    async with database.tenant(org_id) as tx:
        await tx.execute(text("DELETE FROM probe.notes"))


async def change(tx: Transaction, number: int) -> None:
    await tx.execute(CHANGE, {"id": number})


def told(outcomes: Sequence[BaseException | None]) -> list[str]:
    """Return what those that failed were told."""
    failed = [one for one in outcomes if one is not None]
    assert all(isinstance(one, Unavailable) and one.retry_after for one in failed), failed
    return [str(one) for one in failed]


async def test_a_deadlock_is_no_mistake_of_ours(database: Database, org_id: UUID) -> None:
    """Each has a row that the other wants; the server lets one go on."""
    both = asyncio.Barrier(2)

    async def change_both(first: int, second: int) -> None:
        async with database.tenant(org_id) as tx:
            await change(tx, first)
            async with asyncio.timeout(MEETING_SECONDS):
                await both.wait()
            await change(tx, second)

    outcomes = await asyncio.gather(change_both(1, 2), change_both(2, 1), return_exceptions=True)
    assert len(told(outcomes)) == 1


async def test_nor_is_a_change_of_what_was_changed_since(database: Database, org_id: UUID) -> None:
    async def late() -> None:
        async with database.tenant(org_id) as tx:
            await tx.execute(REPEATABLE)
            await tx.execute(text("SELECT FROM probe.notes"))
            async with database.tenant(org_id) as faster:
                await change(faster, 1)
            await change(tx, 1)

    outcomes = await asyncio.gather(late(), return_exceptions=True)
    assert len(told(outcomes)) == 1

"""The connections of a pool are divided between organizations and accounts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from libs.db.tests.conftest import SCHEMA
from tenon_core.accounts import acting_for
from tenon_core.errors import LimitExceeded
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell

POOL_SIZE = 4
SOON = 0.2
BURST = 100


@pytest.fixture
async def pool(database_url: str, doorbell: Doorbell) -> AsyncIterator[Database]:
    database = Database(database_url, schema=SCHEMA, doorbell=doorbell, pool_size=POOL_SIZE)
    yield database
    await database.close()


@pytest.fixture
async def held() -> AsyncIterator[AsyncExitStack]:
    """Keeps transactions open until the test ends."""
    async with AsyncExitStack() as stack:
        yield stack


async def hold(pool: Database, held: AsyncExitStack, account_id: UUID) -> None:
    """Open a transaction of a new organization of an account."""
    released, opened = asyncio.Event(), asyncio.Event()

    async def transaction() -> None:
        with acting_for(account_id):
            async with pool.tenant(uuid4()):
                opened.set()
                await released.wait()

    async def end(task: asyncio.Task[None]) -> None:
        released.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    task = asyncio.create_task(transaction())
    held.push_async_callback(end, task)
    waiting = asyncio.create_task(opened.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()


async def test_an_account_s_organizations_leave_connections_for_others(
    pool: Database, held: AsyncExitStack
) -> None:
    hostile = uuid4()
    for _ in range(POOL_SIZE // 2):
        await hold(pool, held, hostile)
    waiting = asyncio.create_task(hold(pool, held, hostile))
    async with asyncio.timeout(SOON):
        await hold(pool, held, uuid4())
    assert not waiting.done()
    with pytest.raises(LimitExceeded) as refused:
        await waiting
    assert refused.value.limit == "database_connections_per_account"
    assert refused.value.retry_after


async def test_a_transaction_within_another_needs_no_share_of_its_own(pool: Database) -> None:
    account_id, org_id = uuid4(), uuid4()

    async def nested() -> None:
        with acting_for(account_id):
            async with pool.tenant(org_id), pool.tenant(org_id) as inner:
                assert inner.org_id == org_id

    async with asyncio.timeout(SOON * POOL_SIZE):
        await asyncio.gather(*(nested() for _ in range(2 * POOL_SIZE)))


async def test_a_burst_of_one_organization_waits_and_is_served(pool: Database) -> None:
    """Far more than it may hold at once; the rest of the pool is idle."""
    org_id = uuid4()

    async def work() -> None:
        async with pool.tenant(org_id) as tx:
            await tx.execute(text("SELECT pg_sleep(0.005)"))

    await asyncio.gather(*(work() for _ in range(BURST)))


async def test_connections_come_back_however_transactions_end(pool: Database) -> None:
    async def fail(org_id: UUID) -> None:
        async with pool.tenant(org_id):
            raise ValueError("of the test")

    for _ in range(3 * POOL_SIZE):
        with pytest.raises(ValueError, match="of the test"):
            await fail(uuid4())
    async with asyncio.timeout(SOON):
        async with pool.tenant(uuid4()) as one, pool.tenant(uuid4()) as other:
            assert one.org_id != other.org_id

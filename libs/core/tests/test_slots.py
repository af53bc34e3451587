import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from tenon_core.errors import LimitExceeded
from tenon_core.slots import Holder, Slots, define_slots

LIMITS = define_slots("test_work", "the work of a test", "TENON_TEST_SLOTS")
SOON = 0.02
LATER = 30.0
PATIENCE = 0.5


@pytest.fixture
async def held() -> AsyncIterator[AsyncExitStack]:
    """Keeps slots until the test ends."""
    async with AsyncExitStack() as stack:
        yield stack


async def take_all(pool: Slots, held: AsyncExitStack, account_id: UUID) -> tuple[int, str]:
    """Take slots for ever new organizations of an account; return how many, and what ended it."""
    taken = 0
    while True:
        try:
            await held.enter_async_context(pool.held(Holder(account_id, uuid4())))
        except LimitExceeded as error:
            return taken, error.limit
        taken += 1


async def test_an_account_with_many_organizations_holds_half(held: AsyncExitStack) -> None:
    assert await take_all(Slots(LIMITS, 10, SOON), held, uuid4()) == (5, "test_work_per_account")


async def test_an_organization_holds_four_fifths_of_its_account_s_share(
    held: AsyncExitStack,
) -> None:
    pool, holder = Slots(LIMITS, 10, SOON), Holder(uuid4(), uuid4())
    for _ in range(4):
        await held.enter_async_context(pool.held(holder))
    with pytest.raises(LimitExceeded) as refused:
        await held.enter_async_context(pool.held(holder))
    assert refused.value.limit == "test_work_per_organization"
    await held.enter_async_context(pool.held(Holder(holder.account_id, uuid4())))


async def test_two_busy_accounts_leave_slots_for_others(held: AsyncExitStack) -> None:
    pool = Slots(LIMITS, 4, SOON)
    await take_all(pool, held, uuid4())
    await take_all(pool, held, uuid4())
    assert (await take_all(pool, held, uuid4()))[0] == 1


async def test_without_free_slots_the_process_limit_is_named(held: AsyncExitStack) -> None:
    pool = Slots(LIMITS, 1, SOON)
    await take_all(pool, held, uuid4())
    assert await take_all(pool, held, uuid4()) == (0, "test_work_per_process")


async def test_a_free_slot_goes_to_who_holds_least_before_who_waited_longer() -> None:
    pool, served = Slots(LIMITS, 2, LATER), list[str]()
    busy, idle = uuid4(), uuid4()

    async def work(name: str, holder: Holder, until: asyncio.Event) -> None:
        async with pool.held(holder):
            served.append(name)
            await until.wait()

    first, others = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work("busy 1", Holder(busy, uuid4()), first))
        tasks.create_task(work("third", Holder(uuid4()), others))
        await asyncio.sleep(0)
        for number in (2, 3, 4):
            tasks.create_task(work(f"busy {number}", Holder(busy, uuid4()), others))
        await asyncio.sleep(0)
        tasks.create_task(work("idle", Holder(idle), others))
        await asyncio.sleep(0)
        others.set()
        await asyncio.sleep(0)
        first.set()
    assert served.index("idle") == 2
    assert sorted(served[3:]) == ["busy 2", "busy 3", "busy 4"]


async def test_a_burst_waits_for_as_long_as_its_line_moves() -> None:
    """In all many times as long as a line may stand still."""
    pool, holder = Slots(LIMITS, 2, PATIENCE), Holder(uuid4(), uuid4())

    async def work() -> float:
        joined_at = time.monotonic()
        async with pool.held(holder):
            waited = time.monotonic() - joined_at
            await asyncio.sleep(PATIENCE / 10)
        return waited

    longest = max(await asyncio.gather(*(work() for _ in range(40))))
    assert longest > 2 * PATIENCE


async def test_a_line_that_stands_still_is_refused(held: AsyncExitStack) -> None:
    """Though the line moved before, and other holders go on."""
    pool, holder, others = Slots(LIMITS, 4, SOON), Holder(uuid4(), uuid4()), Holder(uuid4())
    await held.enter_async_context(pool.held(holder))
    waiting = asyncio.create_task(held.enter_async_context(pool.held(holder)))
    async with asyncio.timeout(LATER):
        while not waiting.done():
            async with pool.held(others):
                await asyncio.sleep(0)
    assert isinstance(waiting.exception(), LimitExceeded)


async def test_cancelled_and_refused_waiters_lose_no_slot(held: AsyncExitStack) -> None:
    pool, holder = Slots(LIMITS, 1, LATER), Holder(uuid4())
    for moment in range(20):
        async with pool.held(Holder(uuid4())):
            waiting = asyncio.create_task(held.enter_async_context(pool.held(holder)))
            await asyncio.sleep(0)
            if moment % 2:
                waiting.cancel()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await held.enter_async_context(pool.held(Holder(uuid4())))

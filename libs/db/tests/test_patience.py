"""A server that is gone without a word holds nobody for longer than they would wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from libs.db.tests.conftest import SCHEMA
from tenon_core import deadlines
from tenon_core.errors import DeadlineExceeded, Unavailable
from tenon_db import database as database_module
from tenon_db import patience
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_testing.proxy import Proxy
from tenon_testing.waiting import eventually

SELECT = text("SELECT 1")
DEADLINE_SECONDS = 0.5
LATE_SECONDS = 0.45
"""After a deadline: a margin, one more interruption, and a busy machine."""


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    port = make_url(database_url).port
    assert port is not None
    between = Proxy(port)
    yield between
    between.close()


@pytest.fixture
async def far(database_url: str, proxy: Proxy, doorbell: Doorbell) -> AsyncIterator[Database]:
    url = make_url(database_url).set(port=proxy.port).render_as_string(hide_password=False)
    database = Database(url, schema=SCHEMA, doorbell=doorbell, pool_size=1)
    await database.check()  # so that the pool has a connection
    yield database
    proxy.heal()
    await database.close()


async def ask_into_silence(far: Database, proxy: Proxy, seconds: float) -> None:
    async with far.tenant(UUID(int=1), statement_seconds=seconds) as tx:
        proxy.black_hole()
        await tx.execute(SELECT)


async def ask_with_a_deadline(far: Database, proxy: Proxy) -> None:
    async with deadlines.limit(DEADLINE_SECONDS):
        await ask_into_silence(far, proxy, seconds=30.0)


async def lateness(far: Database, proxy: Proxy) -> float:
    """Return how many seconds after its deadline a statement was given up."""
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await ask_with_a_deadline(far, proxy)
    return time.monotonic() - began - DEADLINE_SECONDS


async def sleep_past_a_deadline(far: Database) -> None:
    async with deadlines.limit(DEADLINE_SECONDS), far.system("test") as tx:
        await tx.execute(text("SELECT pg_sleep(30)"))


async def test_a_begin_that_nobody_answers_is_given_up(
    far: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BEGIN_SECONDS", 0.2)
    proxy.black_hole()
    async with asyncio.timeout(20):
        with pytest.raises(Unavailable):
            await far.check()


async def test_a_statement_that_nobody_answers_is_given_up(far: Database, proxy: Proxy) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await ask_into_silence(far, proxy, seconds=0.3)


async def test_it_goes_on_with_another_connection(far: Database, proxy: Proxy) -> None:
    await lateness(far, proxy)
    proxy.heal()
    await far.check()


async def test_a_deadline_holds_where_no_cancellation_is_answered(
    far: Database, proxy: Proxy
) -> None:
    assert await lateness(far, proxy) < LATE_SECONDS


async def test_without_insisting_the_deadline_would_not_hold(
    far: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: psycopg by itself waits on for its cancellation."""
    monkeypatch.setattr(patience, "MARGIN_SECONDS", 2.0)
    assert await lateness(far, proxy) > LATE_SECONDS


async def test_a_statement_of_a_server_that_lives_is_cancelled_and_the_connection_kept(
    far: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "INSIST_SECONDS", 10.0)  # it answers, however busy the machine
    with pytest.raises((TimeoutError, DeadlineExceeded)):  # whichever clock is first
        await sleep_past_a_deadline(far)
    before = proxy.traffic.connections
    await far.check()
    assert proxy.traffic.connections == before


async def test_a_cancellation_while_rolling_back_keeps_no_connection(
    far: Database, proxy: Proxy
) -> None:
    """The pool has one, and would have none for those who come after."""
    opened = asyncio.Event()

    async def hold() -> None:
        async with far.system("test") as tx:
            await tx.execute(SELECT)
            opened.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await opened.wait()
    proxy.delay(0.2)
    sent = proxy.traffic.sent

    async def rolls_back() -> bool:
        return proxy.traffic.sent > sent

    holding.cancel()
    await eventually(rolls_back)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    proxy.heal()
    await far.check()

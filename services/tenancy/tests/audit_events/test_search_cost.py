"""However long a log is, a page of it costs as much as the page shows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from psycopg import sql

from tenon_db.statements import compiled
from tenon_db.transaction import Transaction
from tenon_rpc.backbone import Backbone
from tenon_tenancy.audit_events.filters import Filters
from tenon_tenancy.audit_events.search_repository import AuditSearchRepository
from tenon_tenancy.settings import TenancySettings

LINES, MANY_LINES = 60_000, 1_000_000
OLD = 3_000
"""So many of the first lines are of an actor, actions and things that come never again."""
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 101
BUFFERS = 700
"""Of 8 KiB: three for each line of two actions, should they all be scattered, and the ways down."""

FILL = """
INSERT INTO tenancy.audit_events
    (org_id, position, id, action, actor, resource, request_id, count, event_time, hash)
SELECT %(org)s, n, gen_random_uuid(),
    CASE WHEN n <= %(old)s THEN 'old.things.do_' || n %% 2 ELSE 'reports.runs.do_' || n %% 12 END,
    CASE WHEN n <= %(old)s THEN 'users/old' ELSE 'users/' || n %% 50 END,
    CASE WHEN n <= %(old)s THEN 'datasets/old' ELSE 'datasets/' || n %% 5000 END,
    'r', 1, %(first)s + n * interval '1 second', ''
FROM generate_series(1, %(lines)s) AS n
"""
EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
NO_INDEX = (
    "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;"
    " SET LOCAL enable_bitmapscan = off"
)

SEARCHES = [
    Filters(),
    Filters(actor="users/old"),
    Filters(actor="users/nobody"),
    Filters(action="old.things.do_1"),
    Filters(action="old."),
    Filters(action="reports.runs.do_1"),
    Filters(resource="datasets/old"),
    Filters(resource="datasets/7"),
    Filters(end_time=FIRST + timedelta(seconds=OLD / 2)),
    Filters(start_time=FIRST, end_time=FIRST + timedelta(seconds=60)),
    Filters(actor="users/7", end_time=FIRST + timedelta(hours=3)),
    Filters(action="old.", end_time=FIRST + timedelta(seconds=OLD / 2)),
    Filters(actor="users/7", action="reports.runs.", resource="datasets/7"),
]


@pytest.fixture(scope="module")
async def org_id(
    tenancy: grpc.aio.Channel,  # noqa: ARG001 # which has migrated the database
    admin: psycopg.AsyncConnection,
    request: pytest.FixtureRequest,
) -> AsyncIterator[UUID]:
    """An organization with a long log."""
    lines = MANY_LINES if request.config.getoption("--long") else LINES
    org_id = uuid4()
    await admin.execute(FILL, {"org": org_id, "lines": lines, "old": OLD, "first": FIRST})
    await admin.execute("ANALYZE tenancy.audit_events")
    yield org_id
    for table in ("audit_events", "audit_hours", "audit_actions"):
        gone = sql.SQL("DELETE FROM {} WHERE org_id = %s").format(sql.Identifier("tenancy", table))
        await admin.execute(gone, [org_id])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many buffers each statement of a transaction reads."""
    buffers: list[int] = []
    rows = Transaction.rows

    async def counted(tx: Transaction, statement: Any) -> Any:
        explained, values = compiled(statement, None)
        cursor = await tx.driver.execute((EXPLAIN + explained).encode(), values)
        ((told,),) = await cursor.fetchall()
        plan = told[0]["Plan"]
        buffers.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        return await rows(tx, statement)

    monkeypatch.setattr(Transaction, "rows", counted)
    return buffers


@pytest.mark.parametrize("filters", SEARCHES, ids=str)
async def test_a_page_costs_what_it_shows(
    backbone: Backbone[TenancySettings], org_id: UUID, read: list[int], filters: Filters
) -> None:
    async with backbone.database.tenant(org_id) as tx:
        await AuditSearchRepository(tx, org_id).page(filters, PAGE, None)
    assert sum(read) < BUFFERS


async def test_without_the_indexes_the_whole_log_is_read(
    backbone: Backbone[TenancySettings], org_id: UUID, read: list[int]
) -> None:
    """The control."""
    async with backbone.database.tenant(org_id) as tx:
        await tx.driver.execute(NO_INDEX)
        await AuditSearchRepository(tx, org_id).page(Filters(actor="users/old"), PAGE, None)
    assert sum(read) > BUFFERS

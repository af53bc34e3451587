"""A3: connections that tenants share leak no tenant, whatever is cancelled when; nor do the
sessions of a PgBouncer in transaction mode, of which each transaction gets any.
"""

import asyncio
import os
import random
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from libs.db.tests.conftest import PASSWORDS, SCHEMA
from libs.db.tests.pgbouncer import PgBouncer, find_pgbouncer
from tenon_core.errors import LimitExceeded
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.roles import app_role
from tenon_testing.servers import Servers

TASKS = 200
ORGANIZATIONS = 10
SESSIONS = 2
SEEN = text("SELECT pg_backend_pid() AS pid, array_agg(DISTINCT org_id) AS orgs FROM probe.notes")
UNSAID = "SELECT count(*) FROM probe.notes"
SHARED = 2


@pytest.fixture(scope="session")
def pgbouncer(servers: Servers) -> Iterator[PgBouncer]:
    program = find_pgbouncer()
    if program is None:
        pytest.skip("pgbouncer is not installed (on Debian and Ubuntu: apt install pgbouncer)")
    users = {app_role(SCHEMA): PASSWORDS.app}
    directory = servers.directory / "pgbouncer"
    with PgBouncer(directory, program, servers.postgres.port, users, SESSIONS) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def pooled_url(pgbouncer: PgBouncer, database_url: str) -> str:
    """The same database through the pooler."""
    name = database_url.rpartition("/")[2]
    return f"postgresql://{app_role(SCHEMA)}:{PASSWORDS.app}@127.0.0.1:{pgbouncer.port}/{name}"


@pytest.fixture(scope="session")
async def pooled(pooled_url: str, doorbell: Doorbell) -> AsyncIterator[Database]:
    """More connections than the pooler has sessions."""
    database = Database(pooled_url, schema=SCHEMA, doorbell=doorbell, pool_size=10, prepared=False)
    yield database
    await database.close()


@dataclass
class Tally:
    """What tasks met; `shared` has the organizations that each session served."""

    done: int = 0
    cancelled: int = 0
    wrong: int = 0
    failures: list[BaseException] = field(default_factory=list)
    shared: dict[int, set[UUID]] = field(default_factory=lambda: defaultdict(set))


async def use(database: Database, org_id: UUID, tally: Tally) -> None:
    async with database.tenant(org_id) as tx:
        row = await tx.row(SEEN)
        assert row is not None
        tally.wrong += set(row.orgs or ()) != {org_id}
        tally.shared[row.pid].add(org_id)
    tally.done += 1


async def use_at_once(database: Database, transactions: int, chance: random.Random) -> Tally:
    """Let many tasks use a database for a few organizations, a tenth of them cancelled midway."""
    orgs = [await _new_org(database) for _ in range(ORGANIZATIONS)]
    tally = Tally()

    async def one_task(dice: random.Random) -> None:
        for _ in range(transactions // TASKS):
            task = asyncio.create_task(use(database, dice.choice(orgs), tally))
            if dice.random() < 0.1:
                await asyncio.sleep(dice.random() / 20)
                task.cancel()
            (met,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(met, asyncio.CancelledError):
                tally.cancelled += 1
            elif met is not None and not isinstance(met, LimitExceeded):
                tally.failures.append(met)

    dice = [random.Random(chance.random()) for _ in range(TASKS)]  # noqa: S311 # repeatable
    await asyncio.gather(*map(one_task, dice))
    return tally


async def _new_org(database: Database) -> UUID:
    org_id = uuid7()
    async with database.tenant(org_id) as tx:
        await tx.execute(text("INSERT INTO probe.notes VALUES (:org_id, 1)"), {"org_id": org_id})
    return org_id


def require_no_leak(tally: Tally, transactions: int) -> None:
    print(f"{tally.done} done, {tally.cancelled} cancelled of {transactions}")  # noqa: T201
    assert tally.failures == []
    assert tally.wrong == 0
    assert tally.done > transactions * 0.8
    assert tally.cancelled > 0
    assert all(len(orgs) >= SHARED for orgs in tally.shared.values())


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("TENON_SEED") or secrets.randbits(32))
    print(f"TENON_SEED={seed}")  # noqa: T201 # so that a failure can be repeated
    return random.Random(seed)  # noqa: S311 # repeatable, not secret


@pytest.fixture
def transactions(pytestconfig: pytest.Config) -> int:
    return 50_000 if pytestconfig.getoption("--long") else 1_000


@pytest.mark.timeout(1800)
async def test_pooled_connections_leak_no_tenant(
    database: Database, transactions: int, chance: random.Random
) -> None:
    """On two connections."""
    require_no_leak(await use_at_once(database, transactions, chance), transactions)


@pytest.mark.timeout(1800)
async def test_a_poolers_sessions_leak_no_tenant(
    pooled: Database, transactions: int, chance: random.Random
) -> None:
    """On two sessions, which ten connections share."""
    require_no_leak(await use_at_once(pooled, transactions, chance), transactions)


async def test_times_are_in_utc_behind_a_pooler(
    pooled: Database, database_url: str, servers: Servers
) -> None:
    """It drops what a connection asks for; the roles are set to it, whatever the database is."""
    name = database_url.rpartition("/")[2]
    async with await psycopg.AsyncConnection.connect(servers.postgres.url(name)) as admin:
        await admin.execute(f"ALTER DATABASE {name} SET timezone TO 'Asia/Tokyo'".encode())
    await _end_sessions(servers)
    async with pooled.system("test") as tx:
        assert await tx.scalar(text("SHOW timezone")) == "UTC"


async def test_who_says_nothing_sees_nothing(pooled: Database, pooled_url: str) -> None:
    """On every session of the pooler, after tenants were there."""
    await asyncio.gather(*(_new_org(pooled) for _ in range(ORGANIZATIONS)))
    assert await _unsaid(pooled_url) == {0}


async def test_a_setting_that_outlives_its_transaction_is_found(
    pooled: Database, pooled_url: str, servers: Servers
) -> None:
    """The positive control: with a tenant set for the session, its rows are everybody's."""
    org_id = await _new_org(pooled)
    async with await _connect(pooled_url) as careless:
        await careless.execute("SELECT set_config('app.org_id', %s, false)", [str(org_id)])
        assert 1 in await _unsaid(pooled_url)
    await _end_sessions(servers)


async def _unsaid(url: str) -> set[int]:
    """Return what transactions see that say nothing of whose rows they want, on every session."""
    clients = [await _connect(url) for _ in range(SESSIONS)]
    seen = set()
    for client in clients:  # each holds its session until all have one
        await client.execute("BEGIN")
    for client in clients:
        row = await (await client.execute(UNSAID)).fetchone()
        assert row is not None
        seen.add(row[0])
        await client.execute("COMMIT")
        await client.close()
    return seen


async def _end_sessions(servers: Servers) -> None:
    """Let the pooler begin anew, for a setting of a session stays in it."""
    url = servers.postgres.url()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
            [app_role(SCHEMA)],
        )


async def _connect(url: str) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=None)

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from libs.jobs.tests.job_bench import Bench
from tenon_db import migrations
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_embedded.valkey import ValkeyServer
from tenon_jobs import JobQueue, SilentDoorbell
from tenon_testing.servers import Servers

VERSIONS = Path(__file__).parent / "versions"

PASSWORDS = Passwords(owner="owner", app="app")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Valkey of these tests alone: they stop it."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> str:
    return migrated(servers)


def migrated(servers: Servers) -> str:
    """Make a database of a service named `work`, and return its URL."""
    postgres, name = servers.postgres, f"jobs_{uuid4().hex}"
    provision(postgres.url(), name, {"work": PASSWORDS})
    owner = postgres.url(name, owner_role("work"), PASSWORDS.owner)
    migrations.run(owner, schema="work", versions=VERSIONS)
    return postgres.url(name, app_role("work"), PASSWORDS.app)


@pytest.fixture(scope="session")
async def session_database(database_url: str, valkey: ValkeyServer) -> AsyncIterator[Database]:
    redis = Redis.from_url(valkey.url())
    database = Database(database_url, schema="work", doorbell=Doorbell(redis))
    yield database
    await database.close()
    await redis.aclose()


@pytest.fixture
async def database(session_database: Database) -> Database:
    """An empty database."""
    async with session_database.system("test") as tx:
        await tx.execute(sa.text("DELETE FROM work.jobs"))
        await tx.execute(sa.text("DELETE FROM work.effects"))
        await tx.execute(sa.text("DELETE FROM work.recurring"))
    return session_database


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database, JobQueue("work", SilentDoorbell()))

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from tenon_db import migrations
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_testing.servers import Servers

SCHEMA = "probe"
PASSWORDS = Passwords(owner="owner-of-probe", app="app-of-probe")


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> str:
    return migrated(servers)


def migrated(servers: Servers) -> str:
    """Return the URL of a migrated database of its own, as the application role."""
    name = f"probe_{uuid4().hex}"
    postgres = servers.postgres
    provision(postgres.url(), name, {SCHEMA: PASSWORDS})
    owner = postgres.url(name, owner_role(SCHEMA), PASSWORDS.owner)
    migrations.run(owner, schema=SCHEMA, versions=Path(__file__).parent / "versions")
    return postgres.url(name, app_role(SCHEMA), PASSWORDS.app)


@pytest.fixture(scope="session")
async def doorbell(servers: Servers) -> AsyncIterator[Doorbell]:
    redis = Redis.from_url(servers.valkey.url())
    yield Doorbell(redis)
    await redis.aclose()


@pytest.fixture(scope="session")
async def database(database_url: str, doorbell: Doorbell) -> AsyncIterator[Database]:
    """Two connections, so that transactions of different tenants share them."""
    pool = Database(database_url, schema=SCHEMA, doorbell=doorbell, pool_size=2)
    yield pool
    await pool.close()

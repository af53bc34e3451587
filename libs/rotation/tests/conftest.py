from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from libs.crypto.tests.probe import SCHEMA, Probe
from libs.rotation.tests.rotating import Rotating
from tenon_crypto.file_keyring import create_keyring
from tenon_db import migrations
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_testing.servers import Servers

PASSWORDS = Passwords(owner="owner-of-probe", app="app-of-probe")


@pytest.fixture
async def rotating(servers: Servers, tmp_path: Path) -> AsyncIterator[Rotating]:
    """A service's schema in a database of its own, a keyring, and what rotates its keys."""
    name, postgres = f"rotating_{uuid4().hex}", servers.postgres
    provision(postgres.url(), name, {SCHEMA: PASSWORDS})
    owner = postgres.url(name, owner_role(SCHEMA), PASSWORDS.owner)
    migrations.run(owner, schema=SCHEMA, versions=Path(__file__).parent / "versions")
    redis = Redis.from_url(servers.valkey.url())
    url = postgres.url(name, app_role(SCHEMA), PASSWORDS.app)
    database = Database(url, schema=SCHEMA, doorbell=Doorbell(redis), pool_size=20)
    keyring = tmp_path / "keyring"
    create_keyring(keyring)
    probe = Probe(database, postgres.url(name), keyring)
    yield Rotating(probe, url, servers.valkey.url())
    await database.close()
    await redis.aclose()

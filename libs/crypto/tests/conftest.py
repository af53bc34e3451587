from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from libs.crypto.tests.probe import SCHEMA, Probe
from tenon_crypto.file_keyring import create_keyring
from tenon_db import migrations
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.provisioning import Passwords, provision
from tenon_db.roles import app_role, owner_role
from tenon_testing.servers import Servers

PASSWORDS = Passwords(owner="owner-of-probe", app="app-of-probe")


@pytest.fixture(scope="session")
async def probe(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Probe]:
    """A service's schema in a database of its own, and a keyring."""
    name = f"probe_{uuid4().hex}"
    postgres = servers.postgres
    provision(postgres.url(), name, {SCHEMA: PASSWORDS})
    owner = postgres.url(name, owner_role(SCHEMA), PASSWORDS.owner)
    migrations.run(owner, schema=SCHEMA, versions=Path(__file__).parent / "versions")
    redis = Redis.from_url(servers.valkey.url())
    app = postgres.url(name, app_role(SCHEMA), PASSWORDS.app)
    database = Database(app, schema=SCHEMA, doorbell=Doorbell(redis))
    keyring = tmp_path_factory.mktemp("keyring")
    create_keyring(keyring)
    yield Probe(database, postgres.url(name), keyring)
    await database.close()
    await redis.aclose()

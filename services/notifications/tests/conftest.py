from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from services.notifications.tests.mail_bench import MailBench
from tenon_db import migrations
from tenon_notifications.app import APP, NAME
from tenon_notifications.settings import NotificationsSettings
from tenon_testing.callers import Callers
from tenon_testing.servers import Servers
from tenon_testing.system import System


@pytest.fixture(scope="session")
def system(servers: Servers) -> Iterator[System]:
    """A system in which no other worker takes the jobs from those of these tests."""
    own = System(servers, f"test_{uuid4().hex}")
    yield own
    own.stop()


@pytest.fixture(scope="session")
async def callers(system: System) -> AsyncIterator[Callers]:
    """Whoever signs up in it."""
    people = Callers(system)
    yield people
    await people.close()


@pytest.fixture(scope="session")
def settings(system: System, callers: Callers) -> NotificationsSettings:  # noqa: ARG001 # starts auth
    """Settings of a migrated notifications service, beside auth and tenancy."""
    settings = system.settings(APP, process="notifications-worker")
    owner = settings.migration_database_url
    assert isinstance(owner, SecretStr)
    migrations.run(owner.get_secret_value(), schema=NAME, versions=APP.migrations)
    return settings


@pytest.fixture
async def bench(system: System, settings: NotificationsSettings) -> AsyncIterator[MailBench]:
    async with MailBench.opened(system, settings) as bench:
        yield bench

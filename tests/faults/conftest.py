from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tenon_testing.servers import Servers
from tenon_testing.system import System
from tests.faults.rig import REQUEST_SECONDS, Rig, User

FOLDER = Path(__file__).parent
EDGES = [
    *(("gateway", edge) for edge in ("auth", "tenancy", "reports", "redis")),
    *(("reports", edge) for edge in ("auth", "tenancy", "postgres", "redis")),
    *(("auth", edge) for edge in ("postgres", "redis")),
    *(("tenancy", edge) for edge in ("auth", "postgres", "redis")),
    *(("reports-worker", edge) for edge in ("postgres", "redis")),
    *(("notifications-worker", edge) for edge in ("auth", "reports", "smtp")),
]

SECONDS = 300
"""A test's bound; the first one's holds the start of the system, on a machine that may be busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that no other test is disturbed by."""
    servers = Servers(tmp_path_factory.mktemp("faulty"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def whole_rig(own_servers: Servers) -> Iterator[Rig]:
    system = System(own_servers, f"test_{uuid4().hex}")
    edges = {edge: system.proxied(*edge) for edge in EDGES}
    system.choose("gateway", request_seconds=str(REQUEST_SECONDS))
    for service in ("auth", "tenancy", "reports", "gateway"):
        system.start(service)  # tests start what else they need
    yield Rig(system, edges)
    system.stop()


@pytest.fixture
def rig(whole_rig: Rig) -> Iterator[Rig]:
    yield whole_rig
    whole_rig.heal()


@pytest.fixture
async def user(rig: Rig) -> AsyncIterator[User]:
    async with rig.user() as user:
        yield user

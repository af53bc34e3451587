"""Fixtures: servers shared by the run, a system in a database of its own, and callers for it."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from tenon_testing.callers import Callers
from tenon_testing.servers import Servers
from tenon_testing.system import System


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the full figures of docs/claims.md")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="a full figure: runs with --long"))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL, Valkey and a mail sink, each started when it is first used."""
    shared = Servers(tmp_path_factory.mktemp("servers"))
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def system(servers: Servers) -> Iterator[System]:
    """A system in a database of its own; its services start when they are needed."""
    own = System(servers, f"test_{uuid4().hex}")
    yield own
    own.stop()


@pytest.fixture(scope="session")
async def callers(system: System) -> AsyncIterator[Callers]:
    """Whoever signs up and makes organizations."""
    people = Callers(system)
    yield people
    await people.close()

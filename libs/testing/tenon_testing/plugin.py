"""Fixtures: servers shared by the run, a system in a database of its own, and callers for it."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from tenon_testing.callers import Callers
from tenon_testing.servers import Servers
from tenon_testing.system import System

SEED = "TENON_SEED"
SEED_KEY = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the full figures of docs/claims.md")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SEED_KEY] = int(os.environ.get(SEED) or secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.getoption("--long"):
        return None
    return f"seed: {config.stash[SEED_KEY]} (set {SEED} to it to repeat this run)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="a full figure: runs with --long"))


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """What every random choice of the run follows from; shown with a failure."""
    number = pytestconfig.stash[SEED_KEY]
    print(f"{SEED}={number}")  # noqa: T201 # pytest shows it with a failure
    return number


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

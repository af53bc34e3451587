from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest

from services.reports.tests.reports_client import ReportsClient
from tenon_reports.app import APP
from tenon_reports.settings import ReportsSettings
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_testing.callers import Callers
from tenon_testing.system import System


@pytest.fixture(scope="session")
async def reports(system: System) -> AsyncIterator[grpc.aio.Channel]:
    """Reports as the gateway reaches it, and its worker beside it."""
    system.start("reports")
    system.start("reports", "worker")
    channel = system.channel("reports")
    yield channel
    await channel.close(None)


@pytest.fixture
async def client(reports: grpc.aio.Channel, callers: Callers) -> ReportsClient:
    """The owner of a new organization."""
    return ReportsClient(reports, await callers.tenant())


@pytest.fixture
async def stranger(reports: grpc.aio.Channel, callers: Callers) -> ReportsClient:
    """The owner of another organization."""
    return ReportsClient(reports, await callers.tenant())


@pytest.fixture(scope="session")
async def backbone(
    reports: grpc.aio.Channel,  # noqa: ARG001 # made the schema
    system: System,
) -> AsyncIterator[Backbone[ReportsSettings]]:
    """What a further process of reports stands on, as its application role."""
    async with open_backbone(APP.name, system.settings(APP)) as backbone:
        yield backbone


@pytest.fixture
async def feed(reports: grpc.aio.Channel, system: System) -> AsyncIterator[PeerFeed]:  # noqa: ARG001 # it serves
    """What reports publishes, as another service's worker pulls it."""
    channel = system.channel("reports", caller="notifications-worker")
    yield PeerFeed("reports", channel)
    await channel.close(None)


@pytest.fixture
async def admin(system: System) -> AsyncIterator[psycopg.AsyncConnection]:
    """The database past all row level security."""
    connection = await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True)
    async with connection:
        yield connection

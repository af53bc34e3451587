from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import grpc
import psycopg
import pytest
from google.protobuf.message import Message

from services.tenancy.tests.tampered_logs import COVERED, Logs, clients_of, service
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_storage.file_storage import FileStorage
from tenon_tenancy.app import APP
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_events.models import ORGANIZATIONS
from tenon_tenancy.members.models import Member
from tenon_tenancy.members.repository import MemberRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]


@pytest.fixture(scope="session")
async def tenancy(system: System) -> AsyncIterator[grpc.aio.Channel]:
    """Tenancy as the gateway reaches it."""
    system.start("tenancy")
    channel = system.channel("tenancy")
    yield channel
    await channel.close(None)


@pytest.fixture(scope="session")
async def backbone(system: System) -> AsyncIterator[Backbone[TenancySettings]]:
    """What a further worker of tenancy stands on, as its application role."""
    async with open_backbone(APP.name, system.settings(APP, process="tenancy-worker")) as backbone:
        yield backbone


@pytest.fixture
def join(system: System, backbone: Backbone[TenancySettings], callers: Callers) -> Join:
    """Let a new user join an organization in a role, with the address verified, as an accepted
    invitation does.
    """

    async def join(tenant: Tenant, role: Role) -> Caller:
        caller = await callers.user()
        system.verify_email(caller.user_id)
        member = Member(caller.user_id, role, clock.now())
        async with backbone.database.tenant(tenant.org_id) as tx:
            await MemberRepository(tx, tenant.org_id).add(member)
        return caller

    return join


@pytest.fixture
async def published(system: System) -> AsyncIterator[Published]:
    """Wait for what the feed tells of an organization: payloads of one kind, oldest first."""
    channel = system.channel("tenancy", caller="notifications-worker")
    feed = PeerFeed("tenancy", channel)

    async def published(org_id: UUID, kind: type[Message]) -> list[Any]:
        async def payloads() -> list[Any]:
            found: list[Any] = []
            after, position = -1, 0
            while after < position:
                after = position
                events, position = await feed.pull(after, [kind.DESCRIPTOR.full_name], 1_000)
                found += [kind.FromString(one.payload) for one in events if one.org_id == org_id]
            return found

        return await eventually(payloads)

    yield published
    await channel.close(None)


@pytest.fixture(scope="session")
async def admin(system: System) -> AsyncIterator[psycopg.AsyncConnection]:
    """The database past all row level security."""
    connection = await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True)
    async with connection:
        yield connection


@pytest.fixture
async def logs(
    tenancy: grpc.aio.Channel,  # noqa: ARG001 # which has migrated the database
    backbone: Backbone[TenancySettings],
    admin: psycopg.AsyncConnection,
) -> Logs:
    """A log with a checkpoint."""
    settings = backbone.settings
    storage = Path(urlsplit(settings.checkpoint_url).path)
    keys = CheckpointKeys(settings.checkpoint_keys_directory)
    checkpoints = service(backbone, FileStorage(storage, b"", ""))
    key = LogKey(ORGANIZATIONS, uuid7())
    clients = clients_of(backbone)
    logs = Logs(key, backbone.database, admin, storage, keys, checkpoints, clients)
    await logs.append(COVERED)
    await logs.cover()
    return logs

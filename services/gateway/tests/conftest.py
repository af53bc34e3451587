"""The gateway on a free port, in front of the real services."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import psycopg
import pytest
from redis.asyncio import Redis

from services.gateway.tests.browsing import Gateway, Join, Serve, client_of
from tenon_embedded.ports import free_port
from tenon_gateway.app import Readiness, running
from tenon_gateway.settings import GatewaySettings
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System


@pytest.fixture(scope="session")
def serve(system: System) -> Serve:
    """Serve a gateway with other settings than usual."""
    return partial(_serve, system)


@asynccontextmanager
async def _serve(system: System, port: int = 0, **overrides: object) -> AsyncIterator[Gateway]:
    port = port or free_port()
    values = system.values("gateway")
    given = {
        **values,
        "listen": f"127.0.0.1:{port}",
        "public_url": f"http://127.0.0.1:{port}",
        "peers": json.loads(values["peers"]),
        **overrides,
    }
    readiness = Readiness()
    async with (
        running(GatewaySettings.model_validate(given), readiness),
        client_of(f"http://127.0.0.1:{port}") as client,
    ):
        yield Gateway(port, client, readiness)


@pytest.fixture(scope="session")
async def gateway(serve: Serve, callers: Callers) -> AsyncIterator[Gateway]:  # noqa: ARG001 # auth and tenancy run by then
    """A gateway with the usual settings, but limits that only count."""
    async with serve() as served:
        yield served


@pytest.fixture
async def redis(system: System) -> AsyncIterator[Redis]:
    """Redis `state`, as the gateway and the services have it."""
    client = Redis.from_url(system.servers.valkey.url())
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def admin(system: System) -> AsyncIterator[psycopg.AsyncConnection]:
    """The database past all row level security."""
    async with await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as opened:
        yield opened


@pytest.fixture
def join(admin: psycopg.AsyncConnection, callers: Callers) -> Join:
    """Let somebody new join an organization in a role, as an accepted invitation will."""

    async def join(tenant: Tenant, role: Role) -> Caller:
        caller = await callers.user()
        await admin.execute(
            "insert into tenancy.memberships (org_id, user_id, role, create_time) "
            "values (%s, %s, %s, now())",
            (tenant.org_id, caller.user_id, int(role)),
        )
        return caller

    return join

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import psycopg
import pytest

from services.auth.tests.api_keys.keys_client import KeysClient
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Callers
from tenon_testing.system import System

Join: TypeAlias = Callable[[Role], Awaitable[Caller]]


@pytest.fixture
async def keys(auth: grpc.aio.Channel, callers: Callers) -> KeysClient:
    """The keys of a new organization."""
    return KeysClient(auth, await callers.tenant())


@pytest.fixture
def join(keys: KeysClient, system: System, callers: Callers) -> Join:
    """Let somebody new join the organization, as an accepted invitation will."""

    async def join(role: Role) -> Caller:
        caller = await callers.user()
        async with await psycopg.AsyncConnection.connect(
            system.admin_url(), autocommit=True
        ) as admin:
            await admin.execute(
                "INSERT INTO tenancy.memberships (org_id, user_id, role, create_time)"
                " VALUES (%s, %s, %s, now())",
                (keys.tenant.org_id, caller.user_id, int(role)),
            )
        return caller

    return join

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import grpc
import psycopg
import pytest

from tenon_auth.app import APP, worker
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Admin: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Join: TypeAlias = Callable[[Tenant, Role], Caller]
Working: TypeAlias = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def admin(system: System) -> Iterator[Admin]:
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def ada(auth: grpc.aio.Channel, callers: Callers) -> Caller:  # noqa: ARG001 # it serves
    return await callers.user()


@pytest.fixture
def join(admin: Admin) -> Callable[[Tenant, Role, Caller], None]:
    """Let somebody join an organization, as an accepted invitation will."""

    def join(tenant: Tenant, role: Role, caller: Caller) -> None:
        admin.execute(
            "INSERT INTO tenancy.memberships VALUES (%s, %s, %s, now())",
            [tenant.org_id, caller.user_id, int(role)],
        )

    return join


@pytest.fixture
def working(system: System) -> Callable[[], AbstractAsyncContextManager[Working]]:
    """Run auth's worker; what it yields waits for what the worker does."""

    @asynccontextmanager
    async def working() -> AsyncIterator[Working]:
        async with worker(system.settings(APP, process="auth-worker")) as work, work.running():

            async def until(condition: Callable[[], Awaitable[bool]]) -> None:
                async def looked() -> bool:
                    work.wake()
                    return await condition()

                await eventually(looked, within=30)

            yield until

    return working

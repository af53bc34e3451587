from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import grpc
import psycopg
import pytest

from services.auth.tests.email_changes.mailbox import Admin, Person, new_address
from services.auth.tests.sessions.test_list_sessions import bearer
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System

Join = Callable[[], Awaitable[Person]]


@pytest.fixture
def admin(system: System) -> Iterator[Admin]:
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def join(auth: grpc.aio.Channel, system: System, admin: Admin) -> AsyncIterator[Join]:
    """Make somebody whose address is verified."""
    notifications = system.channel("auth", caller="notifications-worker")

    async def join() -> Person:
        email = new_address()
        reply = await UserServiceStub(auth).SignUp(
            SignUpRequest(email=email, password=PASSWORD, name="Ada")
        )
        admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [reply.user.id])
        metadata = bearer(reply.tokens.access_token)
        return Person(auth, notifications, admin, reply.user.id, email, metadata)

    yield join
    await notifications.close(None)


@pytest.fixture
async def ada(join: Join) -> Person:
    return await join()

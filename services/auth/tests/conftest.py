from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import Enrolled, enrol
from tenon.auth.v1.user_service_pb2 import SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.app import APP
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


@pytest.fixture(scope="session")
async def auth(system: System) -> AsyncIterator[grpc.aio.Channel]:
    """Auth in this process, as the gateway reaches it."""
    async with system.serving(APP) as channel:
        yield channel


@pytest.fixture
async def signed_up(auth: grpc.aio.Channel) -> SignUpResponse:
    """Somebody new, who is logged in."""
    request = SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name="Ada")
    reply: SignUpResponse = await UserServiceStub(auth).SignUp(request)
    return reply


@pytest.fixture
def metadata(signed_up: SignUpResponse) -> Metadata:
    """What a call of theirs carries."""
    return Metadata(("authorization", f"Bearer {signed_up.tokens.access_token}"))


@pytest.fixture
async def enrolled(auth: grpc.aio.Channel, signed_up: SignUpResponse) -> Enrolled:
    """Somebody new with an authenticator app."""
    return await enrol(auth, signed_up)


@pytest.fixture
def passkey(system: System) -> Authenticator:
    """A passkey that nobody has registered."""
    return Authenticator(system.url)


@pytest.fixture
async def patient(system: System) -> AsyncIterator[grpc.aio.Channel]:
    """Auth that lets second factors be guessed, so that what is behind the limit shows."""
    async with system.serving(APP, guesses_per_second_factor="1000") as channel:
        yield channel


@pytest.fixture
def admin(system: System) -> "Iterator[psycopg.Connection[Any]]":
    """The database past all row level security."""
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection

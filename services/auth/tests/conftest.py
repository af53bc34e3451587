from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest
from grpc.aio import Metadata

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

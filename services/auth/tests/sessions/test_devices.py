"""By its token a device is known again. Whether it was known shows in mails: see notifications."""

from uuid import uuid4

import grpc
import pytest

from services.auth.tests.sessions.test_list_sessions import log_in
from tenon.auth.v1.session_pb2 import Device
from tenon.auth.v1.session_service_pb2 import RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_testing.callers import PASSWORD


async def test_a_device_keeps_its_token(auth: grpc.aio.Channel, signed_up: SignUpResponse) -> None:
    token = signed_up.tokens.device_token
    again = await log_in(auth, signed_up, token=token)
    assert again.tokens.device_token == token


async def test_users_of_one_browser_have_tokens_of_their_own(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    """Or who has noted a browser's token would be known as whoever uses it next."""
    token = signed_up.tokens.device_token
    request = SignUpRequest(
        email=f"{uuid4()}@example.com", password=PASSWORD, name="Eve", device=Device(token=token)
    )
    reply = await UserServiceStub(auth).SignUp(request)
    assert len(reply.tokens.device_token) == len(token)
    assert reply.tokens.device_token != token


@pytest.mark.parametrize("token", ["x", "ä" * 32, "A" * 31 + "=", "A" * 4_000])
async def test_what_is_no_token_of_ours_is_replaced(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, token: str
) -> None:
    reply = await log_in(auth, signed_up, token=token)
    assert len(reply.tokens.device_token) == len(signed_up.tokens.device_token)
    assert reply.tokens.device_token != token


async def test_only_a_log_in_returns_it(auth: grpc.aio.Channel, signed_up: SignUpResponse) -> None:
    reply = await SessionServiceStub(auth).RefreshSession(
        RefreshSessionRequest(refresh_token=signed_up.tokens.refresh_token)
    )
    assert reply.tokens.device_token == ""

import grpc
import pytest

from tenon.auth.v1.session_service_pb2 import GetSessionRequest, LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD


async def test_starts_another_session(auth: grpc.aio.Channel, signed_up: SignUpResponse) -> None:
    reply = await SessionServiceStub(auth).LogIn(
        LogInRequest(email=signed_up.user.email, password=PASSWORD)
    )
    assert reply.user == signed_up.user
    assert reply.session.id != signed_up.session.id


async def test_refuses_a_wrong_password_and_an_unknown_address_alike(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    refusals = []
    for email in (signed_up.user.email, "nobody@example.com"):
        with pytest.raises(PeerError) as refused:
            await SessionServiceStub(auth).LogIn(LogInRequest(email=email, password="wrong"))
        refusals.append((refused.value.code, refused.value.reason, refused.value.detail))
    assert refusals[0] == refusals[1]
    assert refusals[0][1] == "invalid_credentials"


async def test_get_session_needs_a_token(auth: grpc.aio.Channel) -> None:
    with pytest.raises(PeerError) as refused:
        await SessionServiceStub(auth).GetSession(GetSessionRequest())
    assert refused.value.reason == "unauthenticated"

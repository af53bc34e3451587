import grpc
import pytest
from grpc.aio import Metadata

from tenon.auth.v1.session_service_pb2 import (
    GetSessionRequest,
    LogOutRequest,
    RefreshSessionRequest,
)
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError
from tenon_testing.waiting import eventually


async def is_refused(auth: grpc.aio.Channel, metadata: Metadata) -> bool:
    try:
        await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    except PeerError as error:
        return error.reason == "session_ended"
    return False


async def test_ends_the_session_for_its_access_token_too(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    assert not await is_refused(auth, metadata)
    stub = SessionServiceStub(auth)
    token = signed_up.tokens.refresh_token
    await stub.LogOut(LogOutRequest(refresh_token=token))
    await eventually(lambda: is_refused(auth, metadata), within=1.2)  # an answer lives for 1 s
    with pytest.raises(PeerError):
        await stub.RefreshSession(RefreshSessionRequest(refresh_token=token))


async def test_an_access_token_ends_its_session_alone(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    """Clients without cookies hold no refresh token at the moment."""
    stub = SessionServiceStub(auth)
    for _ in range(2):
        await stub.LogOut(LogOutRequest(access_token=signed_up.tokens.access_token))
    await eventually(lambda: is_refused(auth, metadata), within=1.2)


async def test_an_access_token_that_is_not_valid_is_told(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    forged = signed_up.tokens.access_token[:-4] + "AAAA"
    with pytest.raises(PeerError) as refused:
        await SessionServiceStub(auth).LogOut(LogOutRequest(access_token=forged))
    assert refused.value.reason == "invalid_token"
    assert not await is_refused(auth, metadata)


async def test_succeeds_again(auth: grpc.aio.Channel, signed_up: SignUpResponse) -> None:
    for _ in range(2):
        await SessionServiceStub(auth).LogOut(
            LogOutRequest(refresh_token=signed_up.tokens.refresh_token)
        )

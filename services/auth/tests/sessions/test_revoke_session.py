"""Ending one's sessions from another one."""

from uuid import uuid4

import grpc
import pytest
from grpc.aio import Metadata

from services.auth.tests.sessions.test_list_sessions import bearer, listed, log_in
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.session_service_pb2 import (
    RefreshSessionRequest,
    RevokeOtherSessionsRequest,
    RevokeSessionRequest,
)
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.waiting import eventually


async def test_a_revoked_session_is_refused_and_not_refreshed(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    other = await log_in(auth, signed_up)
    for _ in range(2):  # it may be repeated
        await SessionServiceStub(auth).RevokeSession(
            RevokeSessionRequest(session_id=other.session.id), metadata=metadata
        )
    await eventually(lambda: is_refused(auth, bearer(other.tokens.access_token)), within=1.2)
    with pytest.raises(PeerError) as refused:
        await SessionServiceStub(auth).RefreshSession(
            RefreshSessionRequest(refresh_token=other.tokens.refresh_token)
        )
    assert refused.value.reason == "session_ended"
    assert not await is_refused(auth, metadata)


async def test_another_users_session_is_as_unknown_as_one_that_nobody_has(
    auth: grpc.aio.Channel, metadata: Metadata
) -> None:
    request = SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name="Eve")
    stranger = await UserServiceStub(auth).SignUp(request)
    told = []
    for session_id in (stranger.session.id, str(uuid4()), "x"):
        with pytest.raises(PeerError) as refused:
            await SessionServiceStub(auth).RevokeSession(
                RevokeSessionRequest(session_id=session_id), metadata=metadata
            )
        told.append((refused.value.code, refused.value.reason, refused.value.detail))
    assert told[0] == told[1] == told[2]
    assert told[0][1] == "session_not_found"
    assert not await is_refused(auth, bearer(stranger.tokens.access_token))


async def test_revoking_the_others_leaves_the_one_that_asks(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    others = [await log_in(auth, signed_up) for _ in range(2)]
    await SessionServiceStub(auth).RevokeOtherSessions(
        RevokeOtherSessionsRequest(), metadata=metadata
    )
    for other in others:
        held = bearer(other.tokens.access_token)
        await eventually(lambda held=held: is_refused(auth, held), within=1.2)  # type: ignore[misc] # a bound default
    assert [session.id for session in await listed(auth, metadata)] == [signed_up.session.id]

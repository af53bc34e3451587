"""Step-up: who one is, proved anew within a session, for what needs a recent log-in."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToDict
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import (
    WRONG,
    Enrolled,
    enrol,
    metadata_of,
    register,
    struct,
)
from tenon.auth.v1.log_in_service_pb2 import (
    ConfirmSessionRequest,
    ConfirmSessionResponse,
    StartConfirmationRequest,
)
from tenon.auth.v1.log_in_service_pb2_grpc import LogInServiceStub
from tenon.auth.v1.second_factor_service_pb2 import StartTotpRequest
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.session_pb2 import Device
from tenon.auth.v1.session_service_pb2 import GetSessionRequest, RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD

ALLOWED = 5


async def aged(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", signed_up: SignUpResponse
) -> SignUpResponse:
    """Return who is logged in for an hour."""
    admin.execute(
        "UPDATE auth.sessions SET auth_time = now() - interval '1 hour' WHERE id = %s",
        [signed_up.session.id],
    )
    request = RefreshSessionRequest(refresh_token=signed_up.tokens.refresh_token)
    reply = await SessionServiceStub(auth).RefreshSession(request)
    reply.tokens.device_token = signed_up.tokens.device_token
    return SignUpResponse(user=reply.user, session=reply.session, tokens=reply.tokens)


async def confirm(
    auth: grpc.aio.Channel, person: SignUpResponse, **proof: Any
) -> ConfirmSessionResponse:
    request = ConfirmSessionRequest(device=Device(token=person.tokens.device_token), **proof)
    reply: ConfirmSessionResponse = await LogInServiceStub(auth).ConfirmSession(
        request, metadata=metadata_of(person.tokens.access_token)
    )
    return reply


async def refusal(auth: grpc.aio.Channel, person: SignUpResponse, **proof: Any) -> str:
    try:
        await confirm(auth, person, **proof)
    except PeerError as error:
        return error.reason
    return ""


async def is_recent(auth: grpc.aio.Channel, metadata: Metadata) -> bool:
    """Say whether what needs a recent log-in is let in."""
    try:
        await SecondFactorServiceStub(auth).StartTotp(StartTotpRequest(), metadata=metadata)
    except PeerError as error:
        return error.reason != "recent_auth_required"
    return True


async def test_a_password_confirms_who_has_no_second_factor(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", signed_up: SignUpResponse
) -> None:
    old = await aged(auth, admin, signed_up)
    assert not await is_recent(auth, metadata_of(old.tokens.access_token))
    reply = await confirm(auth, old, password=PASSWORD)
    assert reply.session.id == signed_up.session.id
    assert not reply.tokens.refresh_token
    metadata = metadata_of(reply.tokens.access_token)
    assert await is_recent(auth, metadata)
    shown = await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    assert shown.session.auth_time == reply.session.auth_time


async def test_the_refresh_token_stays_good_and_keeps_the_time(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", signed_up: SignUpResponse
) -> None:
    old = await aged(auth, admin, signed_up)
    await confirm(auth, old, password=PASSWORD)
    request = RefreshSessionRequest(refresh_token=old.tokens.refresh_token)
    reply = await SessionServiceStub(auth).RefreshSession(request)
    assert await is_recent(auth, metadata_of(reply.tokens.access_token))


async def test_a_wrong_password_confirms_nothing(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", signed_up: SignUpResponse
) -> None:
    old = await aged(auth, admin, signed_up)
    assert await refusal(auth, old, password="not it") == "wrong_password"
    assert await refusal(auth, old) == "invalid_code"
    assert not await is_recent(auth, metadata_of(old.tokens.access_token))


async def test_who_has_a_second_factor_needs_it(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", enrolled: Enrolled
) -> None:
    old = await aged(auth, admin, enrolled.signed_up)
    assert await refusal(auth, old, password=PASSWORD) == "second_factor_required"
    assert await refusal(auth, old, code=WRONG) == "invalid_code"
    reply = await confirm(auth, old, code=enrolled.code())
    assert await is_recent(auth, metadata_of(reply.tokens.access_token))
    assert reply.session.methods == ["pwd", "otp"]


async def test_a_passkey_confirms(
    auth: grpc.aio.Channel,
    admin: "psycopg.Connection[Any]",
    signed_up: SignUpResponse,
    metadata: Metadata,
    passkey: Authenticator,
) -> None:
    await register(auth, metadata, passkey)
    old = await aged(auth, admin, signed_up)
    started = await LogInServiceStub(auth).StartConfirmation(
        StartConfirmationRequest(), metadata=metadata_of(old.tokens.access_token)
    )
    answer = struct(passkey.sign(MessageToDict(started.options)))
    reply = await confirm(auth, old, passkey=answer)
    assert await is_recent(auth, metadata_of(reply.tokens.access_token))
    assert await refusal(auth, old, passkey=answer) == "challenge_spent"


async def test_a_code_confirms_once(patient: grpc.aio.Channel, signed_up: SignUpResponse) -> None:
    person = await enrol(patient, signed_up)
    code = person.code()
    told = Counter(
        await asyncio.gather(*(refusal(patient, signed_up, code=code) for _ in range(50)))
    )
    assert told == {"": 1, "invalid_code": 49}


async def test_guesses_within_a_session_are_bounded(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    """Together with those of log-ins on the device."""
    signed_up = enrolled.signed_up
    told = Counter(await asyncio.gather(*(refusal(auth, signed_up, code=WRONG) for _ in range(50))))
    assert told == {"invalid_code": ALLOWED, "too_many_guesses": 50 - ALLOWED}
    assert await refusal(auth, signed_up, code=enrolled.code()) == "too_many_guesses"


async def test_an_ended_session_is_not_confirmed(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", enrolled: Enrolled
) -> None:
    """Even where its end is not known yet to who lets the call in."""
    metadata = enrolled.metadata
    await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    admin.execute(
        "UPDATE auth.sessions SET end_time = now() WHERE id = %s", [enrolled.signed_up.session.id]
    )
    assert await refusal(auth, enrolled.signed_up, code=enrolled.code()) == "session_ended"


@pytest.mark.parametrize("minutes", [9, 11])
async def test_ten_minutes_are_recent(
    auth: grpc.aio.Channel,
    admin: "psycopg.Connection[Any]",
    signed_up: SignUpResponse,
    minutes: int,
) -> None:
    admin.execute(
        "UPDATE auth.sessions SET auth_time = now() - make_interval(mins => %s) WHERE id = %s",
        [minutes, signed_up.session.id],
    )
    request = RefreshSessionRequest(refresh_token=signed_up.tokens.refresh_token)
    reply = await SessionServiceStub(auth).RefreshSession(request)
    assert await is_recent(auth, metadata_of(reply.tokens.access_token)) == (minutes < 10)

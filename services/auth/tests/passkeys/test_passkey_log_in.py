"""A passkey that makes sure of its user logs in alone."""

import asyncio
from collections import Counter

import grpc
from google.protobuf.json_format import MessageToDict
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator, Json
from services.auth.tests.second_factors.enrolled import register, struct
from services.auth.tests.users.test_encryption import sign_up
from tenon.auth.v1.log_in_service_pb2 import (
    LogInWithPasskeyRequest,
    LogInWithPasskeyResponse,
    StartPasskeyLogInRequest,
)
from tenon.auth.v1.log_in_service_pb2_grpc import LogInServiceStub
from tenon.auth.v1.passkey_service_pb2 import RemovePasskeyRequest
from tenon.auth.v1.passkey_service_pb2_grpc import PasskeyServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_core.ids import uuid7
from tenon_rpc.status import PeerError
from tenon_testing.system import System


async def asked(auth: grpc.aio.Channel) -> Json:
    started = await LogInServiceStub(auth).StartPasskeyLogIn(StartPasskeyLogInRequest())
    options: Json = MessageToDict(started.options)
    return options


async def log_in(auth: grpc.aio.Channel, answer: Json) -> LogInWithPasskeyResponse:
    request = LogInWithPasskeyRequest(passkey=struct(answer))
    reply: LogInWithPasskeyResponse = await LogInServiceStub(auth).LogInWithPasskey(request)
    return reply


async def refusal(auth: grpc.aio.Channel, answer: Json) -> str:
    try:
        await log_in(auth, answer)
    except PeerError as error:
        return error.reason
    return ""


async def test_it_is_both_factors(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    await register(auth, metadata, passkey)
    options = await asked(auth)
    assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
    reply = await log_in(auth, passkey.sign(options))
    assert reply.user == signed_up.user
    assert reply.session.methods == ["pop", "mfa"]
    assert reply.tokens.refresh_token


async def test_one_that_did_not_make_sure_of_its_user_is_refused(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    """It would be one factor, and no other could follow."""
    await register(auth, metadata, passkey)
    passkey.verifies = False
    assert await refusal(auth, passkey.sign(await asked(auth))) == "invalid_passkey"
    passkey.verifies = True
    assert await refusal(auth, passkey.sign(await asked(auth))) == ""


async def test_fifty_answers_at_once_start_one_session(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    await register(auth, metadata, passkey)
    answer = passkey.sign(await asked(auth))
    told = Counter(await asyncio.gather(*(refusal(auth, answer) for _ in range(50))))
    assert told == {"": 1, "challenge_spent": 49}


async def test_unknown_ones_are_refused_alike(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator, system: System
) -> None:
    """Of nobody, of somebody who has another, and one that says it is somebody else's."""
    await register(auth, metadata, passkey)
    stranger = Authenticator(system.url, user_handle=uuid7().bytes)
    mistaken = Authenticator(system.url, user_handle=passkey.user_handle)
    eve = await sign_up(auth, "Eve")
    theirs = Authenticator(system.url)
    await register(auth, Metadata(("authorization", f"Bearer {eve.tokens.access_token}")), theirs)
    theirs.user_handle = passkey.user_handle
    nameless = Authenticator(system.url)
    for key in (stranger, mistaken, theirs, nameless):
        assert await refusal(auth, key.sign(await asked(auth))) == "invalid_passkey"


async def test_a_removed_one_is_refused(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator
) -> None:
    added = await register(auth, metadata, passkey)
    answer = passkey.sign(await asked(auth))
    await PasskeyServiceStub(auth).RemovePasskey(
        RemovePasskeyRequest(passkey_id=added.passkey.id), metadata=metadata
    )
    assert await refusal(auth, answer) == "invalid_passkey"

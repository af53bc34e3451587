"""B3 and B5: a log-in of who has a second factor is finished by it, once, on the same device."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import psycopg
import pytest

from services.auth.tests.passwords.test_reset_password import (  # noqa: F401 # fixtures
    NEW,
    forget,
    reset,
    token,
)
from services.auth.tests.second_factors.enrolled import (
    WRONG,
    Enrolled,
    enrol,
    finish,
    log_in,
    refusal,
)
from tenon.auth.v1.log_in_service_pb2 import LogInWithSecondFactorRequest
from tenon.auth.v1.log_in_service_pb2_grpc import LogInServiceStub
from tenon.auth.v1.second_factor_pb2 import (
    SECOND_FACTOR_KIND_RECOVERY_CODE,
    SECOND_FACTOR_KIND_TOTP,
)
from tenon.auth.v1.session_pb2 import Device, Tokens
from tenon.auth.v1.session_service_pb2 import LogInResponse
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError

ALLOWED = 5


async def test_a_password_alone_starts_no_session(
    auth: grpc.aio.Channel, enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    before = admin.execute("SELECT count(*) FROM auth.sessions").fetchone()
    step = await log_in(auth, enrolled.email)
    assert step.mfa_required
    assert step.mfa_methods == [SECOND_FACTOR_KIND_TOTP, SECOND_FACTOR_KIND_RECOVERY_CODE]
    assert not step.HasField("user")
    assert not step.HasField("session")
    assert step.tokens == Tokens(device_token=step.tokens.device_token)
    assert admin.execute("SELECT count(*) FROM auth.sessions").fetchone() == before


async def test_a_code_finishes_it(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    reply = await finish(auth, await log_in(auth, enrolled.email), code=enrolled.code())
    assert reply.user == enrolled.signed_up.user
    assert reply.session.methods == ["pwd", "otp", "mfa"]
    claims = jwt.decode(reply.tokens.access_token, options={"verify_signature": False})
    assert claims["amr"] == ["pwd", "otp", "mfa"]


async def test_a_wrong_password_says_nothing_of_the_second_factor(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    with pytest.raises(PeerError) as refused:
        await log_in(auth, enrolled.email, "not the password")
    assert refused.value.reason == "invalid_credentials"


async def test_after_a_wrong_code_the_right_one_is_taken(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    step = await log_in(auth, enrolled.email)
    assert await refusal(auth, step, code=WRONG) == "invalid_code"
    assert await refusal(auth, step) == "invalid_code"
    assert await refusal(auth, step, code=enrolled.code()) == ""


async def test_fifty_uses_of_a_token_at_once_start_one_session(
    patient: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    """Each with a recovery code of its own, or a right code, so that only the token is the same."""
    person = await enrol(patient, signed_up)
    step = await log_in(patient, person.email)
    codes = person.recovery_codes
    told = Counter(
        await asyncio.gather(
            *(refusal(patient, step, recovery_code=codes[number % 10]) for number in range(50))
        )
    )
    assert told == {"": 1, "mfa_token_spent": 49}


async def test_a_token_is_good_on_the_device_alone_that_has_it(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    """Whoever reads the reply, but not the cookie, finishes nothing."""
    step = await log_in(auth, enrolled.email)
    other = LogInResponse(mfa_token=step.mfa_token)
    assert await refusal(auth, other, code=enrolled.code()) == "mfa_token_spent"
    other.tokens.device_token = (await log_in(auth, enrolled.email)).tokens.device_token
    assert await refusal(auth, other, code=enrolled.code()) == "mfa_token_spent"
    assert await refusal(auth, step, code=enrolled.code()) == ""


async def test_the_device_is_known_only_afterwards(
    auth: grpc.aio.Channel, enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    devices = "SELECT count(*) FROM auth.devices WHERE user_id = %s"
    step = await log_in(auth, enrolled.email)
    assert admin.execute(devices, [enrolled.user_id]).fetchone() == (1,)
    reply = await finish(auth, step, code=enrolled.code())
    assert admin.execute(devices, [enrolled.user_id]).fetchone() == (2,)
    again = await log_in(auth, enrolled.email, token=reply.tokens.device_token)
    assert again.tokens.device_token == reply.tokens.device_token


@pytest.mark.parametrize(
    "forge", [lambda t: t[:-8] + "AAAAAAAA", lambda t: "A" * len(t), lambda t: t[4:]]
)
async def test_a_forged_token_is_refused_like_a_spent_one(
    auth: grpc.aio.Channel, enrolled: Enrolled, forge: Callable[[str], str]
) -> None:
    step = await log_in(auth, enrolled.email)
    forged = LogInResponse(mfa_token=forge(step.mfa_token), tokens=step.tokens)
    assert await refusal(auth, forged, code=enrolled.code()) == "mfa_token_spent"
    assert await refusal(auth, step, code=enrolled.code()) == ""


async def test_a_token_whose_time_is_over_is_refused(
    auth: grpc.aio.Channel, enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    step = await log_in(auth, enrolled.email)
    admin.execute("UPDATE auth.second_steps SET expire_time = now()")
    assert await refusal(auth, step, code=enrolled.code()) == "mfa_token_spent"


async def test_the_database_holds_nothing_that_makes_a_token(
    auth: grpc.aio.Channel, enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    step = await log_in(auth, enrolled.email)
    row = admin.execute(
        "SELECT s::text FROM auth.second_steps AS s WHERE user_id = %s", [enrolled.user_id]
    ).fetchone()
    assert row is not None
    assert step.mfa_token[-20:] not in row[0]
    assert step.tokens.device_token not in row[0]


async def test_a_token_without_a_device_is_refused(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    step = await log_in(auth, enrolled.email)
    request = LogInWithSecondFactorRequest(mfa_token=step.mfa_token, code=enrolled.code())
    for device in (Device(), Device(token="x"), Device(token="é" * 40)):
        request.device.CopyFrom(device)
        with pytest.raises(PeerError) as refused:
            await LogInServiceStub(auth).LogInWithSecondFactor(request)
        assert refused.value.reason == "mfa_token_spent"

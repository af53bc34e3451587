"""B3: a code of an app is good once, from its enrolment on."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.second_factors.enrolled import (
    WRONG,
    Enrolled,
    code_of,
    enrol,
    factors_of,
    log_in,
    refusal,
)
from tenon.auth.v1.second_factor_pb2 import SECOND_FACTOR_KIND_TOTP
from tenon.auth.v1.second_factor_service_pb2 import (
    ConfirmTotpRequest,
    RemoveTotpRequest,
    StartTotpRequest,
)
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError


async def confirm(auth: grpc.aio.Channel, metadata: Metadata, code: str) -> str:
    """Return the reason of a refusal; empty if the app was confirmed."""
    try:
        await SecondFactorServiceStub(auth).ConfirmTotp(
            ConfirmTotpRequest(code=code), metadata=metadata
        )
    except PeerError as error:
        return error.reason
    return ""


async def start(auth: grpc.aio.Channel, metadata: Metadata) -> str:
    reply = await SecondFactorServiceStub(auth).StartTotp(StartTotpRequest(), metadata=metadata)
    secret: str = reply.secret
    assert f"secret={secret}" in reply.otpauth_uri
    return secret


async def test_a_secret_that_was_not_confirmed_is_no_factor(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    await start(auth, metadata)
    assert not (await factors_of(auth, metadata)).items
    assert not (await log_in(auth, signed_up.user.email)).mfa_required


async def test_a_confirmed_one_is(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    listed = await factors_of(auth, enrolled.metadata)
    assert [item.kind for item in listed.items] == [SECOND_FACTOR_KIND_TOTP]
    assert not listed.items[0].HasField("use_time")
    assert listed.recovery_codes_left == len(enrolled.recovery_codes) == 10


async def test_a_wrong_code_confirms_nothing(auth: grpc.aio.Channel, metadata: Metadata) -> None:
    await start(auth, metadata)
    assert await confirm(auth, metadata, WRONG) == "invalid_code"
    assert not (await factors_of(auth, metadata)).items


async def test_starting_again_replaces_the_secret(
    auth: grpc.aio.Channel, metadata: Metadata
) -> None:
    first, second = await start(auth, metadata), await start(auth, metadata)
    assert await confirm(auth, metadata, code_of(first)) == "invalid_code"
    assert await confirm(auth, metadata, code_of(second)) == ""


async def test_a_confirmed_app_is_not_replaced(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    with pytest.raises(PeerError) as refused:
        await start(auth, enrolled.metadata)
    assert refused.value.reason == "totp_exists"
    assert await confirm(auth, enrolled.metadata, enrolled.code()) == "totp_not_found"


async def test_an_enrolment_ends_after_ten_minutes(
    auth: grpc.aio.Channel, metadata: Metadata, admin: "psycopg.Connection[Any]"
) -> None:
    secret = await start(auth, metadata)
    admin.execute("UPDATE auth.totp_factors SET create_time = now() - interval '10 minutes'")
    assert await confirm(auth, metadata, code_of(secret)) == "totp_not_found"


async def test_fifty_confirmations_at_once_make_one_factor(
    auth: grpc.aio.Channel, metadata: Metadata
) -> None:
    """And one set of recovery codes."""
    code = code_of(await start(auth, metadata))
    told = Counter(await asyncio.gather(*(confirm(auth, metadata, code) for _ in range(50))))
    assert told[""] == 1
    assert set(told) <= {"", "invalid_code", "totp_not_found"}
    assert (await factors_of(auth, metadata)).recovery_codes_left == 10


async def test_the_code_that_confirmed_does_not_log_in(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    code = code_of(secret := await start(auth, metadata))
    assert await confirm(auth, metadata, code) == ""
    step = await log_in(auth, signed_up.user.email)
    assert await refusal(auth, step, code=code) == "invalid_code"
    assert await refusal(auth, step, code=code_of(secret, 1)) == ""


async def test_fifty_uses_of_a_code_at_once_have_one_effect(
    patient: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    """Each in a log-in of its own, so that only the code is the same."""
    person = await enrol(patient, signed_up)
    steps = [await log_in(patient, person.email) for _ in range(50)]
    code = person.code()
    told = Counter(await asyncio.gather(*(refusal(patient, step, code=code) for step in steps)))
    assert told == {"": 1, "invalid_code": 49}


async def test_without_the_guard_a_code_is_taken_twice(
    auth: grpc.aio.Channel, enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    """The positive control: what refuses it is the step that is on record."""
    code = enrolled.code()
    assert await refusal(auth, await log_in(auth, enrolled.email), code=code) == ""
    assert await refusal(auth, await log_in(auth, enrolled.email), code=code) == "invalid_code"
    admin.execute("UPDATE auth.totp_factors SET last_step = 0")
    assert await refusal(auth, await log_in(auth, enrolled.email), code=code) == ""


async def test_a_removed_app_is_asked_for_no_more(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    """With the last second factor the recovery codes go."""
    factors = SecondFactorServiceStub(auth)
    await factors.RemoveTotp(RemoveTotpRequest(), metadata=enrolled.metadata)
    listed = await factors_of(auth, enrolled.metadata)
    assert (list(listed.items), listed.recovery_codes_left) == ([], 0)
    assert (await log_in(auth, enrolled.email)).session.id
    with pytest.raises(PeerError) as refused:
        await factors.RemoveTotp(RemoveTotpRequest(), metadata=enrolled.metadata)
    assert refused.value.reason == "totp_not_found"


async def test_the_database_does_not_have_the_secret(
    enrolled: Enrolled, admin: "psycopg.Connection[Any]"
) -> None:
    row = admin.execute(
        "SELECT secret FROM auth.totp_factors WHERE user_id = %s", [enrolled.user_id]
    ).fetchone()
    assert row is not None
    assert enrolled.secret.encode() not in row[0]
    assert len(row[0]) > len(enrolled.secret)

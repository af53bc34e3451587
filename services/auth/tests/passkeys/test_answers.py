"""What a passkey signs proves who somebody is: once, and to us alone."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator, Json, changed, decoded
from services.auth.tests.passkeys.test_passkeys import absurd, creation_options, empty, moved
from services.auth.tests.second_factors.enrolled import (
    asked,
    factors_of,
    finish,
    log_in,
    metadata_of,
    refusal,
    register,
    struct,
)
from services.auth.tests.users.test_encryption import sign_up
from tenon.auth.v1.second_factor_pb2 import (
    SECOND_FACTOR_KIND_PASSKEY,
    SECOND_FACTOR_KIND_RECOVERY_CODE,
)
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_testing.system import System


async def test_a_passkey_finishes_a_log_in(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    """As a second factor it need not make sure of its user: the password was that."""
    passkey.verifies = False
    await register(auth, metadata, passkey)
    step = await log_in(auth, signed_up.user.email)
    assert step.mfa_methods == [SECOND_FACTOR_KIND_PASSKEY, SECOND_FACTOR_KIND_RECOVERY_CODE]
    options = await asked(auth, step)
    assert [decoded(one["id"]) for one in options["allowCredentials"]] == [passkey.credential_id]
    reply = await finish(auth, step, passkey=struct(passkey.sign(options)))
    assert reply.session.methods == ["pwd", "pop", "mfa"]
    assert (await factors_of(auth, metadata)).items[0].HasField("use_time")


async def test_an_answer_is_taken_once(
    patient: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    """In fifty log-ins at once; also of a passkey that does not count."""
    passkey.counts = False
    await register(patient, metadata, passkey)
    steps = [await log_in(patient, signed_up.user.email) for _ in range(50)]
    answer = struct(passkey.sign(await asked(patient, steps[0])))
    told = Counter(
        await asyncio.gather(*(refusal(patient, step, passkey=answer) for step in steps))
    )
    assert told == {"": 1, "challenge_spent": 49}


async def test_a_counter_that_goes_back_is_refused(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    """Then there are two of the passkey. One that never counts is not asked to."""
    passkey.counter = 7
    await register(auth, metadata, passkey)
    for counter, reason in ((7, ""), (7, "invalid_passkey"), (3, "invalid_passkey"), (20, "")):
        passkey.counter = counter
        step = await log_in(auth, signed_up.user.email)
        answer = struct(passkey.sign(await asked(auth, step)))
        assert await refusal(auth, step, passkey=answer) == reason
    passkey.counts, passkey.counter = False, 0
    step = await log_in(auth, signed_up.user.email)
    answer = struct(passkey.sign(await asked(auth, step)))
    assert await refusal(auth, step, passkey=answer) == "invalid_passkey"


def other_kind(answer: Json) -> Json:
    return changed(answer, "type", "webauthn.create")


def cut(answer: Json) -> Json:
    response = {**answer["response"], "signature": answer["response"]["signature"][:-8]}
    return {**answer, "response": response}


def strange(answer: Json) -> Json:
    return {**answer, "response": {**answer["response"], "authenticatorData": "AAAA"}}


@pytest.mark.parametrize("spoilt", [moved, other_kind, cut, empty, absurd, strange])
async def test_an_answer_that_does_not_hold_is_refused(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    signed_up: SignUpResponse,
    passkey: Authenticator,
    spoilt: Callable[[Json], Json],
) -> None:
    await register(auth, metadata, passkey)
    step = await log_in(auth, signed_up.user.email)
    answer = passkey.sign(await asked(auth, step))
    assert await refusal(auth, step, passkey=struct(spoilt(answer))) == "invalid_passkey"
    assert await refusal(auth, step, passkey=struct(answer)) == ""


async def test_a_challenge_for_something_else_is_refused(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    await register(auth, metadata, passkey)
    step = await log_in(auth, signed_up.user.email)
    options = await asked(auth, step)
    options["challenge"] = (await creation_options(auth, metadata))["challenge"]
    answer = struct(passkey.sign(options))
    assert await refusal(auth, step, passkey=answer) == "challenge_spent"


async def test_a_made_up_challenge_is_refused(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    await register(auth, metadata, passkey)
    step = await log_in(auth, signed_up.user.email)
    options = await asked(auth, step)
    for challenge in ("A" * 75, "", options["challenge"][:-6] + "AAAAAA"):
        answer = struct(passkey.sign({**options, "challenge": challenge}))
        assert await refusal(auth, step, passkey=answer) == "challenge_spent"


async def test_a_strangers_passkey_is_refused(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    signed_up: SignUpResponse,
    passkey: Authenticator,
    system: System,
) -> None:
    await register(auth, metadata, passkey)
    eve = await sign_up(auth, "Eve")
    theirs = Authenticator(system.url)
    await register(auth, metadata_of(eve.tokens.access_token), theirs)
    step = await log_in(auth, signed_up.user.email)
    answer = struct(theirs.sign(await asked(auth, step)))
    assert await refusal(auth, step, passkey=answer) == "invalid_passkey"


async def test_of_a_passkey_and_its_copy_at_once_one_logs_in(
    patient: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, passkey: Authenticator
) -> None:
    """Each has signed as often, and each a challenge of its own."""
    await register(patient, metadata, passkey)
    steps = [await log_in(patient, signed_up.user.email) for _ in range(20)]
    answers = []
    for step in steps:
        passkey.counter = 7
        answers.append(struct(passkey.sign(await asked(patient, step))))
    pairs = zip(steps, answers, strict=True)
    told = Counter(
        await asyncio.gather(*(refusal(patient, step, passkey=answer) for step, answer in pairs))
    )
    assert told == {"": 1, "invalid_passkey": 19}


async def test_a_log_in_that_a_passkey_began_is_not_finished_by_it(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    signed_up: SignUpResponse,
    passkey: Authenticator,
    admin: "psycopg.Connection[Any]",
) -> None:
    """No way to log in begins so today; whoever adds one meets the rule."""
    codes = (await register(auth, metadata, passkey)).recovery_codes
    step = await log_in(auth, signed_up.user.email)
    admin.execute("UPDATE auth.second_steps SET methods = '{pop}'")
    answer = struct(passkey.sign(await asked(auth, step)))
    assert await refusal(auth, step, passkey=answer) == "invalid_code"
    assert await refusal(auth, step, recovery_code=codes[0]) == "invalid_code"
    admin.execute("UPDATE auth.second_steps SET methods = '{pwd}'")
    assert await refusal(auth, step, recovery_code=codes[0]) == ""

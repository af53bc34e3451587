"""What a log-in that waits for its second factor has proved may change meanwhile."""

import asyncio
from typing import Any

import grpc
import psycopg
import pytest

from services.auth.tests.passwords.test_change_password import change
from services.auth.tests.passwords.test_reset_password import (  # noqa: F401 # fixtures
    NEW,
    forget,
    reset,
    token,
)
from services.auth.tests.second_factors.enrolled import (
    Enrolled,
    enrol,
    finish,
    log_in,
    metadata_of,
    refusal,
)
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.second_factor_service_pb2 import (
    RemoveTotpRequest,
    ReplaceRecoveryCodesRequest,
)
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.session_service_pb2 import LogInResponse
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.second_steps.service import SecondStepService
from tenon_rpc.status import PeerError
from tenon_testing.system import System
from tenon_testing.waiting import eventually

WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND query LIKE 'UPDATE auth.second_steps%'"
)


async def test_a_log_in_that_waited_while_the_password_was_changed_is_refused(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    step = await log_in(auth, enrolled.email)
    assert await change(auth, enrolled.metadata) == ""
    assert await refusal(auth, step, code=enrolled.code()) == "mfa_token_spent"
    again = await log_in(auth, enrolled.email, NEW)
    assert await refusal(auth, again, code=enrolled.code()) == ""


async def test_so_is_one_that_waited_while_second_factors_changed(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    factors = SecondFactorServiceStub(auth)
    step = await log_in(auth, enrolled.email)
    await factors.ReplaceRecoveryCodes(ReplaceRecoveryCodesRequest(), metadata=enrolled.metadata)
    assert await refusal(auth, step, code=enrolled.code()) == "mfa_token_spent"
    step = await log_in(auth, enrolled.email)
    await factors.RemoveTotp(RemoveTotpRequest(), metadata=enrolled.metadata)
    assert await refusal(auth, step, code=enrolled.code()) == "mfa_token_spent"


async def test_without_that_guard_it_goes_on(
    auth: grpc.aio.Channel, enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: nothing else refuses it."""

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(SecondStepService, "use_up", nothing)
    step = await log_in(auth, enrolled.email)
    assert await change(auth, enrolled.metadata) == ""
    assert await refusal(auth, step, code=enrolled.code()) == ""


async def test_a_change_waits_for_a_log_in_that_is_at_its_second_factor(
    auth: grpc.aio.Channel,
    enrolled: Enrolled,
    admin: "psycopg.Connection[Any]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The race: its token was good when it was used. The session begins, and the change ends it."""
    prove, reached, go_on = SecondFactors.prove, asyncio.Event(), asyncio.Event()

    async def late(self: SecondFactors, *arguments: object) -> object:
        reached.set()
        await go_on.wait()
        return await prove(self, *arguments)  # type: ignore[arg-type] # whatever it takes

    async def is_waiting() -> bool:
        return admin.execute(WAITS).fetchone() == (1,)

    step = await log_in(auth, enrolled.email)
    monkeypatch.setattr(SecondFactors, "prove", late)
    finishing = asyncio.create_task(finish(auth, step, code=enrolled.code()))
    await reached.wait()
    changing = asyncio.create_task(change(auth, enrolled.metadata))
    await eventually(is_waiting)
    go_on.set()
    session = metadata_of((await finishing).tokens.access_token)
    assert await changing == ""
    await eventually(lambda: is_refused(auth, session), within=1.2)


async def test_a_change_that_fails_ends_no_log_in(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    step = await log_in(auth, enrolled.email)
    assert await change(auth, enrolled.metadata, current="not it") == "wrong_password"
    assert await refusal(auth, step, code=enrolled.code()) == ""


async def test_no_session_outlives_a_reset_that_it_raced(
    patient: grpc.aio.Channel,
    signed_up: SignUpResponse,
    token: str,  # noqa: F811 # the fixture
) -> None:
    """However they meet: a session that began before the reset was ended by it."""
    person = await enrol(patient, signed_up)
    steps = [await log_in(patient, person.email) for _ in range(10)]

    async def session(step: LogInResponse, code: str) -> str:
        try:
            return (await finish(patient, step, recovery_code=code)).tokens.access_token
        except PeerError:
            return ""

    finishing = (session(*pair) for pair in zip(steps, person.recovery_codes, strict=True))
    done, *begun = await asyncio.gather(reset(patient, token), *finishing)
    assert done == ""
    sessions = [metadata_of(access_token) for access_token in begun if access_token]

    async def all_refused() -> bool:
        return all([await is_refused(patient, metadata) for metadata in sessions])

    await eventually(all_refused, within=1.2)


async def test_a_reset_does_not_stand_in_for_the_second_factor(
    auth: grpc.aio.Channel,
    system: System,
    signed_up: SignUpResponse,
    token: str,  # noqa: F811 # the fixture
) -> None:
    """Where the address was verified before: else the factor may be somebody else's."""
    with psycopg.connect(system.admin_url(), autocommit=True) as admin:
        verified = "UPDATE auth.users SET email_verified = true WHERE id = %s"
        admin.execute(verified, [signed_up.user.id])
    person = await enrol(auth, signed_up)
    assert await reset(auth, token) == ""
    step = await log_in(auth, person.email, NEW)
    assert step.mfa_required
    assert await refusal(auth, step, code=person.code()) == ""

"""What people are told of their sessions: log-ins on new devices, and copies of their tokens."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from services.auth.tests.identities.stored import add_identity
from services.auth.tests.second_factors.enrolled import code_of, finish, log_in
from services.notifications.tests.mail_bench import MailBench
from tenon.auth.v1.password_service_pb2 import ChangePasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon.auth.v1.second_factor_service_pb2 import (
    ConfirmTotpRequest,
    RemoveTotpRequest,
    ReplaceRecoveryCodesRequest,
    StartTotpRequest,
)
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.session_pb2 import Device
from tenon.auth.v1.session_service_pb2 import LogInRequest, RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.sessions import AGE

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
ADDRESS = "192.0.2.7"


@pytest.fixture
async def sessions(bench: MailBench) -> AsyncIterator[Any]:
    channel = bench.system.channel("auth")
    yield SessionServiceStub(channel)
    await channel.close(None)


async def verify(bench: MailBench, user_id: object) -> None:
    """Notices go to addresses alone that are verified."""
    await bench.admin.execute(
        "UPDATE auth.users SET email_verified = true WHERE id = %s", [user_id]
    )


async def jobs_of(bench: MailBench, user_id: str, kind: str) -> int:
    cursor = await bench.admin.execute(
        "SELECT count(*) FROM notifications.jobs"
        " WHERE payload->>'user_id' = %s AND payload->>'kind' = %s",
        [user_id, kind],
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row["count"])


async def test_a_log_in_on_a_new_device_is_told_and_none_on_a_known_one(
    bench: MailBench, sessions: Any
) -> None:
    email = f"{uuid4()}@example.com"
    await verify(bench, await bench.sign_up(email))
    first = Device(user_agent=FIREFOX, ip_address=ADDRESS)
    request = LogInRequest(email=email, password=PASSWORD, device=first)
    begun = await sessions.LogIn(request)
    request.device.token = begun.tokens.device_token
    await sessions.LogIn(request)
    async with bench.working():
        mail = await bench.mail_about(email, "new log-in")
        other = await sessions.LogIn(LogInRequest(email=email, password=PASSWORD))

        async def all_told() -> bool:
            return await jobs_of(bench, other.user.id, "new_device") == 2

        await bench.until(all_told)
    text = bench.text(mail)
    assert "Firefox on Linux" in text
    assert ADDRESS in text


async def test_whose_password_was_changed_is_told(bench: MailBench, callers: Callers) -> None:
    ada = await callers.user()
    await verify(bench, ada.user_id)
    channel = bench.system.channel("auth")
    request = ChangePasswordRequest(
        current_password=PASSWORD, new_password="another horse and battery"
    )
    await PasswordServiceStub(channel).ChangePassword(request, metadata=ada.metadata)
    await channel.close(None)
    async with bench.working():
        await bench.mail_about(ada.email, "password was changed")


async def test_whose_account_was_connected_with_a_provider_is_told(
    bench: MailBench, callers: Callers
) -> None:
    ada = await callers.user()
    await verify(bench, ada.user_id)
    await add_identity(bench.system, ada.user_id)
    async with bench.working():
        mail = await bench.mail_about(ada.email, "connected with a provider")
    assert "disconnect it" in bench.text(mail)


async def test_whose_second_factors_change_is_told(bench: MailBench, callers: Callers) -> None:
    """Of what was added and removed, of new recovery codes, and of a log-in by one."""
    ada = await callers.user()
    await verify(bench, ada.user_id)
    channel = bench.system.channel("auth")
    factors = SecondFactorServiceStub(channel)
    secret = (await factors.StartTotp(StartTotpRequest(), metadata=ada.metadata)).secret
    confirmation = ConfirmTotpRequest(code=code_of(secret))
    codes = (await factors.ConfirmTotp(confirmation, metadata=ada.metadata)).recovery_codes
    await finish(channel, await log_in(channel, ada.email), recovery_code=codes[0])
    replacement = ReplaceRecoveryCodesRequest()
    await factors.ReplaceRecoveryCodes(replacement, metadata=ada.metadata)
    await factors.RemoveTotp(RemoveTotpRequest(), metadata=ada.metadata)
    await channel.close(None)
    async with bench.working():
        for subject in (
            "second factor was added",
            "recovery code was used",
            "recovery codes were replaced",
            "second factor was removed",
        ):
            await bench.mail_about(ada.email, subject)


async def test_whose_refresh_token_was_copied_is_told(
    bench: MailBench, sessions: Any, callers: Callers
) -> None:
    ada = await callers.user()
    await verify(bench, ada.user_id)
    stolen = token = ada.refresh_token
    for _ in range(2):
        await bench.admin.execute(AGE, {"id": ada.session_id, "seconds": 60})
        reply = await sessions.RefreshSession(RefreshSessionRequest(refresh_token=token))
        token = reply.tokens.refresh_token
    with pytest.raises(PeerError):
        await sessions.RefreshSession(RefreshSessionRequest(refresh_token=stolen))
    async with bench.working():
        mail = await bench.mail_about(ada.email, "ended a session")
        assert await jobs_of(bench, str(ada.user_id), "session_reused") == 1
    assert "Log in again" in bench.text(mail)


async def test_an_address_that_may_be_anothers_gets_no_notices(
    bench: MailBench, sessions: Any, callers: Callers
) -> None:
    """Or whoever signs up with it could fill a stranger's mailbox."""
    ada = await callers.user()
    await sessions.LogIn(LogInRequest(email=ada.email, password=PASSWORD))
    async with bench.working():

        async def given_up() -> bool:
            cursor = await bench.admin.execute(
                "SELECT failure FROM notifications.emails WHERE user_id = %s"
                " AND kind = 'new_device' AND state = 'failed'",
                [ada.user_id],
            )
            row = await cursor.fetchone()
            return row is not None and "not verified" in str(row["failure"])

        await bench.until(given_up)

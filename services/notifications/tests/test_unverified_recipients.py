"""What reaches an address that its account has not proved to read: it may be a stranger's."""

from uuid import UUID, uuid4

import pytest

from services.notifications.tests.mail_bench import MailBench
from services.notifications.tests.test_run_mails import Exports, exports
from tenon.auth.v1.email_change_service_pb2 import RequestEmailChangeRequest
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceStub
from tenon.auth.v1.password_service_pb2 import ForgetPasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon.auth.v1.user_service_pb2 import SendVerificationRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_testing.callers import Callers

__all__ = ["exports"]

LURE = "Call 555 0100 to unlock your account"


@pytest.fixture
async def lured(bench: MailBench, callers: Callers) -> list[str]:
    """Have every kind of mail sent that an unverified account can cause; return the recipients."""
    bench.system.start("auth", "worker")
    stranger, other = await callers.user(LURE), f"{uuid4()}@example.com"
    auth = bench.system.channel("auth")
    await UserServiceStub(auth).SendVerification(
        SendVerificationRequest(), metadata=stranger.metadata
    )
    await PasswordServiceStub(auth).ForgetPassword(ForgetPasswordRequest(email=stranger.email))
    await EmailChangeServiceStub(auth).RequestEmailChange(
        RequestEmailChangeRequest(email=other), metadata=stranger.metadata
    )
    await auth.close(None)
    return [stranger.email, other]


async def test_no_words_of_an_unverified_account_are_mailed(
    bench: MailBench, lured: list[str]
) -> None:
    stranger, other = lured
    async with bench.working():
        mails = [
            await bench.mail_about(stranger, subject)
            for subject in ("Welcome", "Verify your address", "Choose a new password")
        ]
        mails.append(await bench.mail_about(other, "Confirm your new address"))
    for mail in mails:
        assert LURE not in mail.as_string()
        assert LURE not in bench.text(mail)


async def test_the_name_of_a_verified_account_is_not_mailed_to_another_address(
    bench: MailBench, callers: Callers
) -> None:
    ada, new = await callers.user(LURE), f"{uuid4()}@example.com"
    bench.system.verify_email(ada.user_id)
    auth = bench.system.channel("auth")
    await EmailChangeServiceStub(auth).RequestEmailChange(
        RequestEmailChangeRequest(email=new), metadata=ada.metadata
    )
    await auth.close(None)
    async with bench.working():
        mail = await bench.mail_about(new, "Confirm your new address")
        own = await bench.mail_about(ada.email, "A new address was asked for")
    assert LURE not in mail.as_string()
    assert f"Hello {LURE}," in bench.text(own)  # the control: its own address is verified


async def test_exports_of_an_unverified_account_are_not_mailed(
    bench: MailBench, exports: Exports
) -> None:
    owner = exports.tenant.owner
    await bench.admin.execute(
        "UPDATE auth.users SET email_verified = false WHERE id = %s", [owner.user_id]
    )
    run_id = await exports.start()
    async with bench.working():
        await bench.until(lambda: given_up(bench, UUID(run_id)))
    assert not any("Flights" in mail["Subject"] for mail in await bench.mails_to(owner.email))


async def given_up(bench: MailBench, run_id: UUID) -> bool:
    """Say whether the mail about a run is recorded as one that cannot be delivered."""
    cursor = await bench.admin.execute(
        "SELECT failure FROM notifications.emails WHERE subject_id = %s AND state = 'failed'",
        [run_id],
    )
    row = await cursor.fetchone()
    return row is not None and row["failure"] == "the address is not verified"

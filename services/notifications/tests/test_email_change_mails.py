"""Who is told what of a change of an address: the link to the new one, all else to the old one."""

import re
from typing import Any
from uuid import uuid4

import grpc

from services.notifications.tests.mail_bench import MailBench
from tenon.auth.v1.email_change_service_pb2 import (
    ConfirmEmailChangeRequest,
    RequestEmailChangeRequest,
    UndoEmailChangeRequest,
)
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceStub
from tenon_testing.callers import Caller, Callers


def link(bench: MailBench, mail: Any, page: str) -> str:
    found = re.search(rf"/{page}#(\S+)", bench.text(mail))
    assert found is not None
    return found[1]


async def ask(bench: MailBench, ada: Caller, email: str) -> grpc.aio.Channel:
    """Ask for another address of an account whose own is verified."""
    await bench.admin.execute(
        "UPDATE auth.users SET email_verified = true WHERE id = %s", [ada.user_id]
    )
    channel = bench.system.channel("auth")
    request = RequestEmailChangeRequest(email=email)
    await EmailChangeServiceStub(channel).RequestEmailChange(request, metadata=ada.metadata)
    return channel


async def test_a_change_and_its_undo_are_done_by_the_mails_alone(
    bench: MailBench, callers: Callers
) -> None:
    ada, new = await callers.user(), f"{uuid4()}@example.com"
    channel = await ask(bench, ada, new)
    changes = EmailChangeServiceStub(channel)
    async with bench.working():
        await bench.mail_about(ada.email, "new address was asked for")
        mail = await bench.mail_about(new, "Confirm your new address")
        assert not [to for to in await bench.mails_to(new) if "asked for" in to["Subject"]]
        await changes.ConfirmEmailChange(
            ConfirmEmailChangeRequest(token=link(bench, mail, "change-email")),
            metadata=ada.metadata,
        )
        mail = await bench.mail_about(ada.email, "was changed")
        await changes.UndoEmailChange(
            UndoEmailChangeRequest(token=link(bench, mail, "undo-email-change"))
        )
        mail = await bench.mail_about(ada.email, "address is back")
    assert link(bench, mail, "reset-password")
    await channel.close(None)


async def test_no_mail_goes_to_an_address_that_has_an_account(
    bench: MailBench, callers: Callers
) -> None:
    ada, eve = await callers.user(), await callers.user()
    channel = await ask(bench, ada, eve.email)
    async with bench.working():

        async def given_up() -> bool:
            cursor = await bench.admin.execute(
                "SELECT failure FROM notifications.emails WHERE user_id = %s"
                " AND kind = 'change_email' AND state = 'failed'",
                [ada.user_id],
            )
            row = await cursor.fetchone()
            return row is not None and "address is gone" in str(row["failure"])

        await bench.until(given_up)
    await channel.close(None)

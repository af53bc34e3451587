"""How many mails reach a mailbox; what is above a limit comes later, and is not lost."""

from dataclasses import replace
from uuid import uuid4

import grpc

from services.notifications.tests.mail_bench import MailBench
from services.notifications.tests.test_invitation_mails import invited, tenancy
from services.notifications.tests.test_run_mails import Exports, exports
from tenon_testing.callers import Callers

__all__ = ["exports", "tenancy"]

PER_ORGANIZATION = 5


async def waiting(bench: MailBench, kind: str) -> int:
    """Count the mails of a kind that wait for their time."""
    cursor = await bench.admin.execute(
        "SELECT count(*) FROM notifications.jobs WHERE state = 'queued' AND run_at > now()"
        " AND payload->>'kind' = %s",
        [kind],
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row["count"])


async def test_mails_about_exports_above_the_limit_come_later(
    bench: MailBench, exports: Exports
) -> None:
    limited = replace(bench, settings=bench.settings.model_copy(update={"run_mails_per_user": 2}))
    email = exports.tenant.owner.email

    async def count() -> int:
        mails = await bench.mails_to(email)
        return sum("Flights" in mail["Subject"] for mail in mails)

    async def all_announced() -> bool:
        return await count() == 2 and await waiting(bench, "run_succeeded") == 1

    async def all_mailed() -> bool:
        return await count() == 3

    for _ in range(3):
        await exports.start()
    async with limited.working():
        await bench.until(all_announced)
        await bench.retry_now()
        await bench.until(all_mailed)


async def test_invitations_above_a_mailboxes_limit_come_later(
    bench: MailBench, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    name = uuid4()
    tenants = [await callers.tenant(f"Acme {number}") for number in range(3)]
    for tenant in tenants[:2]:
        for number in range(PER_ORGANIZATION):
            await invited(tenancy, tenant, f"{name}+{number}@example.com")
    last = await invited(tenancy, tenants[2], f"{name}@example.com")

    async def waits() -> bool:
        return await waiting(bench, "invitation") == 1

    async with bench.working():
        await bench.mails_to(f"{name}+0@example.com")
        await bench.until(waits)
        await bench.retry_now()
        await bench.mail_about(last.email, "Acme 2")

"""From an event of a real service to a mail at a real SMTP server."""

from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.notifications.tests.mail_bench import MailBench
from services.notifications.tests.smtp_inbox import HANG_UP, smtp_inbox
from tenon_embedded.ports import free_port
from tenon_testing.addresses import DELIVERED
from tenon_testing.callers import Callers


async def test_a_new_user_is_welcomed(bench: MailBench, callers: Callers) -> None:
    async with bench.working():
        ada = await callers.user("Ada")
        (mail,) = await bench.mails_to(ada.email)
        await bench.until_row(ada.user_id, state="sent", job="succeeded")
    assert mail["Subject"] == "Welcome to Tenon"
    assert mail["From"] == "Tenon <no-reply@tenon.test>"
    assert mail["To"] == ada.email


async def test_what_happened_while_no_worker_ran_is_mailed_later(
    bench: MailBench, callers: Callers
) -> None:
    ada = await callers.user()
    async with bench.working():
        assert len(await bench.mails_to(ada.email)) == 1


async def test_an_event_that_comes_again_makes_no_second_mail(
    bench: MailBench, callers: Callers
) -> None:
    async with bench.working():
        ada = await callers.user()
        await bench.mails_to(ada.email)
        await bench.until_row(ada.user_id, state="sent")
    await bench.admin.execute("UPDATE notifications.cursors SET position = 0")
    await bench.admin.execute("DELETE FROM notifications.jobs")
    async with bench.working():
        await bench.until_row(ada.user_id, job="succeeded")
    assert len(await bench.mails_to(ada.email)) == 1


async def test_a_mail_waits_for_an_smtp_server_that_is_away(
    bench: MailBench, callers: Callers
) -> None:
    port = free_port()
    async with bench.working(port):
        ada = await callers.user()
        await bench.until_row(ada.user_id, state="queued", job="queued", attempts=1)
        async with smtp_inbox(port=port) as inbox:
            await bench.retry_now()
            await bench.until_row(ada.user_id, state="sent", job="succeeded")
    assert [envelope.rcpt_tos for envelope in inbox.taken] == [[ada.email]]


async def test_a_mail_that_may_have_been_taken_is_repeated_under_the_same_id(
    bench: MailBench, callers: Callers
) -> None:
    async with smtp_inbox(replies={"DATA": HANG_UP}) as inbox, bench.working(inbox.port):
        ada = await callers.user()
        await bench.until_row(ada.user_id, job="queued", attempts=1)
        inbox.replies.clear()
        await bench.retry_now()
        await bench.until_row(ada.user_id, state="sent")
    ids = {line for mail in inbox.taken for line in lines(mail.content) if b"Message-ID" in line}
    assert (len(inbox.taken), len(ids)) == (2, 1)


async def test_a_refused_address_fails_the_mail(bench: MailBench, callers: Callers) -> None:
    refusal = {"RCPT": "550 no such user"}
    async with smtp_inbox(replies=refusal) as inbox, bench.working(inbox.port):
        ada = await callers.user()
        await bench.until_row(ada.user_id, state="failed", job="succeeded")
    assert (await bench.row(ada.user_id))["failure"] == "the SMTP server said 550"


async def test_a_mail_reaches_an_international_domain(bench: MailBench) -> None:
    async with smtp_inbox() as inbox, bench.working(inbox.port):
        user_id = await bench.sign_up(f"ada@{uuid4()}.bücher.example")
        await bench.until_row(user_id, state="sent")
    assert inbox.taken[-1].rcpt_tos[0].endswith(".xn--bcher-kva.example")


async def test_nothing_personal_is_kept(bench: MailBench, callers: Callers) -> None:
    async with smtp_inbox() as inbox, bench.working(inbox.port):
        inbox.replies["RCPT"] = "451 not now"
        ada = await callers.user("Ada Lovelace")
        await bench.until_row(ada.user_id, attempts=1)
        inbox.replies.clear()
        await bench.retry_now()
        await bench.until_row(ada.user_id, state="sent")
    for table in ("emails", "jobs", "outbox", "cursors"):
        rows = await bench.everything(table)
        assert ada.email not in rows
        assert "Lovelace" not in rows


async def test_the_service_and_its_worker_run_as_processes(
    bench: MailBench, callers: Callers
) -> None:
    bench.system.start("notifications")
    worker = bench.system.start("notifications", "worker")
    ada = await callers.user()
    assert len(await bench.mails_to(ada.email)) == 1
    worker.stop()


def lines(content: bytes | str | None) -> list[bytes]:
    assert isinstance(content, bytes)
    return content.splitlines()


@pytest.mark.parametrize(("address", "recipient"), DELIVERED.items())
async def test_a_mail_goes_to_the_domain_of_its_address(
    bench: MailBench, address: str, recipient: str
) -> None:
    name = uuid4().hex
    async with smtp_inbox() as inbox, bench.working(inbox.port):
        user_id = await bench.sign_up(f"{name}.{address}")
        await bench.until_row(user_id, state="sent", job="succeeded")
    (envelope,) = [one for one in inbox.taken if name in one.rcpt_tos[0]]
    assert envelope.rcpt_tos == [f"{name}.{recipient}"]
    assert isinstance(envelope.content, bytes)
    assert recipient.encode() in envelope.content


async def test_a_mail_to_letters_outside_ascii_is_sent_where_the_server_takes_them(
    bench: MailBench,
) -> None:
    address = f"ren\u00e9.{uuid4().hex}@b\u00fccher.example"
    async with smtp_inbox(enable_SMTPUTF8=True) as inbox, bench.working(inbox.port):
        user_id = await bench.sign_up(address)
        await bench.until_row(user_id, state="sent", job="succeeded")
    local = address.partition("@")[0]
    (envelope,) = [one for one in inbox.taken if local in one.rcpt_tos[0]]
    assert envelope.rcpt_tos == [f"{local}@xn--bcher-kva.example"]


async def test_a_mail_to_letters_outside_ascii_fails_with_a_reason_where_it_does_not(
    bench: MailBench,
) -> None:
    address = f"ren\u00e9.{uuid4().hex}@example.com"
    async with smtp_inbox() as inbox, bench.working(inbox.port):
        user_id = await bench.sign_up(address)
        await bench.until_row(user_id, state="failed", job="succeeded")
        row = await bench.row(user_id)
        assert "SMTPUTF8" in row["failure"]
        other = await bench.sign_up(f"{uuid4()}@example.com")
        await bench.until_row(other, state="sent")
    unsupported = "tenon_emails_unsupported_addresses_total"
    assert REGISTRY.get_sample_value(unsupported, {"kind": row["kind"]})


async def test_the_development_mailbox_takes_letters_outside_ascii(bench: MailBench) -> None:
    address = f"ren\u00e9.{uuid4().hex}@example.com"
    async with bench.working():
        await bench.sign_up(address)
        (mail,) = await bench.mails_to(address)
    assert address in mail["To"]

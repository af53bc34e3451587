"""Who is told that the copy of their data is there."""

from services.notifications.tests.mail_bench import MailBench
from tenon.auth.v1.events_pb2 import ExportFinished
from tenon_core.ids import uuid7
from tenon_testing.callers import Callers


async def test_the_mail_leads_to_the_product_and_not_to_the_document(
    bench: MailBench, callers: Callers
) -> None:
    ada, export_id = await callers.user(), uuid7()
    await bench.admin.execute(
        "UPDATE auth.users SET email_verified = true WHERE id = %s", [ada.user_id]
    )
    event = ExportFinished(user_id=str(ada.user_id), export_id=str(export_id))
    await bench.admin.execute(
        "INSERT INTO auth.outbox (id, type, user_id, event_time, payload)"
        " VALUES (%s, %s, %s, now(), %s)",
        [uuid7(), ExportFinished.DESCRIPTOR.full_name, ada.user_id, event.SerializeToString()],
    )
    async with bench.working():
        text = bench.text(await bench.mail_about(ada.email, "copy of your data"))
    assert "/account" in text
    assert str(export_id) not in text

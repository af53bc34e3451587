"""Which events of other services become mails."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from tenon.auth.v1.events_pb2 import UserSignedUp
from tenon.reports.v1.events_pb2 import RunFailed, RunSucceeded
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction
from tenon_notifications.emails.models import Email, Kind
from tenon_notifications.emails.service import EmailService


def subscriptions(emails: EmailService) -> Mapping[str, Mapping[str, Handler]]:
    """Return the handlers by service and type of event."""

    async def user_signed_up(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            user_id = UUID(UserSignedUp.FromString(event.payload).user_id)
            await emails.request(tx, Email.because_of(event.id, Kind.WELCOME, user_id))

    async def run_succeeded(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            run = RunSucceeded.FromString(event.payload)
            await emails.request(tx, _about_run(event, Kind.RUN_SUCCEEDED, run))

    async def run_failed(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            run = RunFailed.FromString(event.payload)
            await emails.request(tx, _about_run(event, Kind.RUN_FAILED, run))

    return {
        "auth": {UserSignedUp.DESCRIPTOR.full_name: user_signed_up},
        "reports": {
            RunSucceeded.DESCRIPTOR.full_name: run_succeeded,
            RunFailed.DESCRIPTOR.full_name: run_failed,
        },
    }


def _about_run(event: FeedEvent, kind: Kind, run: RunSucceeded | RunFailed) -> Email:
    return Email.because_of(
        event.id, kind, UUID(run.user_id), org_id=UUID(run.org_id), run_id=UUID(run.run_id)
    )

"""The jobs of mails."""

from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType, RetryLater, Scope
from tenon_notifications.emails.models import Email
from tenon_notifications.emails.service import SEND, EmailService
from tenon_notifications.errors import MailDelayed


def job_types(emails: EmailService) -> list[JobType]:
    """A mail is tried for about a day: after 5 s, 10 s, …, then every hour."""

    async def send(job: Job) -> None:
        try:
            await emails.send(Email.from_payload(job.payload), job.complete)
        except MailDelayed as error:
            raise RetryLater(why=str(error)) from error

    async def fail(tx: Transaction, job: Job, reason: str) -> None:
        await emails.fail(tx, Email.from_payload(job.payload), reason)

    return [
        JobType(
            SEND,
            send,
            max_attempts=40,
            first_delay=5.0,
            longest_delay=3600.0,
            timeout_seconds=120.0,
            on_failed=fail,
            scope=Scope.USER,
        )
    ]

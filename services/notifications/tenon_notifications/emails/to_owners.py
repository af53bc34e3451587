"""Mails to all owners of an organization. A job asks tenancy who they are, outside the transaction
that reads events.
"""

from collections.abc import Mapping
from uuid import UUID

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue, JobType
from tenon_notifications.api_key_clients import Owners
from tenon_notifications.emails.models import Email, Kind
from tenon_notifications.emails.service import EmailService

TO_OWNERS = "emails.to_owners"


class OwnerMails:
    """Requests a mail for each owner."""

    def __init__(
        self, database: Database, queue: JobQueue, emails: EmailService, owners: Owners
    ) -> None:
        self._database = database
        self._queue = queue
        self._emails = emails
        self._owners = owners

    async def request(
        self,
        tx: Transaction,
        event_id: UUID,
        kind: Kind,
        *,
        org_id: UUID,
        subject_id: UUID,
        actor_id: UUID | None,
    ) -> None:
        """Have the owners mailed once the transaction has committed."""
        ids = {"event_id": event_id, "subject_id": subject_id, "actor_id": actor_id}
        payload = {"kind": kind, **{name: str(value) for name, value in ids.items() if value}}
        await self._queue.enqueue(tx, TO_OWNERS, payload, org_id=org_id)

    def types(self) -> list[JobType]:
        return [JobType(TO_OWNERS, self._request_each, max_attempts=1_000, longest_delay=3_600.0)]

    async def _request_each(self, job: Job) -> None:
        """Request the mails together with the job's success, so that none is requested twice."""
        assert job.org_id is not None
        organization = await self._owners.find(job.org_id)
        owner_ids = sorted(organization.owner_ids) if organization else []  # the order of locks
        async with self._database.tenant(job.org_id) as tx:
            for owner_id in owner_ids:
                await self._emails.request(tx, _mail(job.org_id, owner_id, job.payload))
            await job.complete(tx)


def _mail(org_id: UUID, owner_id: UUID, payload: Mapping[str, str]) -> Email:
    return Email.because_of(
        UUID(payload["event_id"]),
        Kind(payload["kind"]),
        owner_id,
        org_id=org_id,
        subject_id=UUID(payload["subject_id"]),
        actor_id=UUID(payload["actor_id"]) if "actor_id" in payload else None,
    )

"""Where services put their work."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tenon_core.accounts import current_account
from tenon_core.limits import Limit
from tenon_db.transaction import Transaction
from tenon_jobs.doorbell import Doorbell
from tenon_jobs.repository import JobRepository
from tenon_jobs.tables import jobs_of

FULL_QUEUE_SECONDS = 60.0
"""When it is worth trying again to put a job into a full queue."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many jobs of a type an organization and an account may have queued or running."""

    organization: Limit
    of_organization: int
    account: Limit
    of_account: int


class JobQueue:
    """The jobs of one service."""

    def __init__(self, schema: str, doorbell: Doorbell) -> None:
        self.table: sa.Table = jobs_of(schema)
        self.doorbell = doorbell

    async def enqueue(
        self,
        tx: Transaction,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        org_id: UUID | None = None,
        user_id: UUID | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        dedupe_key: str | None = None,
        limits: QueueLimits | None = None,
    ) -> UUID:
        """Add a job to the caller's transaction, whatever its kind, and return the job's id.

        The payload is JSON and holds ids only. `org_id` is what fairness between organizations
        goes by; a smaller `priority` is sooner among one organization's jobs. Jobs of a type
        with an equal `dedupe_key` are one until a worker begins it; the later caller waits for
        no worker but holds the waiting job until its own commit, so it should enqueue last.
        LimitExceeded if a job within `limits` would be one too many.
        """
        account_id = current_account() or org_id
        if limits and org_id:
            await self.require_room(tx, job_type, org_id, limits)
        job_id = await JobRepository(tx, self.table).add(
            job_type,
            payload,
            org_id=org_id,
            user_id=user_id,
            account_id=account_id,
            run_at=run_at,
            priority=priority,
            dedupe_key=dedupe_key,
        )
        tx.after_commit(self._ring)
        return job_id

    async def require_room(
        self, tx: Transaction, job_type: str, org_id: UUID, limits: QueueLimits
    ) -> None:
        """Refuse a job that would be one too many: LimitExceeded. Holds until the commit."""
        jobs, account_id = JobRepository(tx, self.table), current_account() or org_id
        found = await jobs.count_unfinished(job_type, org_id, account_id)
        if found.of_organization >= limits.of_organization:
            raise limits.organization.exceeded(FULL_QUEUE_SECONDS)
        if found.of_account >= limits.of_account:
            raise limits.account.exceeded(FULL_QUEUE_SECONDS)

    async def _ring(self) -> None:
        self.doorbell.ring()

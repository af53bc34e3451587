"""Where services put their work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from tenon_db.transaction import Transaction
from tenon_jobs.doorbell import Doorbell
from tenon_jobs.repository import JobRepository
from tenon_jobs.tables import jobs_of


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
    ) -> UUID:
        """Add a job to the caller's transaction, whatever its kind, and return the job's id.

        The payload is JSON and holds ids only. `org_id` is what fairness between organizations
        goes by; a smaller `priority` is sooner among one organization's jobs. Jobs of a type
        with an equal `dedupe_key` are one until a worker begins it; the later caller waits for
        no worker but holds the waiting job until its own commit, so it should enqueue last.
        """
        job_id = await JobRepository(tx, self.table).add(
            job_type,
            payload,
            org_id=org_id,
            user_id=user_id,
            run_at=run_at,
            priority=priority,
            dedupe_key=dedupe_key,
        )
        tx.after_commit(self._ring)
        return job_id

    async def _ring(self) -> None:
        self.doorbell.ring()

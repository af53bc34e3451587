from uuid import UUID

from tenon_core import clock
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobType
from tenon_reports import events
from tenon_reports.files.service import FileService
from tenon_reports.runs.exporting import EXPIRE, RunExporter
from tenon_reports.runs.models import UNFINISHED, Run, RunState
from tenon_reports.runs.repository import RunRepository
from tenon_reports.runs.service import EXPORT
from tenon_reports.runs.stopping import LONGEST_EXPORT_SECONDS

PATIENT_ATTEMPTS, FIRST_DELAY, LONGEST_DELAY = 40, 5.0, 3600.0
"""A storage that is full is tried again for about a day: after 5 s, 10 s, …, then every hour."""
GIVEN_UP = "The export failed because of an error on our side. Please start it again."


class RunTasks:
    def __init__(self, database: Database, files: FileService, exporter: RunExporter) -> None:
        self._database = database
        self._files = files
        self._exporter = exporter

    def types(self) -> list[JobType]:
        return [
            JobType(
                EXPORT,
                self.export,
                timeout_seconds=LONGEST_EXPORT_SECONDS,
                concurrency=2,
                patient_attempts=PATIENT_ATTEMPTS,
                first_delay=FIRST_DELAY,
                longest_delay=LONGEST_DELAY,
                organization_concurrency=1,
                account_concurrency=1,
                on_failed=self.give_up,
            ),
            JobType(EXPIRE, self.expire),
        ]

    async def export(self, job: Job) -> None:
        run = await self._find(job)
        if run and run.state in UNFINISHED:
            await self._exporter.export(job, run)

    async def expire(self, job: Job) -> None:
        """Delete the file of a run whose time is over."""
        assert job.org_id is not None
        succeeded = frozenset({RunState.SUCCEEDED, RunState.EXPIRED})
        async with self._database.tenant(job.org_id) as tx:
            run = await RunRepository(tx).move(_run_id(job), succeeded, RunState.EXPIRED)
            if run:
                await self._files.discard(tx, [run.file_key])
            await job.complete(tx)

    async def give_up(self, tx: Transaction, job: Job, error: str) -> None:
        """Tell the user; `error` is for the operator."""
        del error
        run = await RunRepository(tx).move(
            _run_id(job), UNFINISHED, RunState.FAILED, failure=GIVEN_UP, finish_time=clock.now()
        )
        if run:
            await self._files.discard(tx, [run.file_key], run.unfinished)
            await tx.publish(events.run_failed(run.org_id, run.id, run.user_id))

    async def _find(self, job: Job) -> Run | None:
        assert job.org_id is not None
        async with self._database.tenant(job.org_id) as tx:
            return await RunRepository(tx).find(_run_id(job))


def _run_id(job: Job) -> UUID:
    return UUID(job.payload["run_id"])

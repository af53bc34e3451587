"""Exports by workers of the tests, beside the ordinary one."""

from uuid import UUID

from tenon_db.database import Database
from tenon_jobs import Job, JobType
from tenon_reports.app import Services
from tenon_reports.runs.exporting import RunExporter
from tenon_reports.runs.repository import RunRepository

TEST_EXPORT = "test.export"
PART_BYTES = 100_000
LEASE_SECONDS = 3.0
"""On a busy machine a shorter lease is lost, which counts as another death of a worker."""


def export_type(
    database: Database,
    own: Services,
    *,
    slice_seconds: float = 60,
    account: int | None = None,
    patient_attempts: int | None = None,
) -> JobType:
    """A type of job that only the tests' workers do."""
    exporter = RunExporter(
        database, own.queue, own.storage, own.datasets, own.files, slice_seconds=slice_seconds
    )

    async def export(job: Job) -> None:
        assert job.org_id is not None
        async with database.tenant(job.org_id) as tx:
            run = await RunRepository(tx).find(UUID(job.payload["run_id"]))
        assert run
        await exporter.export(job, run)

    return JobType(
        TEST_EXPORT,
        export,
        lease_seconds=LEASE_SECONDS,
        first_delay=0.01,
        longest_delay=0.05,
        patient_attempts=patient_attempts,
        account_concurrency=account,
    )

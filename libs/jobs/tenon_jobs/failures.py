"""The end of a job that did not succeed, and what its type does about that."""

from contextlib import AbstractAsyncContextManager

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs.job import Job, JobType, Scope
from tenon_jobs.repository import JobRepository


async def record_failure(database: Database, job_type: JobType, job: Job, error: str) -> bool:
    """Record that it failed for good; False if it is no longer ours."""
    async with _transaction(database, job_type, job) as tx:
        recorded = await JobRepository(tx, job.table).fail(job.id, job.token, error)
        return recorded and await _follow(tx, job_type, job, error)


async def record_quarantine(database: Database, job_type: JobType, job: Job, error: str) -> bool:
    """Set it aside; False if somebody else did."""
    async with _transaction(database, job_type, job) as tx:
        recorded = await JobRepository(tx, job.table).quarantine(job.id, job.token, error)
        return recorded and await _follow(tx, job_type, job, error)


async def _follow(tx: Transaction, job_type: JobType, job: Job, error: str) -> bool:
    if job_type.on_failed:
        await job_type.on_failed(tx, job, error)
    return True


def _transaction(
    database: Database, job_type: JobType, job: Job
) -> AbstractAsyncContextManager[Transaction]:
    """Open the scope that `on_failed` wants; the jobs table is the same in each."""
    match job_type.scope:
        case Scope.ORGANIZATION if job.org_id:
            return database.tenant(job.org_id)
        case Scope.USER if job.user_id:
            return database.user(job.user_id)
    return database.system("jobs")

"""A worker as it runs in production; the tests start, kill and stop it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from redis.asyncio import Redis

from libs.jobs.tests.job_bench import note
from tenon_core.settings import ServiceSettings
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_jobs import CeleryDoorbell, Job, JobQueue, JobType, Worker, run_worker


class WorkSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TENON_WORK_", frozen=True)

    tls_ca: Path = Path("none")
    tls_cert: Path = Path("none")
    tls_key: Path = Path("none")
    public_url: str = "http://localhost"
    peers: dict[str, str] = Field(default_factory=dict)
    poll_seconds: float


@asynccontextmanager
async def working(settings: WorkSettings) -> AsyncIterator[Worker]:
    redis_url = settings.redis_url.get_secret_value()
    redis = Redis.from_url(redis_url)
    database = Database(
        settings.database_url.get_secret_value(), schema="work", doorbell=Doorbell(redis)
    )
    queue = JobQueue("work", CeleryDoorbell("work", redis_url))
    types = [
        JobType("quick", lambda job: finish(database, job)),
        JobType("poison", die, lease_seconds=0.2),
        JobType("slow poison", die, lease_seconds=10.0),
        JobType("waiting", lambda job: wait_for_go(database, job), lease_seconds=1.0),
    ]
    yield Worker(database, queue, types, poll_seconds=settings.poll_seconds, sweep_seconds=0.2)
    await database.close()
    await redis.aclose()


async def finish(database: Database, job: Job) -> None:
    async with database.system("test") as tx:
        await note(tx, f"finished by {os.getpid()}")
        await job.complete(tx)


async def die(_: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def wait_for_go(database: Database, job: Job) -> None:
    """Say that it has begun, and finish once the test has said "go"."""
    async with database.system("test") as tx:
        await note(tx, f"begun by {os.getpid()}")
    said = sa.text("SELECT count(*) FROM work.effects WHERE what = 'go'")
    while True:
        async with database.system("test") as tx:
            if await tx.scalar(said):
                break
        await asyncio.sleep(0.02)
    await finish(database, job)


if __name__ == "__main__":
    run_worker("work", WorkSettings(), working)

"""One claimed job from its handler's start to its recorded outcome."""

import asyncio
import traceback
from dataclasses import dataclass

import structlog

from tenon_core.accounts import acting_for
from tenon_core.errors import Code, TenonError
from tenon_db.database import Database
from tenon_jobs import backoff, metrics
from tenon_jobs.failures import record_failure
from tenon_jobs.job import GiveUp, Job, JobType, LeaseLost, RetryLater, YieldSlot
from tenon_jobs.lease import Lease
from tenon_jobs.repository import JobRepository

RECORD_DELAYS = (0.1, 0.5, 2.0, 5.0)
"""Seconds between tries to record an outcome; then the lease is left to run out."""

PASSING = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED})
"""What somebody else cannot do now, which is no mistake of the handler's."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Succeeded:
    name = "succeeded"


@dataclass(frozen=True, slots=True)
class Retry:
    seconds: float
    error: str
    name = "retry"


@dataclass(frozen=True, slots=True)
class Failed:
    error: str
    name = "failed"


@dataclass(frozen=True, slots=True)
class Released:
    name = "released"


@dataclass(frozen=True, slots=True)
class Lost:
    name = "lost"


Outcome = Succeeded | Retry | Failed | Released | Lost


class Execution:
    """Runs the handler in a task of its own, which ends early when the lease is lost, when the
    time is over or when the worker stops; then records what came of it.
    """

    def __init__(self, database: Database, job_type: JobType, job: Job, claimed_at: float) -> None:
        self._database = database
        self._type = job_type
        self._job = job
        self._handling: asyncio.Task[None] | None = None
        self._stopped = False
        self._lease = Lease(database, job, job_type.lease_seconds, claimed_at)

    async def run(self) -> None:
        job = self._job
        with (
            structlog.contextvars.bound_contextvars(job_id=str(job.id), job_type=job.type),
            metrics.RUNNING.labels(job.type).track_inprogress(),
            metrics.DURATION.labels(job.type).time(),
        ):
            keeping = asyncio.create_task(self._lease.keep(self._interrupt))
            try:
                outcome = await self._handle()
                if not job.completed:
                    outcome = await self._recorded(outcome)
            finally:
                keeping.cancel()
            metrics.FINISHED.labels(job.type, outcome.name).inc()

    def stop(self) -> None:
        """End the handler now; the job goes back to the queue as if it had not been claimed."""
        self._stopped = True
        self._interrupt()

    def _interrupt(self) -> None:
        if self._handling:
            self._handling.cancel()

    async def _handle(self) -> Outcome:
        if self._stopped:
            return Released()
        with acting_for(self._job.account_id):
            self._handling = asyncio.ensure_future(self._type.handler(self._job))
        done, _ = await asyncio.wait({self._handling}, timeout=self._type.timeout_seconds)
        if not done:
            self._interrupt()
            await asyncio.wait({self._handling})
        return self._outcome(self._handling, timed_out=not done)

    def _outcome(self, handling: "asyncio.Future[None]", *, timed_out: bool) -> Outcome:
        error = None if handling.cancelled() else handling.exception()
        if self._job.completed or (error is None and not handling.cancelled()):
            if error is not None:
                log.error("job raised after it was completed", exc_info=error)
            return Succeeded()
        if self._job.lost or isinstance(error, LeaseLost):
            return Lost()
        if isinstance(error, YieldSlot):
            return Released()
        if timed_out:
            return self._again(f"took longer than {self._type.timeout_seconds:.0f} s")
        if error is None:
            return Released() if self._stopped else self._again("was cancelled")
        outcome = self._after_error(error)
        _forget_frames(error)
        return outcome

    def _after_error(self, error: BaseException) -> Outcome:
        match error:
            case GiveUp():
                return Failed(str(error))
            case RetryLater():
                return self._again(str(error), error.seconds, is_passing=True)
            case TenonError(code=code, reason=reason) if code in PASSING:
                return self._again(reason, is_passing=True)
            case _:
                log.error("job failed", attempt=self._job.attempt, exc_info=error)
                # Its message may quote a row, so it is not kept.
                return self._again(type(error).__name__)

    def _again(
        self, error: str, seconds: float | None = None, *, is_passing: bool = False
    ) -> Outcome:
        patient = self._type.patient_attempts if is_passing else None
        if self._job.attempt >= (patient or self._type.max_attempts):
            return Failed(error)
        if seconds is None:
            seconds = backoff.delay(
                self._job.attempt, first=self._type.first_delay, longest=self._type.longest_delay
            )
        return Retry(seconds, error)

    async def _recorded(self, outcome: Outcome) -> Outcome:
        """Write the outcome down; if that cannot be done, the job comes back after its lease."""
        for delay in (*RECORD_DELAYS, None):
            if self._job.lost or isinstance(outcome, Lost):
                log.warning("job lost to another worker")
                break
            try:
                return outcome if await self._record(outcome) else Lost()
            except Exception:
                log.exception("outcome not recorded", outcome=outcome.name)
            if delay is not None:
                await asyncio.sleep(delay)
        return Lost()

    async def _record(self, outcome: Outcome) -> bool:
        job = self._job
        if isinstance(outcome, Failed):
            return await record_failure(self._database, self._type, job, outcome.error)
        async with self._database.system("jobs") as tx:
            jobs = JobRepository(tx, job.table)
            match outcome:
                case Succeeded():
                    return await jobs.succeed(job.id, job.token)
                case Retry(seconds, error):
                    return await jobs.retry(job.id, job.token, seconds, error)
                case _:
                    return await jobs.release(job.id, job.token)


def _forget_frames(error: BaseException) -> None:
    """Let go of what the failed handler's frames hold, such as buffers of files.

    A task, its error and the frames that the error went through refer to each other, so they
    would stay until the next full garbage collection, which may be hours away.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link and id(link) not in seen:
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__

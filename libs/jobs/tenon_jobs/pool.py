"""The slots of one worker process, and the loop that fills them with due jobs."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
import structlog

from tenon_db.database import Database
from tenon_jobs import metrics
from tenon_jobs.execution import Execution
from tenon_jobs.job import Job, JobType
from tenon_jobs.repository import Claim, JobRepository

WORTH_A_CLAIM = 0.25
"""The share of slots that, once free, is filled at once while more jobs wait …"""
LINGER_SECONDS = 0.02
"""… fewer wait for others as long as this, because a claim of many costs as much as one of one."""

log = structlog.get_logger()


class Pool:
    """Claims jobs of its types while slots are free; looks at least every `poll_seconds`."""

    def __init__(
        self,
        database: Database,
        table: sa.Table,
        types: Sequence[JobType],
        *,
        slots: int,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._table = table
        self._types = {job_type.name: job_type for job_type in types}
        self._wanted = [job_type.wanted for job_type in types]
        self._limited = any(one.is_limited for one in self._wanted)
        self._slots = slots
        self._poll_seconds = poll_seconds
        self._hint = asyncio.Event()
        self._backlog = False
        self._stopping = False
        self._running: dict[asyncio.Task[None], Execution] = {}

    def wake(self) -> None:
        self._hint.set()

    async def run(self) -> None:
        """Claim until `stop`; what was claimed goes on running, see `drain`."""
        while not self._stopping:
            self._hint.clear()
            try:
                await self._fill()
            except Exception as error:  # noqa: BLE001 # the database may be away; jobs wait there
                log.warning("no jobs claimed", error=str(error))
            await self._pause()

    def stop(self) -> None:
        self._stopping = True
        self.wake()

    async def drain(self, grace_seconds: float) -> None:
        """Wait for the running jobs; those that take longer go back to the queue."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_seconds)
            for task in late:
                self._running[task].stop()
            await asyncio.gather(*late)

    async def _fill(self) -> None:
        free = self._slots - len(self._running)
        if free:
            await self._claim(free)

    async def _claim(self, free: int) -> None:
        claimed_at = asyncio.get_running_loop().time()
        async with self._database.system("jobs") as tx:
            claims = await JobRepository(tx, self._table).claim(self._wanted, free)
        self._backlog = len(claims) == free
        for claim in claims:
            self._start(claim, claimed_at)

    def _start(self, claim: Claim, claimed_at: float) -> None:
        metrics.CLAIMED.labels(claim.type).inc()
        job = Job.of(claim, self._table)
        execution = Execution(self._database, self._types[claim.type], job, claimed_at)
        task = asyncio.create_task(execution.run(), name=f"job {claim.id}")
        self._running[task] = execution
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        # Of a limited type, what has ended makes room for its organization's next.
        if not self._backlog and not self._limited:
            return
        if len(self._running) <= self._slots * (1 - WORTH_A_CLAIM):
            self.wake()
        else:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self.wake)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._hint.wait()

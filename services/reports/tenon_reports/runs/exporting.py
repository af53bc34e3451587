"""Writing a run's file: one statement, streamed from a snapshot into the storage."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from tenon_core import clock
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue
from tenon_reports import events
from tenon_reports.datasets.service import DatasetService
from tenon_reports.errors import DatasetNotFound
from tenon_reports.files.service import FileService
from tenon_reports.queries.models import EventsPlan, Plan, Question
from tenon_reports.queries.plan import plan_events, plan_query
from tenon_reports.runs.models import WORKING, Phase, Progress, Run, RunState
from tenon_reports.runs.repository import ExportRepository, RunRepository
from tenon_storage.storage import Storage

EXPIRE = "runs.expire"
TICK_SECONDS = 0.5
LONGEST_EXPORT_SECONDS = 6 * 3600.0


@dataclass(slots=True)
class Tracker:
    """How far the writing is, for whoever watches it."""

    phase: Phase = Phase.WAITING
    total: int | None = None
    lines: int = 0
    size_bytes: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def rows(self) -> int:
        """Return the lines without the header."""
        return max(0, self.lines - 1)

    def begin(self, phase: Phase) -> None:
        self.phase = phase
        self.began = time.monotonic()

    def add(self, lines: int, size_bytes: int) -> None:
        self.lines += lines
        self.size_bytes += size_bytes

    def progress(self) -> Progress:
        eta = None
        if self.total is not None and self.rows:
            elapsed = time.monotonic() - self.began
            eta = round(elapsed / self.rows * max(0, self.total - self.rows))
        return Progress(self.phase, self.rows, self.total, eta)


class Stopped(Exception):  # an event, and no error
    """The run was cancelled, or is gone with its dataset."""


class RunExporter:
    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        storage: Storage,
        datasets: DatasetService,
        files: FileService,
    ) -> None:
        self._database = database
        self._queue = queue
        self._storage = storage
        self._datasets = datasets
        self._files = files

    async def export(self, job: Job, run: Run) -> None:
        """Write the run's file and end the run, as succeeded or as cancelled."""
        tracker = Tracker()
        try:
            await self._move(run, RunState.RUNNING)
            await self._watched(run, tracker)
            await self._succeed(job, run, tracker)
        except (Stopped, DatasetNotFound):
            await self._stop(job, run)

    async def _watched(self, run: Run, tracker: Tracker) -> None:
        """Write while looking, twice a second, whether it is still wanted; Stopped."""
        writing = asyncio.create_task(self._write(run, tracker))
        try:
            while not (await asyncio.wait({writing}, timeout=TICK_SECONDS))[0]:
                async with self._database.tenant(run.org_id) as tx:
                    state = await RunRepository(tx).note(run.id, tracker.progress())
                if state not in WORKING:
                    raise Stopped
            writing.result()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, run: Run, tracker: Tracker) -> None:
        async with self._storage.write(run.file_key) as writer:
            async with self._database.tenant(
                run.org_id, snapshot=True, statement_seconds=LONGEST_EXPORT_SECONDS
            ) as tx:
                plan = await self._plan(tx, run, tracker)
                tracker.begin(Phase.WRITING)
                async with aclosing(await ExportRepository(tx).lines(plan)) as counted_lines:
                    async for lines, chunk in counted_lines:
                        await writer.write(chunk)
                        tracker.add(lines, len(chunk))
            await self._move(run, RunState.UPLOADING)

    async def _plan(self, tx: Transaction, run: Run, tracker: Tracker) -> Plan | EventsPlan:
        """Plan the export anew; of events, say how many there are."""
        dataset = await self._datasets.get_within(tx, run.dataset_id)
        if isinstance(run.source, Question):
            plan = plan_query(run.org_id, dataset, run.source)
            pinned = replace(plan.selection, generation=run.generation)
            return replace(plan, selection=pinned)
        wanted = plan_events(run.org_id, dataset, run.source)
        wanted = replace(wanted, selection=replace(wanted.selection, generation=run.generation))
        tracker.begin(Phase.COUNTING)
        tracker.total = await ExportRepository(tx).count(wanted)
        return wanted

    async def _move(self, run: Run, to: RunState) -> None:
        async with self._database.tenant(run.org_id) as tx:
            if not await RunRepository(tx).move(run.id, WORKING | {RunState.QUEUED}, to):
                raise Stopped

    async def _succeed(self, job: Job, run: Run, tracker: Tracker) -> None:
        """End the run together with its job, once the file is complete."""
        async with self._database.tenant(run.org_id) as tx:
            ended = await RunRepository(tx).succeed(run.id, tracker.rows, tracker.size_bytes)
            if ended is None:
                raise Stopped
            await tx.publish(events.run_succeeded(run.org_id, run.id, run.user_id))
            await job.complete(tx)
            await self._queue.enqueue(
                tx,
                EXPIRE,
                {"run_id": str(run.id)},
                org_id=run.org_id,
                run_at=ended.expire_time,
            )

    async def _stop(self, job: Job, run: Run) -> None:
        """End a run that is not wanted any more, and keep nothing of it."""
        async with self._database.tenant(run.org_id) as tx:
            repository = RunRepository(tx)
            cancelling = frozenset({RunState.CANCELLING})
            await repository.move(
                run.id, cancelling, RunState.CANCELLED, finish_time=clock.now(), eta_seconds=None
            )
            present = await repository.find(run.id)
            if present is None or present.state is not RunState.SUCCEEDED:
                await self._files.discard(tx, [run.file_key])
            await job.complete(tx)

"""Writing a run's file and ending the run: streamed from a snapshot into the storage."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

from tenon_core import clock
from tenon_core.errors import StorageFull
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import Job, JobQueue, YieldSlot
from tenon_reports import events
from tenon_reports.datasets.service import DatasetService
from tenon_reports.errors import DatasetNotFound
from tenon_reports.files.service import FileService
from tenon_reports.queries.models import Plan, Question
from tenon_reports.queries.plan import plan_query
from tenon_reports.runs.models import WORKING, Phase, Run, RunState
from tenon_reports.runs.parted import PartedExport
from tenon_reports.runs.repository import ExportRepository, RunRepository
from tenon_reports.runs.stopping import LONGEST_EXPORT_SECONDS, Stopped, move
from tenon_reports.runs.tracking import Tracker
from tenon_storage.errors import StorageUnavailable
from tenon_storage.storage import Storage

EXPIRE = "runs.expire"
TICK_SECONDS = 0.5


class RunExporter:
    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        storage: Storage,
        datasets: DatasetService,
        files: FileService,
        *,
        slice_seconds: float,
    ) -> None:
        self._database = database
        self._queue = queue
        self._storage = storage
        self._datasets = datasets
        self._files = files
        self._slice_seconds = slice_seconds
        self._parted = PartedExport(database, storage, datasets, files)

    async def export(self, job: Job, run: Run) -> None:
        """Write the run's file and end the run, as succeeded or as cancelled; YieldSlot."""
        tracker = Tracker()
        try:
            await move(self._database, run, RunState.RUNNING)
            await self._watched(job, run, tracker)
            await self._succeed(job, run, tracker)
        except (Stopped, DatasetNotFound):
            await self._stop(job, run)
        except YieldSlot:
            await self._wait(run)
            raise
        except (StorageFull, StorageUnavailable) as error:
            await self._wait(run, error.detail)
            raise

    async def _wait(self, run: Run, reason: str = "") -> None:
        """Show that the run waits to go on, and why."""
        async with self._database.tenant(run.org_id) as tx:
            await RunRepository(tx).move(
                run.id,
                WORKING,
                RunState.QUEUED,
                phase=Phase.WAITING.value,
                eta_seconds=None,
                waiting_reason=reason,
            )

    async def _watched(self, job: Job, run: Run, tracker: Tracker) -> None:
        """Write while looking, twice a second, whether it is still wanted; Stopped, YieldSlot."""
        slice_end = time.monotonic() + self._slice_seconds
        writing = asyncio.create_task(self._write(run, tracker))
        try:
            while not (await asyncio.wait({writing}, timeout=TICK_SECONDS))[0]:
                async with self._database.tenant(run.org_id) as tx:
                    state = await RunRepository(tx).note(run.id, tracker.progress())
                    if time.monotonic() > slice_end:
                        tracker.must_yield = await job.others_wait(tx)
                if state not in WORKING:
                    raise Stopped
            writing.result()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, run: Run, tracker: Tracker) -> None:
        if isinstance(run.source, Question):
            await self._write_answer(run, run.source, tracker)
        else:
            await self._parted.write(run, tracker)

    async def _write_answer(self, run: Run, question: Question, tracker: Tracker) -> None:
        """Write an answer, which is small: whoever has to go on with it begins anew."""
        async with self._storage.write(run.file_key) as writer:
            async with self._database.tenant(
                run.org_id, snapshot=True, statement_seconds=LONGEST_EXPORT_SECONDS
            ) as tx:
                plan = await self._plan(tx, run, question)
                tracker.begin(Phase.WRITING)
                async with aclosing(await ExportRepository(tx).lines(plan)) as counted_lines:
                    async for lines, chunk in counted_lines:
                        await writer.write(chunk)
                        tracker.add(lines, len(chunk))
            await move(self._database, run, RunState.UPLOADING)

    async def _plan(self, tx: Transaction, run: Run, question: Question) -> Plan:
        dataset = await self._datasets.get_within(tx, run.dataset_id)
        plan = plan_query(run.org_id, dataset, question)
        return replace(plan, selection=replace(plan.selection, generation=run.generation))

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
                await self._files.discard(tx, [run.file_key], (present or run).unfinished)
            await job.complete(tx)

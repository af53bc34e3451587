from datetime import datetime, timedelta
from uuid import UUID

from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import parse_id, uuid7
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue, QueueLimits
from tenon_policy.call import Call
from tenon_reports.datasets.models import Dataset
from tenon_reports.datasets.service import DatasetService
from tenon_reports.errors import FileExpired, RunFinished, RunNotFinished, RunNotFound
from tenon_reports.queries.models import Question, Source
from tenon_reports.queries.plan import plan_events, plan_query
from tenon_reports.runs.models import FINISHED, WORKING, Phase, Progress, Run, RunState
from tenon_reports.runs.repository import RunRepository
from tenon_storage.storage import Storage

EXPORT = "runs.export"
FORMATS = frozenset({"csv"})
LINK_LIFETIME = timedelta(minutes=5)
PURGE_RUNS = 100


class RunService:
    """Exports to files, done in the background."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        storage: Storage,
        datasets: DatasetService,
        pending: QueueLimits,
    ) -> None:
        self._pending = pending
        self._database = database
        self._queue = queue
        self._storage = storage
        self._datasets = datasets

    async def start(self, call: Call, source: Source | None, file_format: str) -> Run:
        """Queue an export; InvalidQuery, InvalidArgument, LimitExceeded."""
        if source is None:
            raise InvalidArgument(fields=[FieldError("", "needs a query or events")])
        if file_format not in FORMATS:
            raise InvalidArgument(fields=[FieldError("/format", "must be csv")])
        async with self._database.tenant(call.org) as tx:
            dataset = await self._datasets.get_within(tx, parse_id(source.dataset_id))
            _require_valid(call.org, dataset, source)
            run = _new_run(call, dataset, source, file_format)
            await RunRepository(tx).add(run)
            await self._queue.enqueue(
                tx,
                EXPORT,
                {"run_id": str(run.id)},
                org_id=call.org,
                user_id=call.user_id,
                limits=self._pending,
            )
            await tx.publish(call.access(f"datasets/{dataset.id}/runs/{run.id}"))
        return run

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Run]:
        """List them, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            found = await RunRepository(tx).page(before, size + 1)
        return cut(found, size, lambda one: (one.id,))

    async def get(self, call: Call, run_id: UUID | None) -> Run:
        async with self._database.tenant(call.org) as tx:
            return await RunRepository(tx).get(run_id)

    async def cancel(self, call: Call, run_id: UUID | None) -> Run:
        """Cancel a run; the worker that is at it notices within a second. RunFinished."""
        async with self._database.tenant(call.org) as tx:
            repository = RunRepository(tx)
            run = await repository.get(run_id, lock=True)
            if run.state in FINISHED:
                raise RunFinished
            run = await _cancelled(repository, run)
            await tx.publish(call.access(f"datasets/{run.dataset_id}/runs/{run.id}"))
        return run

    async def link(self, call: Call, run_id: UUID | None) -> tuple[str, datetime]:
        """Return a link to the file, and when the link expires."""
        async with self._database.tenant(call.org) as tx:
            run = await RunRepository(tx).get(run_id)
            dataset = await self._datasets.get_within(tx, run.dataset_id)
        if run.state is RunState.EXPIRED or (run.expire_time and run.expire_time <= clock.now()):
            raise FileExpired
        if run.state is not RunState.SUCCEEDED:
            raise RunNotFinished
        until = clock.now() + LINK_LIFETIME
        url = await self._storage.link(run.file_key, run.file_name(dataset.name), LINK_LIFETIME)
        return url, until

    async def notice(self, org_id: UUID | None, run_id: UUID | None) -> tuple[Run, Dataset]:
        """Return what a mail about the run says."""
        if org_id is None:
            raise RunNotFound
        async with self._database.tenant(org_id) as tx:
            run = await RunRepository(tx).get(run_id)
            return run, await self._datasets.get_within(tx, run.dataset_id)

    async def purge(self, org_id: UUID, dataset_id: UUID) -> None:
        """Stop the runs of a deleted dataset, and remove them with their files."""
        async with self._database.tenant(org_id) as tx:
            await RunRepository(tx).cancel_of_dataset(dataset_id)
        while True:
            async with self._database.tenant(org_id) as tx:
                found = await RunRepository(tx).page_of_dataset(dataset_id, PURGE_RUNS)
            for run in found:
                await self._delete_files(run)
            async with self._database.tenant(org_id) as tx:
                await RunRepository(tx).remove([run.id for run in found])
            if len(found) < PURGE_RUNS:
                return

    async def stop_all_within(self, tx: Transaction) -> None:
        """Stop all runs of an organization; nobody begins a file for one any more."""
        await RunRepository(tx).cancel_all()

    async def abandon_all(self, org_id: UUID) -> None:
        """Delete the parts of files of an organization's runs, which were stopped."""
        found = None
        while found != []:
            async with self._database.tenant(org_id) as tx:
                found = await RunRepository(tx).page_unfinished(PURGE_RUNS)
            for run in found:
                await self._delete_files(run)
            async with self._database.tenant(org_id) as tx:
                await RunRepository(tx).forget_written([run.id for run in found])

    async def _delete_files(self, run: Run) -> None:
        await self._storage.delete(run.file_key)
        for key, name in run.unfinished.items():
            await self._storage.abandon(key, name)


async def _cancelled(repository: RunRepository, run: Run) -> Run:
    """Cancel a run of which nothing is stored yet; a worker deletes the parts of any other."""
    if run.state is RunState.QUEUED and run.written is None:
        queued = frozenset({RunState.QUEUED})
        ended = await repository.move(run.id, queued, RunState.CANCELLED, finish_time=clock.now())
    else:
        stoppable = WORKING | {RunState.QUEUED}
        ended = await repository.move(run.id, stoppable, RunState.CANCELLING)
    return ended or run


def _require_valid(org_id: UUID, dataset: Dataset, source: Source) -> None:
    if isinstance(source, Question):
        plan_query(org_id, dataset, source, at="/query")
    else:
        plan_events(org_id, dataset, source, at="/events")


def _new_run(call: Call, dataset: Dataset, source: Source, file_format: str) -> Run:
    return Run(
        org_id=call.org,
        id=uuid7(),
        dataset_id=dataset.id,
        user_id=call.user_id,
        state=RunState.QUEUED,
        format=file_format,
        source=source,
        generation=dataset.generation,
        progress=Progress(Phase.WAITING),
        size_bytes=0,
        failure="",
        create_time=clock.now(),
        finish_time=None,
        expire_time=None,
    )

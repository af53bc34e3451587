"""A file of events, written in parts: who goes on with it begins after the last that is stored.

The events of a generation, sorted by time and id, are the same whenever they are read. So the file
is told by how many of its lines are there; with the time of the last one, the next stretch need not
read what was written.
"""

from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace

import structlog

from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import YieldSlot
from tenon_reports.datasets.service import DatasetService
from tenon_reports.files.service import FileService
from tenon_reports.queries.models import EventsAsked, EventsPlan, Field, Kind
from tenon_reports.queries.plan import plan_events
from tenon_reports.runs.models import Phase, Run, RunState, Written
from tenon_reports.runs.repository import ExportRepository, RunRepository
from tenon_reports.runs.stopping import LONGEST_EXPORT_SECONDS, Stopped, move
from tenon_reports.runs.stretch import Stretch
from tenon_reports.runs.tracking import Tracker
from tenon_storage.errors import ObjectNotFound, PartsLost
from tenon_storage.storage import Storage

log = structlog.get_logger()


class PartedExport:
    """Writes the files of runs that export events."""

    def __init__(
        self, database: Database, storage: Storage, datasets: DatasetService, files: FileService
    ) -> None:
        self._database = database
        self._storage = storage
        self._datasets = datasets
        self._files = files

    async def write(self, run: Run, tracker: Tracker) -> None:
        """Write the file, or go on writing it; Stopped, YieldSlot."""
        if run.written and await self._went_on(run, run.written, tracker):
            return
        plan = await self._plan(run, tracker)
        await self._write(run, await self._begin(run, plan), plan, 0, tracker)

    async def _went_on(self, run: Run, written: Written, tracker: Tracker) -> bool:
        """Go on after what is written; False if that is not there any more."""
        try:
            if written.whole:
                await self._complete(run, written, tracker)
            else:
                plan, skip = await self._rest(run, written, await self._plan(run, tracker))
                await self._write(run, written, plan, skip, tracker)
        except PartsLost:
            log.warning("parts of an export are lost; it begins anew", run_id=str(run.id))
            tracker.go_on(0, 0)
            return False
        return True

    async def _plan(self, run: Run, tracker: Tracker) -> EventsPlan:
        """Plan the export of the run's generation, and say how many events there are."""
        assert isinstance(run.source, EventsAsked)
        async with self._snapshot(run) as tx:
            dataset = await self._datasets.get_within(tx, run.dataset_id)
            plan = plan_events(run.org_id, dataset, run.source)
            pinned = replace(plan.selection, generation=run.generation)
            plan = replace(plan, selection=pinned, fields=_fields(plan, run.written))
            tracker.begin(Phase.COUNTING)
            known = run.progress.total if run.written else None
            tracker.total = await ExportRepository(tx).count(plan) if known is None else known
        return plan

    async def _begin(self, run: Run, plan: EventsPlan) -> Written:
        """Begin a file; the parts of an earlier one are deleted."""
        kinds = [field.kind for field in plan.fields]
        name = await self._storage.begin(run.file_key)
        written = Written(name, kinds.count(Kind.DIMENSION), kinds.count(Kind.MEASURE))
        async with self._database.tenant(run.org_id) as tx:
            noted = await RunRepository(tx).note_written(run.id, run.written, written)
            if noted:
                await self._files.discard(tx, [], run.unfinished)
        if not noted:
            await self._storage.abandon(run.file_key, name)
            raise Stopped
        return written

    async def _rest(self, run: Run, written: Written, plan: EventsPlan) -> tuple[EventsPlan, int]:
        """Return what to go on with, which are events from the last one's time on, and how many
        of these are written.
        """
        if written.last_time is None:  # nothing, or only the header
            return plan, 0
        wanted = plan.selection
        earlier = replace(plan, selection=replace(wanted, end=written.last_time))
        async with self._snapshot(run) as tx:
            skip = written.lines - 1 - await ExportRepository(tx).count(earlier)
        if skip < 1:  # the last event that was written is one of them
            raise PartsLost
        return replace(plan, selection=replace(wanted, start=written.last_time)), skip

    async def _write(
        self, run: Run, written: Written, plan: EventsPlan, skip: int, tracker: Tracker
    ) -> None:
        async with self._storage.parts(run.file_key, written.name, written.parts) as writer:
            tracker.go_on(written.lines, written.size_bytes)
            tracker.begin(Phase.WRITING)
            async with (
                self._snapshot(run) as tx,
                Stretch(self._database, run, written, writer) as stretch,
            ):
                rows = ExportRepository(tx).lines(plan, header=not written.parts, skip=skip)
                async with aclosing(await rows) as counted_lines:
                    async for lines, chunk in counted_lines:
                        await stretch.add(lines, chunk)
                        tracker.add(lines, len(chunk))
                        if tracker.must_yield and stretch.is_at_boundary:
                            await stretch.settle()
                            raise YieldSlot
            await move(self._database, run, RunState.UPLOADING)
            await writer.complete(stretch.written.parts)

    async def _complete(self, run: Run, written: Written, tracker: Tracker) -> None:
        """Complete a file all of whose parts are there, unless that has been done."""
        tracker.go_on(written.lines, written.size_bytes)
        await move(self._database, run, RunState.UPLOADING)
        try:
            async with self._storage.parts(run.file_key, written.name, written.parts) as writer:
                await writer.complete(written.parts)
        except PartsLost:
            if not await self._is_there(run, written):
                raise

    async def _is_there(self, run: Run, written: Written) -> bool:
        try:
            return await self._storage.size(run.file_key) == written.size_bytes
        except ObjectNotFound:
            return False

    def _snapshot(self, run: Run) -> AbstractAsyncContextManager[Transaction]:
        return self._database.tenant(
            run.org_id, snapshot=True, statement_seconds=LONGEST_EXPORT_SECONDS
        )


def _fields(plan: EventsPlan, written: Written | None) -> tuple[Field, ...]:
    """Leave out the columns that the dataset got since the file was begun."""
    if written is None:
        return plan.fields
    counts = {Kind.DIMENSION: written.dimensions, Kind.MEASURE: written.measures}
    return tuple(field for field in plan.fields if field.place < counts[field.kind])

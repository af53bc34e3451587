from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Row,
    Text,
    Update,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects import registry

from tenon_core import clock
from tenon_core.spreadsheets import FIRST_CHARACTERS, GUARD, NUMBER
from tenon_db.transaction import Transaction
from tenon_reports.datasets.models import datasets
from tenon_reports.errors import RunNotFound
from tenon_reports.queries.compiler import count_events, select_events, select_rows
from tenon_reports.queries.models import EventsPlan, Plan
from tenon_reports.runs.copying import copied
from tenon_reports.runs.models import (
    FILE_LIFETIME,
    SOURCE,
    WORKING,
    WRITTEN,
    Phase,
    Progress,
    Run,
    RunState,
    Written,
    runs,
)

# COPY takes no parameters, so psycopg puts them into the statement that SQLAlchemy compiles.
DRIVER = registry.load("postgresql.psycopg")()


class RunRepository:
    """The runs of the transaction's organization."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, run: Run) -> None:
        await self._tx.execute(
            runs.insert().values(
                org_id=run.org_id,
                id=run.id,
                dataset_id=run.dataset_id,
                user_id=run.user_id,
                state=run.state.value,
                format=run.format,
                source=SOURCE.dump_python(run.source, mode="json"),
                generation=run.generation,
                phase=run.progress.phase.value,
                create_time=run.create_time,
            )
        )

    async def find(self, run_id: UUID | None) -> Run | None:
        row = await self._tx.row(select(runs).where(*self._own(run_id)))
        return _run(row) if row else None

    async def get(self, run_id: UUID | None, *, lock: bool = False) -> Run:
        """Return it, unless its dataset is deleted; RunNotFound."""
        query = select(runs).where(*self._own(run_id), _of_live_dataset())
        row = await self._tx.row(query.with_for_update(of=runs) if lock else query)
        if row is None:
            raise RunNotFound
        return _run(row)

    async def page(self, before: UUID | None, limit: int) -> list[Run]:
        """Return the newest that are older than `before`."""
        query = select(runs).where(runs.c.org_id == self._tx.org_id, _of_live_dataset())
        if before:
            query = query.where(runs.c.id < before)
        rows = await self._tx.rows(query.order_by(runs.c.id.desc()).limit(limit))
        return [_run(row) for row in rows]

    async def move(
        self, run_id: UUID, states: frozenset[RunState], to: RunState, **values: object
    ) -> Run | None:
        """Take the run from one of these states to another; None if it is in none of them."""
        change = self._change(run_id, states).values(state=to.value, **values).returning(runs)
        row = await self._tx.row(change)
        return _run(row) if row else None

    async def succeed(self, run_id: UUID, rows: int, size_bytes: int) -> Run | None:
        """End it well; None if it shall not, or has ended already."""
        return await self.move(
            run_id,
            WORKING,
            RunState.SUCCEEDED,
            phase=Phase.DONE.value,
            rows=rows,
            total=rows,
            eta_seconds=0,
            size_bytes=size_bytes,
            finish_time=func.now(),
            expire_time=clock.now() + FILE_LIFETIME,
            written=null(),
        )

    async def note(self, run_id: UUID, progress: Progress) -> RunState | None:
        """Record how far it is, and return its state; None if it is gone."""
        change = (
            update(runs)
            .where(*self._own(run_id))
            .values(
                phase=progress.phase.value,
                rows=progress.rows,
                total=progress.total,
                eta_seconds=progress.eta_seconds,
            )
            .returning(runs.c.state)
        )
        state = await self._tx.scalar(change)
        return RunState(state) if state else None

    async def note_written(self, run_id: UUID, before: Written | None, after: Written) -> bool:
        """Record what is stored of the file; False if somebody else did, or nobody wants it."""
        stands = runs.c.written.is_(None)
        if before is not None:
            parts = func.jsonb_array_length(runs.c.written["parts"])
            name = runs.c.written["name"].astext
            stands = (name == before.name) & (parts == len(before.parts))
        change = self._change(run_id, WORKING).where(stands)
        noted = change.values(written=WRITTEN.dump_python(after, mode="json"))
        return (await self._tx.execute(noted)).rowcount == 1

    async def cancel_of_dataset(self, dataset_id: UUID) -> None:
        """Stop what runs for a dataset that is deleted."""
        states = [state.value for state in WORKING]
        await self._tx.execute(
            update(runs)
            .where(runs.c.org_id == self._tx.org_id, runs.c.dataset_id == dataset_id)
            .where(runs.c.state.in_(states))
            .values(state=RunState.CANCELLING.value)
        )

    async def cancel_all(self) -> None:
        """Stop whatever runs for the organization."""
        states = [state.value for state in WORKING]
        await self._tx.execute(
            update(runs)
            .where(runs.c.org_id == self._tx.org_id, runs.c.state.in_(states))
            .values(state=RunState.CANCELLING.value)
        )

    async def page_unfinished(self, limit: int) -> list[Run]:
        """Return runs whose files are stored in parts."""
        rows = await self._tx.rows(
            select(runs)
            .where(runs.c.org_id == self._tx.org_id, runs.c.written.is_not(None))
            .limit(limit)
        )
        return [_run(row) for row in rows]

    async def forget_written(self, run_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            update(runs)
            .where(runs.c.org_id == self._tx.org_id, runs.c.id.in_(run_ids))
            .values(written=null())
        )

    async def page_of_dataset(self, dataset_id: UUID, limit: int) -> list[Run]:
        rows = await self._tx.rows(
            select(runs)
            .where(runs.c.org_id == self._tx.org_id, runs.c.dataset_id == dataset_id)
            .limit(limit)
        )
        return [_run(row) for row in rows]

    async def remove(self, run_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            delete(runs).where(runs.c.org_id == self._tx.org_id, runs.c.id.in_(run_ids))
        )

    def _own(self, run_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
        return runs.c.org_id == self._tx.org_id, runs.c.id == run_id

    def _change(self, run_id: UUID, states: frozenset[RunState]) -> Update:
        named = [state.value for state in states]
        return update(runs).where(*self._own(run_id), runs.c.state.in_(named))


class ExportRepository:
    """What a run writes, from a snapshot of its organization's rows."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def count(self, plan: EventsPlan) -> int:
        counted: int = await self._tx.scalar(count_events(plan))
        return counted

    async def lines(
        self, plan: Plan | EventsPlan, *, header: bool = True, skip: int = 0
    ) -> AsyncGenerator[tuple[int, bytes]]:
        """Return chunks of CSV, a header and the rows, each with its number of lines.

        `skip` leaves out so many of the first rows.

        As COPY writes it: lines end in LF, cells are quoted where they must be, a null is empty
        and an empty text `""`, and numbers are as short as they can be.
        """
        query = select_rows(plan) if isinstance(plan, Plan) else select_events(plan)
        if skip:
            query = query.offset(skip)
        rendered = query.with_only_columns(*map(_rendered, query.selected_columns))
        compiled = rendered.compile(dialect=DRIVER, compile_kwargs={"render_postcompile": True})
        statement = f"COPY ({compiled}) TO STDOUT (FORMAT csv, HEADER {header})"
        return copied(self._tx.driver, statement, compiled.params)


def _rendered(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Write times as RFC 3339 in UTC, and texts so that no spreadsheet runs them."""
    if isinstance(column.type, DateTime):
        written = func.to_json(func.timezone("UTC", column)).op("#>>")(text("'{}'"))
        return (cast(written, Text) + "Z").label(column.name)
    if isinstance(column.type, Text):
        first = func.ascii(column).in_([ord(character) for character in FIRST_CHARACTERS])
        formula = first & ~column.regexp_match(NUMBER)
        return case((formula, literal(GUARD) + column), else_=column).label(column.name)
    return column


def _of_live_dataset() -> ColumnElement[bool]:
    return exists().where(
        datasets.c.org_id == runs.c.org_id,
        datasets.c.id == runs.c.dataset_id,
        datasets.c.delete_time.is_(None),
    )


def _run(row: Row[Any]) -> Run:
    return Run(
        org_id=row.org_id,
        id=row.id,
        dataset_id=row.dataset_id,
        user_id=row.user_id,
        state=RunState(row.state),
        format=row.format,
        source=SOURCE.validate_python(row.source),
        generation=row.generation,
        progress=Progress(Phase(row.phase), row.rows, row.total, row.eta_seconds),
        size_bytes=row.size_bytes,
        failure=row.failure,
        create_time=row.create_time,
        finish_time=row.finish_time,
        expire_time=row.expire_time,
        written=WRITTEN.validate_python(row.written) if row.written else None,
        waiting_reason=row.waiting_reason,
    )

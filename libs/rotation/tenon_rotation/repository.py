from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, Uuid, func, literal, select, text, update
from sqlalchemy.dialects import postgresql

from tenon_core.ids import uuid7
from tenon_db.transaction import Transaction
from tenon_rotation.models import Level, Rotation, State
from tenon_rotation.tables import rotations_of

ESTIMATE = text(
    "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class"
    " WHERE oid = ANY (CAST(:names AS text[])::regclass[])"
)


class RotationRepository:
    """A service's rotations, whoever's transaction it is."""

    def __init__(self, tx: Transaction, schema: str) -> None:
        self._tx = tx
        self._rotations: Table = rotations_of(schema)

    async def add(self, level: Level, org_id: UUID | None, total: int) -> Rotation | None:
        """Begin a rotation; None if such a one runs already."""
        row = await self._tx.row(
            postgresql.insert(self._rotations)
            .values(id=uuid7(), level=level, org_id=org_id, total=total)
            .on_conflict_do_nothing()
            .returning(*self._rotations.c)
        )
        return _rotation(row) if row else None

    async def find(self, rotation_id: UUID) -> Rotation | None:
        row = await self._tx.row(select(self._rotations).where(self._rotations.c.id == rotation_id))
        return _rotation(row) if row else None

    async def find_last(self, level: Level, org_id: UUID | None) -> Rotation | None:
        """Return the newest rotation of an organization's keys, or of all of them."""
        row = await self._tx.row(
            select(self._rotations)
            .where(
                self._rotations.c.level == level,
                self._rotations.c.org_id.is_not_distinct_from(literal(org_id, Uuid)),
            )
            .order_by(self._rotations.c.id.desc())
            .limit(1)
        )
        return _rotation(row) if row else None

    async def advance(
        self, rotation_id: UUID, *, done: int = 0, left: int = 0, position: UUID | None = None
    ) -> None:
        """Count what this transaction did; `position` is the last owner who needs nothing more."""
        columns = self._rotations.c
        await self._tx.execute(
            update(self._rotations)
            .where(self._is_running(rotation_id))
            .values(
                done=columns.done + done,
                left=columns.left + left,
                total=func.greatest(columns.total, columns.done + done),
                position=func.coalesce(literal(position, Uuid), columns.position),
            )
        )

    async def finish(self, rotation_id: UUID, state: State) -> None:
        """End a rotation; `total` is what was done then, if nothing is left."""
        columns = self._rotations.c
        await self._tx.execute(
            update(self._rotations)
            .where(self._is_running(rotation_id))
            .values(
                state=state,
                finish_time=func.now(),
                total=columns.done if state is State.SUCCEEDED else columns.total,
            )
        )

    async def estimate_rows(self, names: Sequence[str]) -> int:
        """Return how many rows the planner believes these tables to have."""
        estimated: int = await self._tx.scalar(ESTIMATE, {"names": list(names)})
        return estimated

    def _is_running(self, rotation_id: UUID) -> ColumnElement[bool]:
        return (self._rotations.c.id == rotation_id) & (self._rotations.c.state == State.RUNNING)


def _rotation(row: Row[Any]) -> Rotation:
    found = row._mapping  # noqa: SLF001 # SQLAlchemy's public name begins with _
    return Rotation(**{**found, "level": Level(row.level), "state": State(row.state)})

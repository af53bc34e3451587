import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, literal, select
from sqlalchemy.dialects import postgresql

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.models import (
    ORGANIZATIONS,
    PERSONS,
    Access,
    AuditEvent,
    Log,
    service_events,
)


class AuditEventRepository:
    """The audit log of the transaction's organization, or person, or else of the services."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def append(self, access: Access) -> None:
        """Add a line at the end; one that is there already is not added again."""
        if self._tx.org_id:
            await self._append(ORGANIZATIONS, self._tx.org_id, access)
        elif self._tx.user_id:
            await self._append(PERSONS, self._tx.user_id, access)
        else:
            await self._tx.execute(
                postgresql.insert(service_events)
                .values(dataclasses.asdict(access))
                .on_conflict_do_nothing()
            )

    async def page(self, org_id: UUID, limit: int, before: int | None) -> Sequence[AuditEvent]:
        """Return an organization's lines, newest first."""
        events = ORGANIZATIONS.events
        statement = (
            select(events)
            .where(events.c.org_id == org_id)
            .order_by(events.c.position.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(events.c.position < before)
        return [_audit_event(row) for row in await self._tx.rows(statement)]

    async def _append(self, log: Log, owner_id: UUID, access: Access) -> None:
        position = await self._advance(log, owner_id, access.id)
        if position is not None:
            await self._tx.execute(
                insert(log.events).values(
                    {log.owner: owner_id, "position": position, **dataclasses.asdict(access)}
                )
            )

    async def _advance(self, log: Log, owner_id: UUID, event_id: UUID) -> int | None:
        """Lock the log and return its next position; None if this event is in it already."""
        known = (
            select(log.events.c.id)
            .where(log.events.c[log.owner] == owner_id, log.events.c.id == event_id)
            .exists()
        )
        first = select(literal(owner_id), literal(1)).where(~known)
        position: int | None = await self._tx.scalar(
            postgresql.insert(log.heads)
            .from_select([log.owner, "position"], first)
            .on_conflict_do_update(
                index_elements=[log.owner], set_={"position": log.heads.c.position + 1}
            )
            .returning(log.heads.c.position)
        )
        return position


def _audit_event(row: Row[Any]) -> AuditEvent:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(Access)}
    return AuditEvent(row.position, Access(**fields))

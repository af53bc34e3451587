import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select
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

    async def append(self, accesses: Sequence[Access]) -> None:
        """Add lines at the end; those that are there already are not added again."""
        if self._tx.org_id:
            await self._append(ORGANIZATIONS, self._tx.org_id, accesses)
        elif self._tx.user_id:
            await self._append(PERSONS, self._tx.user_id, accesses)
        else:
            await self._tx.execute_many(
                postgresql.insert(service_events).on_conflict_do_nothing(),
                [dataclasses.asdict(access) for access in accesses],
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

    async def _append(self, log: Log, owner_id: UUID, accesses: Sequence[Access]) -> None:
        known = await self._known(log, owner_id, [access.id for access in accesses])
        fresh = [access for access in accesses if access.id not in known]
        if not fresh:
            return
        last = await self._advance(log, owner_id, len(fresh))
        await self._tx.execute_many(
            insert(log.events),
            [
                {log.owner: owner_id, "position": position, **dataclasses.asdict(access)}
                for position, access in enumerate(fresh, start=last - len(fresh) + 1)
            ],
        )

    async def _known(self, log: Log, owner_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
        """Return which events are in the log already.

        One feed's events come to one transaction at a time, that which moves the feed's cursor;
        so none can join the log between this look and the lines that follow it.
        """
        rows = await self._tx.rows(
            select(log.events.c.id).where(
                log.events.c[log.owner] == owner_id, log.events.c.id.in_(ids)
            )
        )
        return {row.id for row in rows}

    async def _advance(self, log: Log, owner_id: UUID, count: int) -> int:
        """Lock the log, make room for so many lines, and return the last one's position."""
        position: int = await self._tx.scalar(
            postgresql.insert(log.heads)
            .values({log.owner: owner_id, "position": count})
            .on_conflict_do_update(
                index_elements=[log.owner], set_={"position": log.heads.c.position + count}
            )
            .returning(log.heads.c.position)
        )
        return position


def _audit_event(row: Row[Any]) -> AuditEvent:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(Access)}
    return AuditEvent(row.position, Access(**fields))

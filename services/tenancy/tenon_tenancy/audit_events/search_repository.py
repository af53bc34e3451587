from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    false,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.filters import LONGEST_RESOURCE, Filters
from tenon_tenancy.audit_events.models import (
    ORGANIZATIONS,
    AuditEvent,
    audit_actions,
    audit_hours,
)
from tenon_tenancy.audit_events.repository import audit_event

events = ORGANIZATIONS.events.c

INDEXED = func.length(events.resource).between(
    literal_column("1"), literal_column(str(LONGEST_RESOURCE))
)


class AuditSearchRepository:
    """An organization's log, by what somebody looks for.

    Below each filter an index has the lines in the order of the log: a page costs as much as it
    shows, wherever in the log that is.
    """

    def __init__(self, tx: Transaction, org_id: UUID) -> None:
        self._tx = tx
        self._org_id = org_id

    async def page(self, filters: Filters, limit: int, before: int | None) -> Sequence[AuditEvent]:
        """Return the lines that all filters let through, newest first."""
        wanted = [*self._conditions(filters), *await self._between(filters)]
        if before is not None:
            wanted.append(events.position < before)
        lines = select(ORGANIZATIONS.events).where(*wanted)
        if filters.action_prefix and not (filters.actor or filters.resource):
            lines = _of_each(await self._actions(filters.action_prefix), lines, limit)
        newest = lines.order_by(lines.selected_columns.position.desc()).limit(limit)
        return [audit_event(row) for row in await self._tx.rows(newest)]

    async def ends(self, filters: Filters) -> tuple[int, int] | None:
        """Return the first and the last position of what the filters let through, if anything."""
        wanted = [*self._conditions(filters), *await self._between(filters)]
        found = []
        for order in (events.position, events.position.desc()):
            statement = select(events.position).where(*wanted).order_by(order).limit(1)
            found.append(await self._tx.scalar(statement))
        first, last = found
        return None if first is None or last is None else (first, last)

    def _conditions(self, filters: Filters) -> Iterator[ColumnElement[bool]]:
        yield events.org_id == self._org_id
        if filters.actor:
            yield events.actor == filters.actor
        if filters.action_prefix:
            yield events.action.startswith(filters.action_prefix, autoescape=True)
        elif filters.action:
            yield events.action == filters.action
        if filters.resource:
            yield INDEXED  # what is longer is in no index
            yield events.resource == filters.resource
        if filters.start_time:
            yield events.event_time >= filters.start_time
        if filters.end_time:
            yield events.event_time < filters.end_time

    async def _between(self, filters: Filters) -> Sequence[ColumnElement[bool]]:
        """Say between which positions all lines of a time are; services are read one by one, so
        the log is in the order of time but roughly.
        """
        start, end = filters.start_time, filters.end_time
        if not start and not end:
            return []
        hours = select(
            func.count().label("hours"),
            func.min(audit_hours.c.first_position).label("first"),
            func.max(audit_hours.c.last_position).label("last"),
        ).where(audit_hours.c.org_id == self._org_id)
        if start:
            hour = start.replace(minute=0, second=0, microsecond=0)
            hours = hours.where(audit_hours.c.hour >= hour)
        if end:
            hours = hours.where(audit_hours.c.hour < end)
        (row,) = await self._tx.rows(hours)
        return [events.position.between(row.first, row.last)] if row.hours else [false()]

    async def _actions(self, prefix: str) -> Sequence[str]:
        """Return the actions of the log that begin so; there are some dozens."""
        rows = await self._tx.rows(
            select(audit_actions.c.action).where(
                audit_actions.c.org_id == self._org_id,
                audit_actions.c.action.startswith(prefix, autoescape=True),
            )
        )
        return [row.action for row in rows]


def _of_each(actions: Sequence[str], lines: Select[Any], limit: int) -> Select[Any]:
    """Take the newest of each action: all that a page can show of it."""
    names = (
        func.unnest(literal(actions, ARRAY(Text))).table_valued("action").render_derived("named")
    )
    newest = lines.where(events.action == names.c.action).order_by(events.position.desc())
    found = newest.limit(limit).correlate(names).lateral("found")
    return select(found).select_from(names.join(found, true()))

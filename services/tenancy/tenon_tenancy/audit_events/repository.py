import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    Row,
    Uuid,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.chain import GENESIS, chained, rechained
from tenon_tenancy.audit_events.models import (
    ORGANIZATIONS,
    PERSONS,
    Access,
    AuditEvent,
    Head,
    Log,
    audit_hours,
    service_events,
)

BATCH = 1_000
EMPTY = {"position": 0, "hashed": 0, "hash": GENESIS, "covered": 0}


class AuditEventRepository:
    """The audit log of the transaction's organization, or person, or else of the services."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def append(self, accesses: Sequence[Access]) -> None:
        """Add lines at the end; those that are there already are not added again."""
        if self._tx.org_id or self._tx.user_id:
            await self._append(*self._own(), accesses)
        else:
            await self._tx.execute_many(
                postgresql.insert(service_events).on_conflict_do_nothing(),
                [dataclasses.asdict(access) for access in accesses],
            )

    async def head(self) -> Head:
        """Return where the log of the transaction's organization or person ends."""
        return await self._lock(*self._own())

    async def after(self, position: int, to: int | None, limit: int) -> Sequence[AuditEvent]:
        """Return the lines that follow a position in the log of the transaction's organization or
        person, oldest first, to another position if that is given.
        """
        log, owner_id = self._own()
        statement = (
            select(log.events)
            .where(log.events.c[log.owner] == owner_id, log.events.c.position > position)
            .order_by(log.events.c.position)
            .limit(limit)
        )
        if to is not None:
            statement = statement.where(log.events.c.position <= to)
        return [audit_event(row) for row in await self._tx.rows(statement)]

    async def remove(self, after: int, to: int) -> None:
        """Remove the lines that follow a position in the log of the transaction's organization or
        person, as far as another.
        """
        log, owner_id = self._own()
        await self._tx.execute(
            delete(log.events)
            .where(log.events.c[log.owner] == owner_id)
            .where(log.events.c.position > after, log.events.c.position <= to)
        )
        if log is ORGANIZATIONS:
            await self._forget_hours(owner_id, to)

    async def begins_after(self) -> int:
        """Return after which line the log of the transaction's organization or person begins."""
        log, owner_id = self._own()
        found: int | None = await self._tx.scalar(
            select(log.heads.c.begins_after).where(log.heads.c[log.owner] == owner_id)
        )
        return found or 0

    async def _forget_hours(self, org_id: UUID, to: int) -> None:
        """Let nobody search for lines up to a position, which are gone."""
        of_org = audit_hours.c.org_id == org_id
        await self._tx.execute(delete(audit_hours).where(of_org, audit_hours.c.last_position <= to))
        await self._tx.execute(
            update(audit_hours)
            .where(of_org, audit_hours.c.first_position <= to)
            .values(first_position=to + 1)
        )

    async def set_beginning(self, position: int) -> None:
        """Say after which line the log of the transaction's organization or person begins."""
        log, owner_id = self._own()
        begins_after = func.greatest(log.heads.c.begins_after, position)
        await self._tx.execute(
            update(log.heads)
            .where(log.heads.c[log.owner] == owner_id)
            .values(begins_after=begins_after)
        )

    def _own(self) -> tuple[Log, UUID]:
        if self._tx.org_id:
            return ORGANIZATIONS, self._tx.org_id
        assert self._tx.user_id is not None, "a log is an organization's or a person's"
        return PERSONS, self._tx.user_id

    async def _append(self, log: Log, owner_id: UUID, accesses: Sequence[Access]) -> None:
        known = await self._known(log, owner_id, [access.id for access in accesses])
        fresh = [access for access in accesses if access.id not in known]
        if not fresh:
            return
        head = await self._lock(log, owner_id)
        lines = list(chained(f"{log.kind}/{owner_id}", head.position, head.hash, fresh))
        await self._insert(log, owner_id, lines)
        last = lines[-1]
        await self._set_head(log, owner_id, Head(last.position, last.hash), last.position)

    async def _insert(self, log: Log, owner_id: UUID, lines: Sequence[AuditEvent]) -> None:
        """Add lines by one statement: what notes them does so once for all."""
        rows = [
            dataclasses.asdict(line.access) | {"position": line.position, "hash": line.hash}
            for line in lines
        ]
        columns = [column for column in log.events.c if column.name != log.owner]
        values = (
            func.unnest(
                *(
                    literal([row[column.name] for row in rows], ARRAY(column.type))
                    for column in columns
                )
            )
            .table_valued(*(column.name for column in columns))
            .render_derived("added")
        )
        owned = select(literal(owner_id, Uuid), *values.c)
        names = [log.owner, *values.c.keys()]
        await self._tx.execute(insert(log.events).from_select(names, owned))

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

    async def _lock(self, log: Log, owner_id: UUID) -> Head:
        """Lock the log, and return its head; lines that have no hash yet get theirs."""
        row = await self._tx.row(
            postgresql.insert(log.heads)
            .values({log.owner: owner_id, **EMPTY})
            .on_conflict_do_update(
                index_elements=[log.owner], set_={"position": log.heads.c.position}
            )
            .returning(log.heads.c.position, log.heads.c.hashed, log.heads.c.hash)
        )
        assert row is not None, "it was there, or has been made"
        head = Head(row.hashed, row.hash)
        while head.position < row.position:
            head = await self._chain(log, owner_id, head, row.position)
            await self._set_head(log, owner_id, head, row.position)
        return head

    async def _chain(self, log: Log, owner_id: UUID, head: Head, to: int) -> Head:
        """Give the lines after the head, up to a position, their hashes, as many as fit a batch.

        Lines that are gone keep nobody from the log, nor others from theirs: those that are left
        follow each other, and whoever verifies finds what is missing.
        """
        left = await self.after(head.position, to, BATCH)
        if not left:
            return Head(to, head.hash)
        lines = list(rechained(f"{log.kind}/{owner_id}", head.hash, left))
        hashed = (
            func.unnest(
                literal([line.position for line in lines], ARRAY(BigInteger)),
                literal([line.hash for line in lines], ARRAY(LargeBinary)),
            )
            .table_valued("position", "hash")
            .render_derived("hashed")
        )
        await self._tx.execute(
            update(log.events)
            .where(log.events.c[log.owner] == owner_id)
            .where(log.events.c.position == hashed.c.position)
            .values(hash=hashed.c.hash)
        )
        return Head(lines[-1].position, lines[-1].hash)

    async def _set_head(self, log: Log, owner_id: UUID, head: Head, position: int) -> None:
        await self._tx.execute(
            update(log.heads)
            .where(log.heads.c[log.owner] == owner_id)
            .values(position=position, hashed=head.position, hash=head.hash)
        )


def audit_event(row: Row[Any]) -> AuditEvent:
    """Read a line from a row of a log's table."""
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(Access)}
    return AuditEvent(row.position, Access(**fields), row.hash or b"")

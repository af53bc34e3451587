from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from tenon_core.ids import first_id
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.models import ORGANIZATIONS
from tenon_tenancy.audit_streams.models import (
    SEALED_STREAMS,
    AuditStream,
    Delivery,
    DeliveryState,
    audit_deliveries,
    audit_streams,
    read_target,
    written_target,
)
from tenon_tenancy.errors import AuditStreamNotFound
from tenon_tenancy.organizations.models import organizations

STREAM = [field.name for field in fields(AuditStream)]
DELIVERY = [audit_deliveries.c[field.name] for field in fields(Delivery)]


class AuditStreamRepository:
    """The streams of the transaction's organization."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher
        self._of_org = audit_streams.c.org_id == tx.org_id

    async def lock_all(self) -> None:
        """Let others who make streams of the organization wait until the commit."""
        await self._tx.execute(
            select(organizations.c.id)
            .where(organizations.c.id == self._tx.org_id)
            .with_for_update()
        )

    async def count(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).select_from(audit_streams).where(self._of_org)
        )
        return counted

    async def add(self, stream: AuditStream) -> None:
        row = {**asdict(stream), **_target(stream), "lease_until": stream.due_time}
        sealed = await self._cipher.seal(self._tx, SEALED_STREAMS, row)
        await self._tx.execute(insert(audit_streams).values(sealed))

    async def get(self, stream_id: UUID | None, *, lock: bool = False) -> AuditStream:
        """Return a stream; with `lock` hold off whoever would change it until the commit.
        AuditStreamNotFound.
        """
        found = select(audit_streams).where(self._of_org, audit_streams.c.id == stream_id)
        rows = await self._tx.rows(found.with_for_update() if lock else found)
        if not rows:
            raise AuditStreamNotFound
        (stream,) = await self._opened(rows)
        return stream

    async def page(self, before: UUID | None, limit: int) -> Sequence[AuditStream]:
        """Return the newest that are older than `before`."""
        found = select(audit_streams).where(self._of_org)
        if before:
            found = found.where(audit_streams.c.id < before)
        rows = await self._tx.rows(found.order_by(audit_streams.c.id.desc()).limit(limit))
        return await self._opened(rows)

    async def change(self, stream: AuditStream) -> None:
        """Write what its owners may change, and let it go on at once."""
        secrets = {"secret": stream.secret, "old_secret": stream.old_secret}
        row = {"org_id": stream.org_id, "id": stream.id, **_target(stream), **secrets}
        sealed = await self._cipher.seal(self._tx, SEALED_STREAMS, row)
        await self._tx.execute(
            update(audit_streams)
            .where(*self._is(stream.id))
            .values(
                description=stream.description,
                enabled=stream.enabled,
                target=sealed["target"],
                secret=sealed["secret"],
                old_secret=sealed["old_secret"],
                old_secret_expire_time=stream.old_secret_expire_time,
                due_time=func.now(),
            )
        )

    async def remove(self, stream_id: UUID | None) -> None:
        """Remove a stream and its deliveries; AuditStreamNotFound."""
        gone = await self._tx.execute(
            delete(audit_streams).where(self._of_org, audit_streams.c.id == stream_id)
        )
        if not gone.rowcount:
            raise AuditStreamNotFound

    async def claim(self, stream_id: UUID, lease: timedelta) -> AuditStream | None:
        """Return a stream that is due, for one who sends; None if it is not, or another sends."""
        rows = await self._tx.rows(
            update(audit_streams)
            .where(*self._is(stream_id), audit_streams.c.enabled)
            .where(audit_streams.c.due_time <= func.now())
            .where(audit_streams.c.lease_until <= func.now())
            .values(lease_until=func.now() + lease)
            .returning(*audit_streams.c)
        )
        return (await self._opened(rows))[0] if rows else None

    async def release(self, stream_id: UUID) -> None:
        """Let the next one send."""
        await self._set(stream_id, lease_until=func.now())

    async def succeed(self, stream_id: UUID, position: int, slow_until: datetime | None) -> None:
        """Say how far a stream has come, and let the next one send."""
        await self._set(
            stream_id,
            slow_until=func.greatest(audit_streams.c.slow_until, slow_until),
            position=func.greatest(audit_streams.c.position, position),
            failing_since=None,
            last_error="",
            lease_until=func.now(),
        )

    async def fail(
        self,
        stream_id: UUID,
        error: str,
        at: datetime,
        again: datetime,
        slow_until: datetime | None = None,
    ) -> None:
        """Say why nothing was taken, and when to try again."""
        await self._set(
            stream_id,
            slow_until=func.greatest(audit_streams.c.slow_until, slow_until),
            failing_since=func.coalesce(audit_streams.c.failing_since, at),
            last_error=error,
            due_time=again,
            lease_until=func.now(),
        )

    async def _set(self, stream_id: UUID, **values: Any) -> None:
        await self._tx.execute(update(audit_streams).where(*self._is(stream_id)).values(**values))

    async def _opened(self, rows: Sequence[Row[Any]]) -> list[AuditStream]:
        opened = await self._cipher.open(self._tx, SEALED_STREAMS, rows)
        return list(map(_stream, opened))

    def _is(self, stream_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self._of_org, audit_streams.c.id == stream_id


class DeliveryRepository:
    """The deliveries of one stream of the transaction's organization."""

    def __init__(self, tx: Transaction, stream_id: UUID) -> None:
        self._tx = tx
        self._stream_id = stream_id
        self._of_org = audit_deliveries.c.org_id == tx.org_id
        self._of_stream = audit_deliveries.c.stream_id == stream_id

    async def attempt_pending(self) -> Delivery | None:
        """Count one more attempt at the lines that were not taken yet, if there are such."""
        row = await self._tx.row(
            update(audit_deliveries)
            .where(self._of_org, self._of_stream)
            .where(audit_deliveries.c.state == DeliveryState.PENDING)
            .values(attempts=audit_deliveries.c.attempts + 1)
            .returning(*DELIVERY)
        )
        return _delivery(row) if row else None

    async def add(self, delivery: Delivery) -> None:
        owner = {"org_id": self._tx.org_id, "stream_id": self._stream_id}
        await self._tx.execute(insert(audit_deliveries).values({**owner, **asdict(delivery)}))

    async def finish(self, delivery_id: UUID, state: DeliveryState, at: datetime) -> None:
        """Say what became of a delivery; the first word counts."""
        await self._set_pending(delivery_id, state=state, last_error="", finish_time=at)

    async def fail(self, delivery_id: UUID, error: str) -> None:
        """Say why an attempt failed."""
        await self._set_pending(delivery_id, last_error=error)

    async def remove_old(self, before: datetime) -> None:
        """Forget what was finished that was begun before a time."""
        await self._tx.execute(
            delete(audit_deliveries)
            .where(self._of_org, self._of_stream)
            .where(audit_deliveries.c.id < first_id(before))
            .where(audit_deliveries.c.state != DeliveryState.PENDING)
        )

    async def page(self, before: UUID | None, limit: int) -> Sequence[Delivery]:
        """Return the newest that are older than `before`."""
        found = select(*DELIVERY).where(self._of_org, self._of_stream)
        if before:
            found = found.where(audit_deliveries.c.id < before)
        rows = await self._tx.rows(found.order_by(audit_deliveries.c.id.desc()).limit(limit))
        return list(map(_delivery, rows))

    async def _set_pending(self, delivery_id: UUID, **values: Any) -> None:
        await self._tx.execute(
            update(audit_deliveries)
            .where(self._of_org, self._of_stream, audit_deliveries.c.id == delivery_id)
            .where(audit_deliveries.c.state == DeliveryState.PENDING)
            .values(**values)
        )


class DueStreamRepository:
    """The streams of all organizations, in a system transaction for `audit streams`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find(self, after: tuple[UUID, UUID], limit: int) -> Sequence[Row[Any]]:
        """Return organization, id, position and lane of streams that follow and may send now."""
        own = (audit_streams.c.org_id, audit_streams.c.id)
        is_slow = or_(
            audit_streams.c.failing_since.is_not(None),
            func.coalesce(audit_streams.c.slow_until > func.now(), false()),
        )
        return await self._tx.rows(
            select(*own, audit_streams.c.position, is_slow.label("is_slow"))
            .where(audit_streams.c.enabled, audit_streams.c.due_time <= func.now())
            .where(audit_streams.c.lease_until <= func.now(), tuple_(*own) > after)
            .order_by(*own)
            .limit(limit)
        )

    async def heads(self, org_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Return where the logs of organizations end."""
        heads = ORGANIZATIONS.heads
        rows = await self._tx.rows(
            select(heads.c.org_id, heads.c.position).where(heads.c.org_id.in_(org_ids))
        )
        return {row.org_id: row.position for row in rows}


def _target(stream: AuditStream) -> dict[str, str]:
    return {"kind": stream.target.kind, "target": written_target(stream.target)}


def _stream(row: Mapping[str, Any]) -> AuditStream:
    said = {name: row[name] for name in STREAM}
    return AuditStream(**{**said, "target": read_target(row["kind"], row["target"])})


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**{**row._mapping, "state": DeliveryState(row.state)})  # noqa: SLF001 # SQLAlchemy's public name begins with _

"""How many mails may be caused, counted in the transaction that causes them.

A counter is a row, so it is exact across replicas, needs no Redis, and a transaction that is rolled
back has counted nothing. It holds one time (a generic cell rate algorithm): when the mails counted
so far will have been worked off. Once that time has passed, the hourly upkeep deletes the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import TypeAlias

from prometheus_client import Counter
from sqlalchemy import Column, DateTime, LargeBinary, Table, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from tenon_core import clock
from tenon_core.limits import Limit
from tenon_db.tables import GLOBAL, metadata
from tenon_db.transaction import Transaction

BATCH = 1_000

DELAYED = Counter("tenon_mails_delayed_total", "Mails that a limit delays.", ["limit"])


@dataclass(frozen=True, slots=True)
class MailRate:
    """At most `count` mails at once, and then one every `period / count`, for each subject."""

    limit: Limit
    count: int
    period: timedelta

    @property
    def interval(self) -> timedelta:
        return self.period / self.count

    @property
    def burst(self) -> timedelta:
        return self.interval * self.count


Subject: TypeAlias = bytes
"""Whom a counter belongs to: ids, or the keyed hash of an address."""


@cache
def mail_counters_of(schema: str) -> Table:
    """Return the table of counters: a hash of the limit and its subject, and when it is free."""
    return Table(
        "mail_counters",
        metadata(schema),
        Column("key", LargeBinary, primary_key=True),
        Column("free_time", DateTime(timezone=True), nullable=False, index=True),
        info=GLOBAL,
    )


class MailCounters:
    """The counters of one service, in the caller's transaction, whatever its kind.

    A transaction that counts for several limits counts in the order user, organization, recipient,
    so that no two transactions wait for each other.
    """

    def __init__(self, tx: Transaction, schema: str) -> None:
        self._tx = tx
        self._table = mail_counters_of(schema)

    async def charge(self, charges: Sequence[tuple[MailRate, Subject]]) -> None:
        """Count a mail for each limit; the limit's error if one is reached. The caller rolls back
        then, so that the mail counts for none of them.
        """
        for rate, subject in charges:
            if await self._add(rate, subject, waiting=0) is None:
                raise rate.limit.exceeded(await self._seconds_left(rate, subject))

    async def reserve(
        self, rate: MailRate, subject: Subject, *, waiting: int | None = None
    ) -> timedelta | None:
        """Return after how long a mail may be sent; None if `waiting` mails wait for their time
        already, and then it is not counted.
        """
        free = await self._add(rate, subject, waiting)
        if free is None:
            return None
        delay = max(timedelta(0), free - clock.now() - rate.burst)
        if delay:
            DELAYED.labels(rate.limit.name).inc()
        return delay

    async def _add(self, rate: MailRate, subject: Subject, waiting: int | None) -> datetime | None:
        """Count a mail and return when the counter is free; None if too many would wait."""
        at, free_time = clock.now(), self._table.c.free_time
        added = func.greatest(free_time, literal(at)) + rate.interval
        key = _key(rate, subject)
        statement = insert(self._table).values(key=key, free_time=at + rate.interval)
        latest = None if waiting is None else at + rate.burst + rate.interval * waiting
        free: datetime | None = await self._tx.scalar(
            statement.on_conflict_do_update(
                index_elements=["key"],
                set_={"free_time": added},
                where=None if latest is None else added <= latest,
            ).returning(free_time)
        )
        return free

    async def _seconds_left(self, rate: MailRate, subject: Subject) -> float:
        query = select(self._table.c.free_time).where(self._table.c.key == _key(rate, subject))
        free: datetime | None = await self._tx.scalar(query)
        left = (free or clock.now()) + rate.interval - clock.now() - rate.burst
        return max(1.0, left.total_seconds())

    async def delete_free(self) -> int:
        """Delete some counters that count nothing any longer; return how many."""
        old = (
            select(self._table.c.key)
            .where(self._table.c.free_time < clock.now())
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        gone = await self._tx.execute(delete(self._table).where(self._table.c.key.in_(old)))
        return gone.rowcount


def _key(rate: MailRate, subject: Subject) -> bytes:
    return sha256(rate.limit.name.encode() + b"\0" + subject).digest()


def mailbox_of(address: bytes) -> bytes:
    """Return the mailbox of a canonical address: without what follows a `+` in its local part.

    Most mail servers deliver `ada+anything@` to `ada@`, so such addresses share their limits. Dots
    stay: they separate mailboxes nearly everywhere. The result is for counting alone.
    """
    local, at, domain = address.rpartition(b"@")
    return (local.partition(b"+")[0] or local) + at + domain

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_db.transaction import Transaction
from tenon_notifications.emails.models import Email, State, emails


class EmailRepository:
    """The mails of one user, in that user's transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, email: Email) -> State:
        """Insert the mail unless it is there; return its state."""
        statement = insert(emails).values(
            user_id=email.user_id,
            id=email.id,
            kind=email.kind,
            org_id=email.org_id,
            subject_id=email.subject_id,
        )
        # An update that changes nothing, because DO NOTHING would return nothing.
        known = statement.on_conflict_do_update(
            index_elements=["user_id", "id"], set_={"kind": statement.excluded.kind}
        )
        return State(await self._tx.scalar(known.returning(emails.c.state)))

    async def remove_all(self, user_id: UUID) -> int:
        """Forget a user's mails; return how many there were."""
        removed = await self._tx.execute(delete(emails).where(emails.c.user_id == user_id))
        return removed.rowcount

    async def remove_of_organization(self, user_id: UUID, org_id: UUID) -> int:
        """Forget what a user was mailed about an organization; return how many mails."""
        removed = await self._tx.execute(
            delete(emails).where(emails.c.user_id == user_id, emails.c.org_id == org_id)
        )
        return removed.rowcount

    async def find_recipients(self, org_id: UUID, limit: int) -> list[UUID]:
        """Return some who were mailed about an organization, in a system transaction for
        `organization data`.
        """
        recipients = select(emails.c.user_id).where(emails.c.org_id == org_id)
        return [row.user_id for row in await self._tx.rows(recipients.distinct().limit(limit))]

    async def count_sent(self, org_id: UUID, start: datetime, end: datetime) -> int:
        """Count the mails about an organization that were sent in a time, likewise; by an index."""
        sent: int = await self._tx.scalar(
            select(func.count())
            .select_from(emails)
            .where(emails.c.org_id == org_id, emails.c.state == State.SENT)
            .where(emails.c.finish_time >= start, emails.c.finish_time < end)
        )
        return sent

    async def find_all(self, user_id: UUID) -> list[dict[str, Any]]:
        """Return what is known of a user's mails, oldest first."""
        shown = [emails.c[name] for name in ("id", "kind", "state", "create_time", "finish_time")]
        rows = await self._tx.rows(
            select(*shown).where(emails.c.user_id == user_id).order_by(emails.c.create_time)
        )
        return [{**row._mapping} for row in rows]  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def finish(
        self, user_id: UUID, email_id: UUID, state: State, failure: str | None = None
    ) -> None:
        await self._tx.execute(
            update(emails)
            .where(emails.c.user_id == user_id, emails.c.id == email_id)
            .where(emails.c.state == State.QUEUED)
            .values(state=state, failure=failure, finish_time=func.now())
        )

from typing import Any
from uuid import UUID

from sqlalchemy import select

from tenon_db.transaction import Transaction
from tenon_tenancy.audit_events.models import ORGANIZATIONS, PERSONS

SHOWN = (
    "position",
    "action",
    "resource",
    "session_id",
    "request_id",
    "count",
    "event_time",
    "client",
    "changes",
)


class PersonalDataRepository:
    """What is on record of a person."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def own_lines(self, user_id: UUID, limit: int) -> list[dict[str, Any]]:
        """Return what the transaction's user did outside any organization, newest first."""
        events = PERSONS.events.c
        rows = await self._tx.rows(
            select(*(events[name] for name in SHOWN))
            .where(events.user_id == user_id)
            .order_by(events.position.desc())
            .limit(limit)
        )
        return [{**row._mapping} for row in rows]  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def lines_in(self, org_id: UUID, user_id: UUID, limit: int) -> list[dict[str, Any]]:
        """Return what somebody did in the transaction's organization, newest first."""
        events = ORGANIZATIONS.events.c
        rows = await self._tx.rows(
            select(events.org_id, *(events[name] for name in SHOWN))
            .where(events.org_id == org_id, events.actor == f"users/{user_id}")
            .order_by(events.position.desc())
            .limit(limit)
        )
        return [{**row._mapping} for row in rows]  # noqa: SLF001 # as above

from typing import Any
from uuid import UUID

from tenon_db.database import Database
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.personal_data.repository import PersonalDataRepository

MAX_LINES = 20_000
"""Of all logs together: some 10 MB."""


class PersonalDataService:
    """What tenancy holds of a person."""

    def __init__(self, database: Database, members: MemberService) -> None:
        self._database = database
        self._members = members

    async def export(self, user_id: UUID) -> dict[str, Any]:
        """Return where somebody belongs, and what they did there and elsewhere; of that so much as
        a message carries, the newest of each log.
        """
        organizations = await self._members.organizations_of(user_id)
        async with self._database.user(user_id) as tx:
            lines = await PersonalDataRepository(tx).own_lines(user_id, MAX_LINES + 1)
        for org_id, _ in organizations:
            left = MAX_LINES + 1 - len(lines)
            async with self._database.tenant(org_id) as tx:
                lines += await PersonalDataRepository(tx).lines_in(org_id, user_id, left)
        memberships = [{"org_id": one, "role": role.name.lower()} for one, role in organizations]
        return {
            "memberships": memberships,
            "audit_events": lines[:MAX_LINES],
            "truncated": len(lines) > MAX_LINES,
        }

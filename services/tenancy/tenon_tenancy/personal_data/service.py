import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tenon_db.database import Database
from tenon_policy.audit_clients import NO_CLIENT, Client
from tenon_tenancy.clients import AuditClients
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.personal_data.repository import PersonalDataRepository

MAX_LINES = 20_000
"""Of all logs together: some 10 MB."""
BATCH = 1_000


class PersonalDataService:
    """What tenancy holds of a person."""

    def __init__(self, database: Database, members: MemberService, clients: AuditClients) -> None:
        self._database = database
        self._clients = clients
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
            "audit_events": await self._with_clients(lines[:MAX_LINES]),
            "truncated": len(lines) > MAX_LINES,
        }

    async def _with_clients(self, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return lines with the addresses and user agents that they came from."""
        sealed = list({line["client"] for line in lines if line["client"]})
        clients: dict[bytes | None, Client] = {}
        for first in range(0, len(sealed), BATCH):
            opened = await self._clients.open(sealed[first : first + BATCH])
            clients |= {value: one.client for value, one in opened.items()}
        return [line | _shown(line, clients.get(line["client"], NO_CLIENT)) for line in lines]


def _shown(line: dict[str, Any], client: Client) -> dict[str, Any]:
    changes = json.loads(line["changes"] or "[]")
    del line["client"]
    return {"ip_address": client.ip_address, "user_agent": client.user_agent, "changes": changes}

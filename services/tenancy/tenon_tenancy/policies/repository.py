from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, func, literal, select, update

from tenon_core.errors import NotFound
from tenon_db.transaction import Transaction
from tenon_tenancy.organizations.models import organizations
from tenon_tenancy.policies.models import Policies

COLUMNS = (
    organizations.c.policies_version.label("version"),
    organizations.c.mfa_required,
    organizations.c.session_hours,
    organizations.c.allowed_networks,
    organizations.c.allowed_mail_domains,
    organizations.c.audit_retention_days,
)


class PolicyRepository:
    """The policies of one organization."""

    def __init__(self, tx: Transaction, org_id: UUID) -> None:
        self._tx = tx
        self._own = organizations.c.id == org_id

    async def get(self) -> Policies:
        """Return them; NotFound if there is no such organization."""
        row = await self._tx.row(select(*COLUMNS).where(self._own))
        if row is None:
            raise NotFound
        return _policies(row)

    async def update(self, changes: dict[str, Any]) -> Policies:
        """Change them, and return them in their next version."""
        version = organizations.c.policies_version + 1
        row = await self._tx.row(
            update(organizations)
            .where(self._own)
            .values(policies_version=version, **changes)
            .returning(*COLUMNS)
        )
        if row is None:
            raise NotFound
        return _policies(row)


async def find_policies(tx: Transaction, org_ids: Sequence[UUID]) -> dict[UUID, Policies]:
    """Return those of the organizations that exist, in a system transaction for `demands`."""
    asked = select(func.unnest(literal(org_ids, ARRAY(Uuid))).label("org_id")).subquery()
    rows = await tx.rows(
        select(organizations.c.id, *COLUMNS).join(asked, organizations.c.id == asked.c.org_id)
    )
    return {row.id: _policies(row) for row in rows}


def _policies(row: Row[Any]) -> Policies:
    return Policies(
        row.version,
        row.mfa_required,
        row.session_hours,
        row.allowed_networks,
        row.allowed_mail_domains,
        row.audit_retention_days,
    )

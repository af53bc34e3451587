from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql

from tenon_core.errors import NotFound
from tenon_db.pages import TimeAndId
from tenon_db.transaction import Transaction
from tenon_policy.policies import Role
from tenon_tenancy.members.models import memberships
from tenon_tenancy.organization_deletions.models import organization_deletions
from tenon_tenancy.organizations.models import Organization, organizations, slugs

_DELETION = organization_deletions.c.org_id == organizations.c.id


class OrganizationRepository:
    """The organization of a tenant's transaction, or all those of a person's."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, org_id: UUID, name: str, create_time: datetime) -> None:
        await self._tx.execute(
            insert(organizations).values(id=org_id, name=name, create_time=create_time)
        )

    async def claim_slug(self, org_id: UUID, slug: str) -> bool:
        """Give an organization its slug; False if another has it."""
        claimed = await self._tx.scalar(
            postgresql.insert(slugs)
            .values(slug=slug, org_id=org_id)
            .on_conflict_do_nothing()
            .returning(slugs.c.slug)
        )
        return claimed is not None

    async def rename(self, org_id: UUID, name: str) -> None:
        await self._tx.execute(
            update(organizations).where(organizations.c.id == org_id).values(name=name)
        )

    async def reserve_slug(self, org_id: UUID, slug: str) -> bool:
        """Keep a slug for an organization; False if it is, or was, another's."""
        await self._tx.execute(
            postgresql.insert(slugs)
            .values(slug=slug, former_org_id=org_id)
            .on_conflict_do_nothing()
        )
        owner = func.coalesce(slugs.c.org_id, slugs.c.former_org_id)
        return bool(await self._tx.scalar(select(owner == org_id).where(slugs.c.slug == slug)))

    async def set_slug(self, org_id: UUID, slug: str) -> None:
        """Make a slug that is kept for an organization its present one."""
        await self._tx.execute(
            update(slugs).where(slugs.c.org_id == org_id).values(org_id=None, former_org_id=org_id)
        )
        await self._tx.execute(
            update(slugs).where(slugs.c.slug == slug).values(org_id=org_id, former_org_id=None)
        )

    async def count_former_slugs(self, org_id: UUID) -> int:
        count = select(func.count()).where(slugs.c.former_org_id == org_id)
        return int(await self._tx.scalar(count))

    async def get(self, org_id: UUID, role: Role) -> Organization:
        """Return an organization as somebody of this role sees it; NotFound."""
        row = await self._tx.row(
            select(
                organizations.c.id,
                organizations.c.name,
                slugs.c.slug,
                organizations.c.create_time,
                organization_deletions.c.delete_time,
            )
            .join(slugs, slugs.c.org_id == organizations.c.id)
            .outerjoin(organization_deletions, _DELETION)
            .where(organizations.c.id == org_id)
        )
        if row is None:
            raise NotFound
        return Organization(**row._mapping, role=role)  # noqa: SLF001 # SQLAlchemy's public name begins with _

    async def find_ids(self, after: UUID, limit: int) -> list[UUID]:
        """Return the ids that follow one, in a system transaction for `usage`."""
        following = select(organizations.c.id).where(organizations.c.id > after)
        rows = await self._tx.rows(following.order_by(organizations.c.id).limit(limit))
        return [row.id for row in rows]

    async def page(
        self, user_id: UUID, limit: int, after: TimeAndId | None
    ) -> Sequence[Organization]:
        """Return the organizations of a member, oldest membership first."""
        order = (memberships.c.create_time, memberships.c.org_id)
        statement = _as_seen_by(user_id).order_by(*order).limit(limit)
        if after:
            statement = statement.where(tuple_(*order) > after)
        return [_organization(row) for row in await self._tx.rows(statement)]


def _as_seen_by(user_id: UUID) -> Select[Any]:
    return (
        select(
            organizations.c.id,
            organizations.c.name,
            slugs.c.slug,
            organizations.c.create_time,
            memberships.c.role,
            memberships.c.create_time.label("join_time"),
            organization_deletions.c.delete_time,
        )
        .select_from(memberships)
        .join(organizations, organizations.c.id == memberships.c.org_id)
        .join(slugs, slugs.c.org_id == memberships.c.org_id)
        .outerjoin(organization_deletions, _DELETION)
        .where(memberships.c.user_id == user_id)
    )


def _organization(row: Row[Any]) -> Organization:
    return Organization(**{**row._mapping, "role": Role(row.role)})  # noqa: SLF001 # SQLAlchemy's public name begins with _

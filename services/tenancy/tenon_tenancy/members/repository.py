from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Uuid,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from tenon_db.pages import TimeAndId
from tenon_db.transaction import Transaction
from tenon_policy.grants import MemberKey
from tenon_policy.policies import Role
from tenon_tenancy.members.models import (
    Member,
    memberships,
    owned_organizations,
    released_users,
)
from tenon_tenancy.organizations.models import organizations


class MemberRepository:
    """The members of one organization."""

    def __init__(self, tx: Transaction, org_id: UUID) -> None:
        self._tx = tx
        self._of_org = memberships.c.org_id == org_id
        self._org_id = org_id

    async def lock(self) -> None:
        """Keep everybody else from changing who is what in this organization until the commit.

        Whoever only adds a row that refers to it goes on: they may hold what is waited for next.
        """
        row = select(organizations.c.id).where(organizations.c.id == self._org_id)
        await self._tx.execute(row.with_for_update(key_share=True))

    async def add(self, member: Member) -> None:
        await self._tx.execute(
            insert(memberships).values(
                org_id=self._org_id,
                user_id=member.user_id,
                role=member.role,
                create_time=member.create_time,
            )
        )

    async def find(self, user_id: UUID) -> Member | None:
        row = await self._tx.row(
            select(memberships).where(self._of_org, memberships.c.user_id == user_id)
        )
        return _member(row) if row else None

    async def has_other_owner(self, user_id: UUID) -> bool:
        """Say whether somebody else than this user owns the organization."""
        others = select(memberships.c.user_id).where(
            self._of_org, memberships.c.role == Role.OWNER, memberships.c.user_id != user_id
        )
        return bool(await self._tx.scalar(select(others.exists())))

    async def set_role(self, user_id: UUID, role: Role) -> None:
        await self._tx.execute(
            update(memberships)
            .where(self._of_org, memberships.c.user_id == user_id)
            .values(role=role)
        )

    async def remove(self, user_id: UUID) -> None:
        await self._tx.execute(
            delete(memberships).where(self._of_org, memberships.c.user_id == user_id)
        )

    async def count(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).select_from(memberships).where(self._of_org)
        )
        return counted

    async def owners(self) -> list[UUID]:
        owners = select(memberships.c.user_id).where(self._of_org)
        rows = await self._tx.rows(owners.where(memberships.c.role == Role.OWNER))
        return [row.user_id for row in rows]

    async def user_ids(self) -> list[UUID]:
        rows = await self._tx.rows(select(memberships.c.user_id).where(self._of_org))
        return [row.user_id for row in rows]

    async def remove_all(self) -> list[UUID]:
        """Remove all members; return who they were."""
        gone = delete(memberships).where(self._of_org).returning(memberships.c.user_id)
        return [row.user_id for row in await self._tx.rows(gone)]

    async def page(self, limit: int, after: TimeAndId | None) -> Sequence[Member]:
        """Return the members, oldest first."""
        order = (memberships.c.create_time, memberships.c.user_id)
        statement = select(memberships).where(self._of_org).order_by(*order).limit(limit)
        if after:
            statement = statement.where(tuple_(*order) > after)
        return [_member(row) for row in await self._tx.rows(statement)]


class ReleaseRepository:
    """Users who left all organizations for good, whoever's transaction it is."""

    def __init__(self, tx: Transaction, user_id: UUID) -> None:
        self._tx = tx
        self._user_id = user_id

    async def lock(self) -> None:
        """Wait until the user joins nothing, and let no organization add them until the commit."""
        await self._tx.execute(select(func.pg_advisory_xact_lock(self._key)))

    async def hold_off(self) -> None:
        """Let the user not be released until the commit."""
        await self._tx.execute(select(func.pg_advisory_xact_lock_shared(self._key)))

    async def exists(self) -> bool:
        found = select(released_users.c.user_id).where(released_users.c.user_id == self._user_id)
        return bool(await self._tx.scalar(select(found.exists())))

    async def add(self, at: datetime) -> None:
        row = {"user_id": self._user_id, "release_time": at}
        await self._tx.execute(upsert(released_users).values(row).on_conflict_do_nothing())

    async def remove(self) -> None:
        await self._tx.execute(
            delete(released_users).where(released_users.c.user_id == self._user_id)
        )

    @property
    def _key(self) -> ColumnElement[int]:
        return func.hashtextextended(literal(f"released-users/{self._user_id}"), 0)


async def find_roles(tx: Transaction, keys: Sequence[MemberKey]) -> dict[MemberKey, Role]:
    """Return the roles of those that are members, in a system transaction for `grants`."""
    asked = select(
        func.unnest(literal([key.org_id for key in keys], ARRAY(Uuid))).label("org_id"),
        func.unnest(literal([key.user_id for key in keys], ARRAY(Uuid))).label("user_id"),
    ).subquery()
    same = (memberships.c.org_id == asked.c.org_id) & (memberships.c.user_id == asked.c.user_id)
    rows = await tx.rows(select(memberships).join(asked, same))
    return {MemberKey(row.org_id, row.user_id): Role(row.role) for row in rows}


async def find_accounts(tx: Transaction, org_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return organizations' longest-standing owners, in a system transaction for `grants`."""
    rows = await tx.rows(
        select(memberships.c.org_id, memberships.c.user_id)
        .ext(distinct_on(memberships.c.org_id))
        .where(memberships.c.org_id.in_(org_ids), memberships.c.role == Role.OWNER)
        .order_by(memberships.c.org_id, memberships.c.create_time, memberships.c.user_id)
    )
    return {row.org_id: row.user_id for row in rows}


async def count_owned(tx: Transaction, user_id: UUID) -> int:
    """Return how many organizations a user owns, whoever's transaction it is.

    After a change that makes the user an owner, no other transaction makes them one until the
    commit.
    """
    counted = select(owned_organizations.c.organizations)
    return await tx.scalar(counted.where(owned_organizations.c.user_id == user_id)) or 0


async def find_organizations(tx: Transaction, user_id: UUID) -> list[tuple[UUID, Role]]:
    """Return where the transaction's user belongs and in what role, what they own first."""
    rows = await tx.rows(
        select(memberships)
        .where(memberships.c.user_id == user_id)
        .order_by(memberships.c.role.desc(), memberships.c.org_id)
    )
    return [(row.org_id, Role(row.role)) for row in rows]


def _member(row: Row[Any]) -> Member:
    return Member(row.user_id, Role(row.role), row.create_time)

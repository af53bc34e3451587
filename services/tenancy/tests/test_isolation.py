"""Row level security of tenancy's tables, by itself: no statement here names an organization."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select, update

from tenon_db.transaction import Transaction
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_tenancy.members.models import memberships
from tenon_tenancy.organizations.models import organizations
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def seen(tx: Transaction) -> tuple[set[UUID], set[tuple[UUID, UUID]]]:
    """Return the organizations and the memberships that a transaction sees."""
    found = await tx.rows(select(organizations.c.id))
    kept = await tx.rows(select(memberships.c.org_id, memberships.c.user_id))
    return {row.id for row in found}, {(row.org_id, row.user_id) for row in kept}


async def test_a_tenant_sees_itself(
    backbone: Backbone[TenancySettings], callers: Callers, join: Join
) -> None:
    tenant, _ = await callers.tenant(), await callers.tenant()
    member = await join(tenant, Role.VIEWER)
    async with backbone.database.tenant(tenant.org_id) as tx:
        assert await seen(tx) == (
            {tenant.org_id},
            {(tenant.org_id, tenant.owner.user_id), (tenant.org_id, member.user_id)},
        )


async def test_a_person_sees_their_own_memberships_and_their_organizations(
    backbone: Backbone[TenancySettings], callers: Callers, join: Join
) -> None:
    one, two, _ = await callers.tenant(), await callers.tenant(), await callers.tenant()
    member = await join(one, Role.VIEWER)
    async with backbone.database.user(member.user_id) as tx:
        assert await seen(tx) == ({one.org_id}, {(one.org_id, member.user_id)})
    async with backbone.database.user(two.owner.user_id) as tx:
        assert await seen(tx) == ({two.org_id}, {(two.org_id, two.owner.user_id)})


async def test_a_person_changes_nothing_there(
    backbone: Backbone[TenancySettings], callers: Callers
) -> None:
    tenant = await callers.tenant()
    async with backbone.database.user(tenant.owner.user_id) as tx:
        for statement in (
            update(organizations).values(name="stolen"),
            update(memberships).values(role=Role.OWNER),
        ):
            assert (await tx.execute(statement)).rowcount == 0


async def test_nobody_sees_nothing(backbone: Backbone[TenancySettings], callers: Callers) -> None:
    await callers.tenant()
    async with backbone.database.system("test") as tx:
        assert await seen(tx) == (set(), set())


async def test_who_looks_grants_up_sees_memberships_alone(
    backbone: Backbone[TenancySettings], callers: Callers
) -> None:
    tenant = await callers.tenant()
    async with backbone.database.system("grants") as tx:
        found, kept = await seen(tx)
        assert found == set()
        assert (tenant.org_id, tenant.owner.user_id) in kept
        assert (await tx.execute(update(memberships).values(role=Role.OWNER))).rowcount == 0


async def test_who_looks_demands_up_sees_organizations_alone(
    backbone: Backbone[TenancySettings], callers: Callers
) -> None:
    tenant = await callers.tenant()
    async with backbone.database.system("demands") as tx:
        found, kept = await seen(tx)
        assert tenant.org_id in found
        assert kept == set()
        assert (await tx.execute(update(organizations).values(mfa_required=True))).rowcount == 0

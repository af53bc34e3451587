"""How an organization ends, as far as tenancy goes; for every service, see tests/isolation."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

import grpc
import psycopg
import pytest

from tenon.tenancy.v1.events_pb2 import OrganizationDeleted
from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.organization_deletion_pb2 import OrganizationDeletion
from tenon.tenancy.v1.organization_deletion_service_pb2 import (
    DeleteOrganizationRequest,
    GetOrganizationDeletionRequest,
    UndeleteOrganizationRequest,
)
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import OrganizationDeletionServiceStub
from tenon.tenancy.v1.organization_pb2 import Organization
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    GetOrganizationRequest,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_core import clock
from tenon_core.errors import NotFound
from tenon_jobs import Job
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_storage.storage import Storage
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.members.ending import MembershipEnding
from tenon_tenancy.members.models import Member
from tenon_tenancy.members.repository import MemberRepository
from tenon_tenancy.organization_deletions.service import CARRY_OUT
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]

BLOCKED_SECONDS = 0.3
"""An undo that nobody holds takes a few milliseconds."""


@pytest.fixture
def worker(system: System, tenancy: grpc.aio.Channel) -> None:  # noqa: ARG001 # its server runs
    """The process that carries deletions out."""
    system.start("tenancy", "worker")


async def delete(tenancy: grpc.aio.Channel, tenant: Tenant) -> OrganizationDeletion:
    request = DeleteOrganizationRequest(org_id=str(tenant.org_id))
    stub = OrganizationDeletionServiceStub(tenancy)
    deletion: OrganizationDeletion = (
        await stub.DeleteOrganization(request, metadata=tenant.metadata)
    ).deletion
    return deletion


async def undelete(tenancy: grpc.aio.Channel, tenant: Tenant) -> None:
    request = UndeleteOrganizationRequest(org_id=str(tenant.org_id))
    stub = OrganizationDeletionServiceStub(tenancy)
    await stub.UndeleteOrganization(request, metadata=tenant.metadata)


async def deletion_of(
    tenancy: grpc.aio.Channel, caller: Caller, deletion_id: str
) -> OrganizationDeletion:
    request = GetOrganizationDeletionRequest(deletion_id=deletion_id)
    stub = OrganizationDeletionServiceStub(tenancy)
    reply = await stub.GetOrganizationDeletion(request, metadata=caller.metadata)
    deletion: OrganizationDeletion = reply.deletion
    return deletion


async def organization(tenancy: grpc.aio.Channel, tenant: Tenant) -> Organization:
    request = GetOrganizationRequest(org_id=str(tenant.org_id))
    reply = await OrganizationServiceStub(tenancy).GetOrganization(
        request, metadata=tenant.metadata
    )
    found: Organization = reply.organization
    return found


async def is_let_in(tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant) -> bool:
    request = ListMembersRequest(org_id=str(tenant.org_id))
    try:
        await MemberServiceStub(tenancy).ListMembers(request, metadata=caller.metadata)
    except PeerError as error:
        return error.reason != "not_found"
    return True


async def let_time_pass(admin: psycopg.AsyncConnection, tenant: Tenant) -> None:
    due = (
        "UPDATE tenancy.jobs SET run_at = now() WHERE type = 'organization_deletions.carry_out'"
        " AND org_id = %s"
    )
    await admin.execute(due.encode(), [tenant.org_id])


async def write(storage: Storage, *tenants: Tenant) -> None:
    for one in tenants:
        async with storage.write(f"audit-exports/{one.org_id}/file") as writer:
            await writer.write(b"line")


async def claimed(
    backbone: Backbone[TenancySettings], admin: psycopg.AsyncConnection, tenant: Tenant
) -> Job:
    """Claim the job that carries a deletion out, as a worker does."""
    claim = (
        "UPDATE tenancy.jobs SET state = 'running', token = 1,"
        " lease_until = now() + interval '1 hour' WHERE org_id = %s RETURNING id"
    )
    job_id = await scalar(admin, claim, tenant.org_id)
    table = Foundation(backbone).queue.table
    return Job(job_id, CARRY_OUT, {}, tenant.org_id, None, None, 1, 1, table)


async def add(backbone: Backbone[TenancySettings], org_id: UUID, member: Member) -> None:
    async with backbone.database.tenant(org_id) as tx:
        await MemberRepository(tx, org_id).add(member)


async def scalar(admin: psycopg.AsyncConnection, query: str, *parameters: object) -> Any:
    row = await (await admin.execute(query.encode(), parameters)).fetchone()
    return row[0] if row else None


async def test_it_is_scheduled_once_and_shown(tenancy: grpc.aio.Channel, callers: Callers) -> None:
    tenant = await callers.tenant()
    deletion = await delete(tenancy, tenant)
    assert await delete(tenancy, tenant) == deletion
    assert (await organization(tenancy, tenant)).delete_time == deletion.delete_time
    delay = deletion.delete_time.ToDatetime() - deletion.request_time.ToDatetime()
    assert delay == timedelta(days=14)
    assert await is_let_in(tenancy, tenant.owner, tenant)


@pytest.mark.usefixtures("worker")
async def test_it_is_undone(
    tenancy: grpc.aio.Channel,
    callers: Callers,
    admin: psycopg.AsyncConnection,
) -> None:
    tenant = await callers.tenant()
    undone = await delete(tenancy, tenant)
    await undelete(tenancy, tenant)
    await undelete(tenancy, tenant)
    assert not (await organization(tenancy, tenant)).HasField("delete_time")
    with pytest.raises(PeerError, match="no such deletion"):
        await deletion_of(tenancy, tenant.owner, undone.id)
    await let_time_pass(admin, tenant)

    async def looked() -> bool:
        state = "SELECT state = 'succeeded' FROM tenancy.jobs WHERE org_id = %s"
        return bool(await scalar(admin, state, tenant.org_id))

    await eventually(looked)
    assert await is_let_in(tenancy, tenant.owner, tenant)
    assert (await delete(tenancy, tenant)).id != undone.id


@pytest.mark.usefixtures("worker")
async def test_then_nobody_is_a_member(
    tenancy: grpc.aio.Channel,
    callers: Callers,
    join: Join,
    admin: psycopg.AsyncConnection,
) -> None:
    tenant = await callers.tenant()
    member, slug = await join(tenant, Role.MEMBER), (await organization(tenancy, tenant)).slug
    deletion = await delete(tenancy, tenant)
    assert await is_let_in(tenancy, member, tenant)
    await let_time_pass(admin, tenant)

    async def ended() -> bool:
        return (await deletion_of(tenancy, tenant.owner, deletion.id)).HasField("end_time")

    async def refused() -> bool:
        callers_of_it = (member, tenant.owner)
        return not any([await is_let_in(tenancy, one, tenant) for one in callers_of_it])

    await eventually(ended)
    await eventually(refused, within=1.2)  # an answer is reused for 1 s
    with pytest.raises(PeerError, match="no such deletion"):
        await deletion_of(tenancy, member, deletion.id)
    with pytest.raises(PeerError) as taken:
        await OrganizationServiceStub(tenancy).CreateOrganization(
            CreateOrganizationRequest(name="Acme", slug=slug), metadata=tenant.metadata
        )
    assert taken.value.reason == "slug_taken"


@pytest.mark.usefixtures("worker")
async def test_tenancy_says_what_it_destroyed(
    tenancy: grpc.aio.Channel, callers: Callers, admin: psycopg.AsyncConnection
) -> None:
    """The organization and its owner's membership; and it is on record."""
    tenant = await callers.tenant()
    deletion = await delete(tenancy, tenant)
    await let_time_pass(admin, tenant)

    async def rows() -> int | None:
        found = await deletion_of(tenancy, tenant.owner, deletion.id)
        return {one.service: one.rows for one in found.receipts}.get("tenancy")

    assert await eventually(rows) == 2

    async def lines() -> bool:
        query = (
            "SELECT array_agg(action ORDER BY position) FROM tenancy.audit_events"
            " WHERE org_id = %s AND action LIKE 'tenancy.organizations.%%'"
        )
        actions = await scalar(admin, query, tenant.org_id) or []
        words = ["create", "delete", "end", "erase"]  # the last one for each service that runs
        return list(dict.fromkeys(actions)) == [f"tenancy.organizations.{word}" for word in words]

    await eventually(lines)


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "control without the lock"])
async def test_an_undo_and_the_end_meet(
    is_locked: bool,
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who has the row first is; the control shows that otherwise both would be told so."""
    tenant = await callers.tenant()
    deletion = await delete(tenancy, tenant)
    undoing: list[asyncio.Task[None]] = []
    owners = MembershipEnding.owners

    async def slowly(self: MembershipEnding, tx: Any) -> Any:
        undoing.append(asyncio.create_task(undelete(tenancy, tenant)))
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCKED_SECONDS):
                await asyncio.shield(undoing[0])
        return await owners(self, tx)

    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(MembershipEnding, "owners", slowly)
    if not is_locked:
        monkeypatch.setattr(MemberRepository, "lock", nothing)
    erasing = Foundation(backbone).erasing
    ended = await erasing.end(tenant.org_id, UUID(deletion.id))
    undone = (await asyncio.gather(*undoing, return_exceptions=True))[0] is None
    assert (ended and undone) is not is_locked


async def test_whatever_is_repeated_is_told_once(
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    admin: psycopg.AsyncConnection,
) -> None:
    """A worker that died at any step does them all again, beside another that is late."""
    tenant = await callers.tenant()
    deletion_id = UUID((await delete(tenancy, tenant)).id)
    erasing = Foundation(backbone).erasing
    for _ in range(2):
        assert all(
            await asyncio.gather(*(erasing.end(tenant.org_id, deletion_id) for _ in range(3)))
        )
        await asyncio.gather(*(erasing.erase(tenant.org_id) for _ in range(3)))
    told = "SELECT count(*) FROM tenancy.outbox WHERE org_id = %s AND type = %s"
    kind = OrganizationDeleted.DESCRIPTOR.full_name
    assert await scalar(admin, told, tenant.org_id, kind) == 1
    rows = "SELECT rows FROM tenancy.deleted_organizations WHERE org_id = %s"
    assert await scalar(admin, rows, tenant.org_id) == 2


async def test_files_go_too_and_again_later(
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    admin: psycopg.AsyncConnection,
) -> None:
    """Of any storage where a slice keeps some; others' stay."""
    tenant, other = await callers.tenant(), await callers.tenant()
    deletion_id = UUID((await delete(tenancy, tenant)).id)
    own = Foundation(backbone)
    storage, erasing = own.storage, own.erasing

    async def folders() -> set[str]:
        every = [name async for name in storage.list("audit-exports")]
        return {str(tenant.org_id), str(other.org_id)} & set(every)

    await write(storage, tenant, other)
    assert await erasing.end(tenant.org_id, deletion_id)
    await erasing.erase(tenant.org_id)
    await erasing.tell(tenant.org_id, await claimed(backbone, admin, tenant))
    assert await folders() == {str(other.org_id)}
    await write(storage, tenant)
    late = "SELECT payload ->> 'late' FROM tenancy.jobs WHERE org_id = %s AND state = 'queued'"
    assert await scalar(admin, late, tenant.org_id) == "true"
    await erasing.erase(tenant.org_id)
    assert await folders() == {str(other.org_id)}
    files = "SELECT files FROM tenancy.deleted_organizations WHERE org_id = %s"
    assert await scalar(admin, files, tenant.org_id) == 2


async def test_who_is_joining_meanwhile_is_no_member_either(
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    admin: psycopg.AsyncConnection,
) -> None:
    tenant, joining = await callers.tenant(), await callers.user()
    deletion_id = UUID((await delete(tenancy, tenant)).id)
    erasing = Foundation(backbone).erasing
    async with backbone.database.tenant(tenant.org_id) as tx:
        member = Member(joining.user_id, Role.MEMBER, clock.now())
        await MemberRepository(tx, tenant.org_id).add(member)
        ending = asyncio.create_task(erasing.end(tenant.org_id, deletion_id))
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCKED_SECONDS):
                await asyncio.shield(ending)
        assert not ending.done()
    assert await ending
    members = "SELECT count(*) FROM tenancy.memberships WHERE org_id = %s"
    assert await scalar(admin, members, tenant.org_id) == 0


async def test_nobody_joins_afterwards(
    tenancy: grpc.aio.Channel, callers: Callers, backbone: Backbone[TenancySettings]
) -> None:
    tenant = await callers.tenant()
    erasing = Foundation(backbone).erasing
    await erasing.end(tenant.org_id, UUID((await delete(tenancy, tenant)).id))
    member = Member(tenant.owner.user_id, Role.OWNER, clock.now())
    with pytest.raises(NotFound):
        await add(backbone, tenant.org_id, member)


async def test_a_deletion_is_scheduled_and_undone_only_so_often(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    """Each time its owners get a mail."""
    tenant = await callers.tenant()
    for _ in range(3):
        await delete(tenancy, tenant)
        await undelete(tenancy, tenant)
    with pytest.raises(PeerError) as refused:
        await delete(tenancy, tenant)
    assert refused.value.reason == "too_many_mails"
    assert refused.value.limit == "deletion_mails_per_organization"
    await delete(tenancy, await callers.tenant())  # the control: another organization

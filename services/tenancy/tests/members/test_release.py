"""Whoever deletes their account leaves no organization without an owner."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest

from tenon.tenancy.v1.member_service_pb2 import ReleaseUserRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_core import clock
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.members.repository import ReleaseRepository
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers
from tenon_testing.system import System

ROUNDS = 20
OWNERLESS = """
select count(*) from tenancy.organizations o
where name = %s and not exists
  (select from tenancy.memberships m where m.org_id = o.id and m.role = %s)
"""


@pytest.fixture
async def releasing(system: System, tenancy: grpc.aio.Channel) -> AsyncIterator[grpc.aio.Channel]:  # noqa: ARG001 # it runs by then
    """Tenancy as auth reaches it."""
    channel = system.channel("tenancy", caller="auth")
    yield channel
    await channel.close(None)


async def create(tenancy: grpc.aio.Channel, caller: Caller, name: str) -> str:
    """Return the reason of a refusal; empty if the organization was made."""
    request = CreateOrganizationRequest(name=name)
    try:
        await OrganizationServiceStub(tenancy).CreateOrganization(request, metadata=caller.metadata)
    except PeerError as error:
        return error.reason
    return ""


async def release(releasing: grpc.aio.Channel, caller: Caller) -> str:
    request = ReleaseUserRequest(user_id=str(caller.user_id))
    try:
        await MemberServiceStub(releasing).ReleaseUser(request)
    except PeerError as error:
        return error.reason
    return ""


def ownerless(system: System, name: str) -> int:
    with psycopg.connect(system.admin_url()) as admin:
        row = admin.execute(OWNERLESS, (name, Role.OWNER)).fetchone()
    assert row is not None
    return int(row[0])


async def test_who_was_released_owns_nothing_new(
    tenancy: grpc.aio.Channel, releasing: grpc.aio.Channel, callers: Callers
) -> None:
    caller = await callers.user()
    assert await release(releasing, caller) == ""
    assert await create(tenancy, caller, "Late") == "account_being_deleted"


async def test_who_is_the_last_owner_of_something_may_go_on(
    tenancy: grpc.aio.Channel, releasing: grpc.aio.Channel, callers: Callers
) -> None:
    owner = (await callers.tenant()).owner
    assert await release(releasing, owner) == "last_owner"
    assert await create(tenancy, owner, "Another") == ""


async def race(
    tenancy: grpc.aio.Channel,
    releasing: grpc.aio.Channel,
    members: MemberService,
    caller: Caller,
    name: str,
) -> None:
    """Delete an account, as auth does, while it makes organizations."""
    released, *_ = await asyncio.gather(
        release(releasing, caller), *(create(tenancy, caller, name) for _ in range(4))
    )
    if released == "":
        await create(tenancy, caller, name)
        await members.remove_erased(caller.user_id)


@pytest.fixture
def members(backbone: Backbone[TenancySettings]) -> MemberService:
    directory = AuthDirectory(backbone.channels["auth"])
    return MemberService(
        backbone.database,
        backbone.grant_changes,
        directory,
        backbone.settings.owned_organizations_per_user,
    )


async def test_an_erasure_that_races_with_a_creation_leaves_an_owner(
    system: System,
    tenancy: grpc.aio.Channel,
    releasing: grpc.aio.Channel,
    members: MemberService,
    callers: Callers,
) -> None:
    for _ in range(ROUNDS):
        await race(tenancy, releasing, members, await callers.user(), "Raced")
    assert ownerless(system, "Raced") == 0


async def test_without_the_record_of_releases_an_organization_has_no_owner(
    backbone: Backbone[TenancySettings],
    members: MemberService,
    releasing: grpc.aio.Channel,
    system: System,
    callers: Callers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: somebody who was released becomes an owner, and then the only one."""
    tenant, late = await callers.tenant("Control"), await callers.user()
    assert await release(releasing, late) == ""

    async def does_not_exist(_: ReleaseRepository) -> bool:
        return False

    monkeypatch.setattr(ReleaseRepository, "exists", does_not_exist)
    async with backbone.database.tenant(tenant.org_id) as tx:
        at = clock.now()
        await members.add_within(tx, tenant.org_id, late.user_id, Role.OWNER, at)
    assert await release(releasing, tenant.owner) == ""
    await members.remove_erased(late.user_id)
    assert ownerless(system, "Control") == 1

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message

from tenon.auth.v1.erasure_service_pb2 import DeleteUserRequest
from tenon.auth.v1.erasure_service_pb2_grpc import ErasureServiceStub
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1 import role_pb2
from tenon.tenancy.v1.events_pb2 import MemberUpdated
from tenon.tenancy.v1.member_pb2 import Member
from tenon.tenancy.v1.member_service_pb2 import (
    LeaveOrganizationRequest,
    ListMembersRequest,
    RemoveMemberRequest,
    UpdateMemberRequest,
)
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.ownership_service_pb2 import (
    AcceptOwnershipRequest,
    TransferOwnershipRequest,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon.tenancy.v1.role_pb2 import (
    ROLE_ADMIN,
    ROLE_MEMBER,
    ROLE_OWNER,
    ROLE_UNSPECIFIED,
    ROLE_VIEWER,
)
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_tenancy.app import APP
from tenon_tenancy.members.repository import MemberRepository
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]


async def update(
    tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant, user_id: object, role: int
) -> Member:
    request = UpdateMemberRequest(
        org_id=str(tenant.org_id), user_id=str(user_id), role=role_pb2.Role.ValueType(role)
    )
    reply = await MemberServiceStub(tenancy).UpdateMember(request, metadata=caller.metadata)
    return reply.member


async def refusal(update: Awaitable[Member]) -> str:
    with pytest.raises(PeerError) as refused:
        await update
    return refused.value.reason


async def owners(tenancy: grpc.aio.Channel, tenant: Tenant, caller: Caller) -> set[str]:
    request = ListMembersRequest(org_id=str(tenant.org_id))
    reply = await MemberServiceStub(tenancy).ListMembers(request, metadata=caller.metadata)
    return {member.user_id for member in reply.items if member.role == ROLE_OWNER}


async def test_gives_another_role(tenancy: grpc.aio.Channel, callers: Callers, join: Join) -> None:
    tenant = await callers.tenant()
    viewer = await join(tenant, Role.VIEWER)
    changed = await update(tenancy, tenant.owner, tenant, viewer.user_id, ROLE_ADMIN)
    assert (changed.user_id, changed.role) == (str(viewer.user_id), ROLE_ADMIN)
    assert (changed.email, changed.name) == (viewer.email, "Ada")
    # The new role counts at once: an admin may do this.
    await eventually(lambda: is_let(tenancy, viewer, tenant), within=1.5)


async def is_let(tenancy: grpc.aio.Channel, caller: Caller, tenant: Tenant) -> bool:
    """Say whether a caller may use an admin's method."""
    try:
        await update(tenancy, caller, tenant, uuid4(), ROLE_VIEWER)
    except PeerError as error:
        return error.reason == "member_not_found"
    return False


async def test_a_lowered_role_is_refused_within_a_second(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admin = await join(tenant, Role.ADMIN)
    assert await is_let(tenancy, admin, tenant)
    await update(tenancy, tenant.owner, tenant, admin.user_id, ROLE_MEMBER)

    async def is_refused() -> bool:
        return not await is_let(tenancy, admin, tenant)

    await eventually(is_refused, within=1.2)  # an answer is reused for 1 s


async def test_the_same_role_again_changes_and_tells_nothing(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join, published: Published
) -> None:
    tenant = await callers.tenant()
    viewer = await join(tenant, Role.VIEWER)
    for _ in range(3):
        changed = await update(tenancy, tenant.owner, tenant, viewer.user_id, ROLE_MEMBER)
        assert changed.role == ROLE_MEMBER
    await update(tenancy, tenant.owner, tenant, viewer.user_id, ROLE_ADMIN)

    async def told() -> list[Any]:
        events = await published(tenant.org_id, MemberUpdated)
        return events if events[-1].role == ROLE_ADMIN else []

    events = await eventually(told)
    assert [event.role for event in events] == [ROLE_MEMBER, ROLE_ADMIN]
    assert {event.user_id for event in events} == {str(viewer.user_id)}
    records = await published(tenant.org_id, AccessRecorded)
    resources = [record.resource for record in records if record.action == "tenancy.members.update"]
    assert resources == [f"members/{viewer.user_id}"] * 2


@pytest.mark.parametrize("role", [ROLE_UNSPECIFIED, 5, -1])
async def test_refuses_what_is_no_role(
    tenancy: grpc.aio.Channel, callers: Callers, role: int
) -> None:
    tenant = await callers.tenant()
    with pytest.raises(PeerError) as refused:
        await update(tenancy, tenant.owner, tenant, tenant.owner.user_id, role)
    assert [field.pointer for field in refused.value.fields] == ["/role"]


async def test_nobody_gives_a_role_above_their_own(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admin, viewer = await join(tenant, Role.ADMIN), await join(tenant, Role.VIEWER)
    for user in (viewer, admin):
        refused = await refusal(update(tenancy, admin, tenant, user.user_id, ROLE_OWNER))
        assert refused == "role_above_own"
    assert (await update(tenancy, admin, tenant, viewer.user_id, ROLE_ADMIN)).role == ROLE_ADMIN


async def test_nobody_changes_a_role_above_their_own(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admin = await join(tenant, Role.ADMIN)
    for role in (ROLE_VIEWER, ROLE_OWNER):
        refused = await refusal(update(tenancy, admin, tenant, tenant.owner.user_id, role))
        assert refused == "role_above_own"


async def test_members_change_no_role(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    refused = await refusal(update(tenancy, member, tenant, member.user_id, ROLE_VIEWER))
    assert refused == "role_too_low"


async def test_a_user_of_another_organization_is_an_unknown_one(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant, other = await callers.tenant(), await callers.tenant()
    for user_id in (other.owner.user_id, uuid4(), "me", ""):
        refused = await refusal(update(tenancy, tenant.owner, tenant, user_id, ROLE_VIEWER))
        assert refused == "member_not_found"


async def test_the_last_owner_is_not_lowered(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    await join(tenant, Role.ADMIN)
    for role in (ROLE_VIEWER, ROLE_ADMIN):
        refused = await refusal(update(tenancy, tenant.owner, tenant, tenant.owner.user_id, role))
        assert refused == "last_owner"
    assert await owners(tenancy, tenant, tenant.owner) == {str(tenant.owner.user_id)}


async def test_an_owner_steps_down_where_there_is_another(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    second = await join(tenant, Role.OWNER)
    await update(tenancy, tenant.owner, tenant, tenant.owner.user_id, ROLE_MEMBER)
    assert await owners(tenancy, tenant, second) == {str(second.user_id)}


STEPS: dict[str, set[str]] = {
    "lower the other": {"role_too_low", "not_found"},
    "step down": {"last_owner"},
    "remove the other": {"role_too_low", "not_found"},
    "remove oneself": {"last_owner"},
    "leave": {"last_owner"},
    "end one's account": set(),
}
"""What two owners may do at once, and how the one who comes too late is refused; none, where that
may wait for a job.
"""
ROUNDS, LONG_ROUNDS = 20, 50


@pytest.mark.parametrize("step", STEPS)
async def test_two_owners_at_once_leave_one(
    system: System,
    tenancy: grpc.aio.Channel,
    callers: Callers,
    join: Join,
    pytestconfig: pytest.Config,
    step: str,
) -> None:
    auth = system.channel("auth")

    async def act(tenant: Tenant, caller: Caller, other: Caller) -> None:
        members, org_id = MemberServiceStub(tenancy), str(tenant.org_id)
        target = other if step in ("lower the other", "remove the other") else caller
        match step:
            case "lower the other" | "step down":
                await update(tenancy, caller, tenant, target.user_id, ROLE_VIEWER)
            case "remove the other" | "remove oneself":
                removed = RemoveMemberRequest(org_id=org_id, user_id=str(target.user_id))
                await members.RemoveMember(removed, metadata=caller.metadata)
            case "leave":
                left = LeaveOrganizationRequest(org_id=org_id)
                await members.LeaveOrganization(left, metadata=caller.metadata)
            case _:
                erasures = ErasureServiceStub(auth)
                await erasures.DeleteUser(DeleteUserRequest(), metadata=caller.metadata)

    async def race(tenant: Tenant, two: Caller, viewer: Caller) -> tuple[list[str], int]:
        one = tenant.owner
        outcomes = await asyncio.gather(
            act(tenant, one, two), act(tenant, two, one), return_exceptions=True
        )
        refusals = [outcome.reason for outcome in outcomes if isinstance(outcome, PeerError)]
        return refusals, len(await owners(tenancy, tenant, viewer))

    rounds = LONG_ROUNDS if pytestconfig.getoption("--long") else ROUNDS
    tenants = [await callers.tenant() for _ in range(rounds)]
    seconds = [await join(tenant, Role.OWNER) for tenant in tenants]
    viewers = [await join(tenant, Role.VIEWER) for tenant in tenants]
    results = await asyncio.gather(*map(race, tenants, seconds, viewers))
    await auth.close(None)
    assert min(count for _, count in results) == 1
    if STEPS[step]:
        assert {count for _, count in results} == {1}
        assert all(len(refusals) == 1 and refusals[0] in STEPS[step] for refusals, _ in results)


async def test_without_the_lock_an_organization_is_left_without_owners(
    system: System, callers: Callers, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control: in this process, all look before any of them steps down."""

    async def lock(_: MemberRepository) -> None:
        """Lock nothing."""

    monkeypatch.setattr(MemberRepository, "lock", lock)
    pairs = []
    for _ in range(ROUNDS):
        tenant = await callers.tenant()
        pairs.append((tenant, await join(tenant, Role.OWNER), await join(tenant, Role.VIEWER)))
    async with system.serving(APP) as here:
        steps = [
            update(here, caller, tenant, caller.user_id, ROLE_VIEWER)
            for tenant, two, _ in pairs
            for caller in (tenant.owner, two)
        ]
        await asyncio.gather(*steps, return_exceptions=True)
        left = [len(await owners(here, tenant, viewer)) for tenant, _, viewer in pairs]
    assert 0 in left


async def test_handing_over_and_all_else_at_once_leave_an_owner(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join, pytestconfig: pytest.Config
) -> None:
    """One owner steps down, another lowers them, and the member whom they offered it to accepts
    and leaves.
    """
    ownership, members = OwnershipServiceStub(tenancy), MemberServiceStub(tenancy)

    async def race() -> int:
        tenant = await callers.tenant()
        org_id, one = str(tenant.org_id), tenant.owner
        two, heir = await join(tenant, Role.OWNER), await join(tenant, Role.MEMBER)
        viewer = await join(tenant, Role.VIEWER)
        offer = TransferOwnershipRequest(org_id=org_id, user_id=str(heir.user_id))
        await ownership.TransferOwnership(offer, metadata=one.metadata)
        accepted = AcceptOwnershipRequest(org_id=org_id)
        left = LeaveOrganizationRequest(org_id=org_id)
        await asyncio.gather(
            ownership.AcceptOwnership(accepted, metadata=heir.metadata),
            members.LeaveOrganization(left, metadata=heir.metadata),
            members.LeaveOrganization(left, metadata=two.metadata),
            update(tenancy, one, tenant, one.user_id, ROLE_VIEWER),
            update(tenancy, two, tenant, one.user_id, ROLE_VIEWER),
            return_exceptions=True,
        )
        return len(await owners(tenancy, tenant, viewer))

    rounds = LONG_ROUNDS if pytestconfig.getoption("--long") else ROUNDS
    left = [await race() for _ in range(rounds)]
    assert min(left) >= 1


async def test_one_owner_against_20_requests_at_once(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    one, two = tenant.owner, await join(tenant, Role.OWNER)
    viewer = await join(tenant, Role.VIEWER)
    await asyncio.gather(
        *(update(tenancy, one, tenant, two.user_id, ROLE_VIEWER) for _ in range(20)),
        *(update(tenancy, two, tenant, one.user_id, ROLE_VIEWER) for _ in range(20)),
        return_exceptions=True,
    )
    assert len(await owners(tenancy, tenant, viewer)) == 1

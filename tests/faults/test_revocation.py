"""What is revoked is refused within a second at every door, whatever becomes of Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import grpc
import psycopg
import pytest
from redis.asyncio import Redis

from services.tenancy.tests.policies.policies_client import ADDRESS, PoliciesClient
from tenon.auth.v1.api_key_service_pb2 import RevokeApiKeyRequest
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon.auth.v1.session_service_pb2 import LogOutRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.tenancy.v1 import role_pb2
from tenon.tenancy.v1.member_service_pb2 import RemoveMemberRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_core.errors import Unavailable
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually
from tests.faults.doors import Door, Doors, doors_of
from tests.faults.rig import RECOVERY_SECONDS, Rig, kill

REVOKED_SECONDS = 1.0
WATCHED_SECONDS = 2.0
"""How long is watched that nothing comes back."""
ROUNDS = 5
DYING = "tests.faults.dying_service"

OWNERS = {
    "log-out": "auth",
    "removal": "tenancy",
    "lowering": "tenancy",
    "key": "auth",
    "policy": "tenancy",
}
FAULTS = ("plain", "flushed", "restarted", "crashed")
QUICK = [
    ("log-out", "plain"),
    ("removal", "flushed"),
    ("log-out", "restarted"),
    ("removal", "crashed"),
    ("lowering", "plain"),
    ("key", "flushed"),
    ("key", "crashed"),
    ("policy", "crashed"),
]
ALL = [(revocation, fault) for revocation in OWNERS for fault in FAULTS]


@pytest.fixture
async def doors(rig: Rig) -> AsyncIterator[Doors]:
    async with doors_of(rig.system) as doors:
        yield doors


@pytest.fixture
async def people(rig: Rig) -> AsyncIterator[Callers]:
    callers = Callers(rig.system)
    yield callers
    await callers.close()


async def admin_of(system: System, tenant: Tenant, people: Callers) -> Caller:
    """Let somebody new join as an admin, as an accepted invitation will."""
    caller = await people.user()
    async with await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as admin:
        await admin.execute(
            "INSERT INTO tenancy.memberships (org_id, user_id, role, create_time)"
            " VALUES (%s, %s, %s, now())",
            (tenant.org_id, caller.user_id, int(Role.ADMIN)),
        )
    return caller


async def holder(rig: Rig, kind: str, tenant: Tenant, people: Callers) -> Caller:
    """Return somebody who is let in, by what is to be revoked; an API key has its id for a user."""
    if kind != "key":
        return await admin_of(rig.system, tenant, people)
    key = await people.api_key(tenant)
    token = await people.exchange(key)
    return Caller(UUID(key.id), UUID(key.id), "", token, "")


async def revoke(channel: grpc.aio.Channel, kind: str, tenant: Tenant, caller: Caller) -> None:
    org_id, user_id = str(tenant.org_id), str(caller.user_id)
    members, owner = MemberServiceStub(channel), tenant.metadata
    match kind:
        case "log-out":
            request = LogOutRequest(refresh_token=caller.refresh_token)
            await SessionServiceStub(channel).LogOut(request)
        case "removal":
            await members.RemoveMember(
                RemoveMemberRequest(org_id=org_id, user_id=user_id), metadata=owner
            )
        case "lowering":
            lower = UpdateMemberRequest(org_id=org_id, user_id=user_id, role=role_pb2.ROLE_VIEWER)
            await members.UpdateMember(lower, metadata=owner)
        case "key":
            gone = RevokeApiKeyRequest(org_id=org_id, key_id=user_id)
            await ApiKeyServiceStub(channel).RevokeApiKey(gone, metadata=owner)
        case "policy":
            await PoliciesClient(channel, tenant).update(allowed_networks=[ADDRESS])


async def revoke_and(rig: Rig, fault: str, kind: str, tenant: Tenant, caller: Caller) -> None:
    """Revoke, and let the fault happen at once after it."""
    valkey = rig.system.servers.valkey
    if fault == "crashed":
        await revoke_and_die(rig, kind, tenant, caller)
        return
    channel = rig.system.channel(OWNERS[kind])
    await revoke(channel, kind, tenant, caller)
    await channel.close(None)
    if fault == "flushed":
        async with Redis.from_url(valkey.url()) as redis:
            await redis.flushall()
    if fault == "restarted":
        await asyncio.to_thread(kill, valkey)
        await asyncio.to_thread(valkey.start)


async def revoke_and_die(
    rig: Rig, kind: str, tenant: Tenant, caller: Caller, **changes: str
) -> None:
    """Revoke by a replica that dies once it has committed; nobody is told that it has."""
    service = OWNERS[kind]
    replica = await asyncio.to_thread(lambda: rig.system.replica(service, module=DYING, **changes))
    channel = rig.system.channel(service, at=f"127.0.0.1:{replica.listen_port}")
    with pytest.raises(Unavailable):
        await revoke(channel, kind, tenant, caller)
    await channel.close(None)
    replica.stop()


def doors_for(doors: Doors, kind: str, tenant: Tenant, caller: Caller) -> dict[str, Door]:
    match kind:
        case "log-out":
            return doors.reading(caller, tenant.org_id) | doors.in_session(caller)
        case "removal" | "key" | "policy":
            return doors.reading(caller, tenant.org_id)
    return doors.writing(caller, tenant.org_id)


async def last_opening(doors: Mapping[str, Door], since: float) -> dict[str, float]:
    """Watch for a while, and return how long each door still opened."""

    async def watch(door: Door) -> float:
        last = 0.0
        while (asked_at := time.monotonic()) < since + WATCHED_SECONDS:
            if await door():
                last = asked_at - since
        return last

    return dict(zip(doors, await asyncio.gather(*map(watch, doors.values())), strict=True))


async def all_open(doors: Mapping[str, Door]) -> bool:
    return all([await door() for door in doors.values()])


async def check(rig: Rig, doors: Doors, people: Callers, kind: str, fault: str) -> None:
    tenant = await people.tenant()
    caller = await holder(rig, kind, tenant, people)
    its = doors_for(doors, kind, tenant, caller)
    assert await eventually(lambda: all_open(its), within=RECOVERY_SECONDS)
    await revoke_and(rig, fault, kind, tenant, caller)
    opened = await last_opening(its, time.monotonic())
    assert max(opened.values()) <= REVOKED_SECONDS, opened


@pytest.mark.parametrize(("kind", "fault"), QUICK)
async def test_what_is_revoked_is_refused_within_a_second(
    rig: Rig, doors: Doors, people: Callers, kind: str, fault: str
) -> None:
    await check(rig, doors, people, kind, fault)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "fault"), ALL)
async def test_whatever_is_revoked_stays_revoked(
    rig: Rig, doors: Doors, people: Callers, kind: str, fault: str
) -> None:
    for _ in range(ROUNDS):
        await check(rig, doors, people, kind, fault)


@pytest.mark.parametrize("kind", ["log-out", "removal", "key", "policy"])
async def test_without_a_mark_a_crash_leaves_it_granted(
    rig: Rig, doors: Doors, people: Callers, kind: str
) -> None:
    """The control: it is the mark that the others are refused by."""
    tenant = await people.tenant()
    caller = await holder(rig, kind, tenant, people)
    its = doors_for(doors, kind, tenant, caller)
    assert await eventually(lambda: all_open(its), within=RECOVERY_SECONDS)
    await revoke_and_die(rig, kind, tenant, caller, dying_marks="no")
    opened = await last_opening(its, time.monotonic())
    assert max(opened.values()) > REVOKED_SECONDS, opened


@pytest.mark.parametrize("marks", ["yes", "no"])
async def test_a_crash_before_the_caches_are_told_leaves_no_stale_reply(
    rig: Rig, doors: Doors, people: Callers, marks: str
) -> None:
    """Without the mark, the control, the gateway goes on with what it has kept."""
    tenant = await people.tenant()
    caller = await admin_of(rig.system, tenant, people)

    async def lists_it() -> bool:
        return str(tenant.org_id) in await doors.organizations(caller)

    assert await eventually(lists_it, within=RECOVERY_SECONDS)
    await revoke_and_die(rig, "removal", tenant, caller, dying_at="tags", dying_marks=marks)
    assert await lists_it() == (marks == "no")

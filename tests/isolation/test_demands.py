"""What an organization demands binds everybody within a second, at the gateway and at each service
itself, also when Redis forgets all: every RPC for members, taken from the descriptors.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, LiteralString
from uuid import UUID

import grpc
import psycopg
import pytest
from aiohttp import ClientSession
from psycopg import sql
from redis.asyncio import Redis

from services.tenancy.tests.policies.policies_client import ADDRESS, PoliciesClient
from tenon.auth.v1.session_service_pb2 import RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.tenancy.v1.member_service_pb2 import LeaveOrganizationRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_auth.app import APP as AUTH
from tenon_policy.demands import DemandBook, Demands
from tenon_policy.policies import Access, Demand, Role
from tenon_reports.app import APP as REPORTS
from tenon_tenancy.app import APP as TENANCY
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tests.isolation.contract import Rpc, rpcs
from tests.isolation.doors import Door, gateway_doors, service_doors
from tests.isolation.matrix import GONE_AFTERWARDS, gateway_here, request_about

MEMBERS_RPCS = [rpc for rpc in rpcs(Access.ORG) if rpc.name not in GONE_AFTERWARDS]
BOUND_SECONDS = 1.0
OLD, SECOND_FACTOR = "auth_time = now() - interval '2 hours'", "methods = '{pwd,otp,mfa}'"

POLICIES: Mapping[Demand, dict[str, Any]] = {
    Demand.MFA: {"mfa_required": True},
    Demand.SESSION: {"session_hours": 1},
    Demand.NETWORKS: {"allowed_networks": [f"{ADDRESS}/32"]},
}
LIFTED: Mapping[Demand, dict[str, Any]] = {
    Demand.MFA: {"mfa_required": False},
    Demand.SESSION: {"session_hours": 0},
    Demand.NETWORKS: {"allowed_networks": []},
}
REASONS = {
    Demand.MFA: "mfa_required",
    Demand.SESSION: "session_too_old",
    Demand.NETWORKS: "network_not_allowed",
}
OF_PEOPLE = (Demand.MFA, Demand.SESSION)


@pytest.fixture
async def redis(whole_system: System) -> AsyncIterator[Redis]:
    async with Redis.from_url(whole_system.servers.valkey.url()) as opened:
        yield opened


class Sessions:
    """Sessions as they would be after another log-in, or some time."""

    def __init__(self, admin: psycopg.AsyncConnection, auth: grpc.aio.Channel) -> None:
        self._admin = admin
        self._sessions = SessionServiceStub(auth)

    async def changed(self, caller: Caller, change: LiteralString) -> Caller:
        """Return the caller with a token of their session as it is now."""
        await self._admin.execute(
            sql.SQL("UPDATE auth.sessions SET {} WHERE id = %s").format(sql.SQL(change)),
            [caller.session_id],
        )
        request = RefreshSessionRequest(refresh_token=caller.refresh_token)
        tokens = (await self._sessions.RefreshSession(request)).tokens
        return replace(caller, access_token=tokens.access_token, refresh_token=tokens.refresh_token)


@pytest.fixture
def sessions(admin: psycopg.AsyncConnection, channels: Mapping[str, grpc.aio.Channel]) -> Sessions:
    return Sessions(admin, channels["auth"])


@pytest.fixture
async def tenant(callers: Callers, sessions: Sessions) -> Tenant:
    """An organization whose owner meets every demand: has a second factor, has just logged in, is
    at ADDRESS.
    """
    made = await callers.tenant()
    return replace(made, owner=await sessions.changed(made.owner, SECOND_FACTOR))


@pytest.fixture
async def other_owner(tenant: Tenant, callers: Callers, registry: Any) -> Caller:
    """One who meets no demand, once their session is old; with a role for every RPC."""
    caller: Caller = await registry.join(tenant.org_id, Role.OWNER, await callers.user())
    return caller


@pytest.fixture
def doors(channels: Mapping[str, grpc.aio.Channel], session: ClientSession) -> Sequence[Door]:
    found: list[Door] = []
    for rpc in MEMBERS_RPCS:
        found += [*gateway_doors(rpc, session), *service_doors(rpc, channels.__getitem__)]
    return found


async def reasons(doors: Iterable[Door], token: str, tenant: Tenant) -> dict[str, str]:
    """Return why somebody is refused at each door, by its name."""
    return {
        door.name: (await door.send(token, request_about(door.rpc, tenant))).reason
        for door in doors
    }


async def late(
    doors: Iterable[Door], token: str, tenant: Tenant, demand: Demand, *, refused: bool = True
) -> set[str]:
    """Return the doors that this demand binds, and that do not come to refuse by it, or cease to,
    within a second.
    """
    began, reason, doors = time.monotonic(), REASONS[demand], bound(doors, demand)

    async def is_late(door: Door) -> bool:
        while True:
            asked = time.monotonic()
            reply = await door.send(token, request_about(door.rpc, tenant))
            if (reply.reason == reason) is refused:
                return False
            if asked - began > BOUND_SECONDS:
                return True

    found = await asyncio.gather(*map(is_late, doors))
    return {door.name for door, is_so in zip(doors, found, strict=True) if is_so}


def bound(doors: Iterable[Door], demand: Demand) -> list[Door]:
    return [door for door in doors if demand not in door.rpc.policy.exempt_from]


def exempt(doors: Iterable[Door], demand: Demand) -> list[Door]:
    return [door for door in doors if demand in door.rpc.policy.exempt_from]


def test_what_is_exempt_is_what_mends_it() -> None:
    """And nothing else; a new exemption is to be thought about here."""
    found = {(rpc.name, demand.name) for rpc in rpcs() for demand in rpc.policy.exempt_from}
    assert found == {
        *(("MemberService.LeaveOrganization", demand.name) for demand in Demand),
        ("PolicyService.GetPolicies", "NETWORKS"),
        ("PolicyService.UpdatePolicies", "NETWORKS"),
    }


@pytest.mark.parametrize("demand", Demand)
async def test_a_demand_binds_within_a_second_everywhere(
    demand: Demand,
    channels: Mapping[str, grpc.aio.Channel],
    doors: Sequence[Door],
    tenant: Tenant,
    other_owner: Caller,
    sessions: Sessions,
    redis: Redis,
) -> None:
    """Each door lets them in before, and once it is lifted (the control)."""
    if demand is Demand.SESSION:
        other_owner = await sessions.changed(other_owner, OLD)
    token, reason = other_owner.access_token, REASONS[demand]
    assert reason not in (await reasons(doors, token, tenant)).values()
    owner = PoliciesClient(channels["tenancy"], tenant)
    await owner.update(**POLICIES[demand])
    await redis.flushall()
    its = bound(doors, demand)
    assert len(its) > 50
    assert await late(doors, token, tenant, demand) == set()
    await redis.flushall()
    assert set((await reasons(its, token, tenant)).values()) == {reason}
    assert reason not in (await reasons(exempt(doors, demand), token, tenant)).values()
    await owner.update(**LIFTED[demand])
    assert await late(doors, token, tenant, demand, refused=False) == set()


async def test_who_meets_them_all_is_let_in_and_anybody_out(
    channels: Mapping[str, grpc.aio.Channel],
    session: ClientSession,
    tenant: Tenant,
    other_owner: Caller,
) -> None:
    here = {"allowed_networks": [f"{ADDRESS}/32", "127.0.0.0/8"]}
    policies = POLICIES[Demand.MFA] | POLICIES[Demand.SESSION] | here
    await PoliciesClient(channels["tenancy"], tenant).update(**policies)
    doors: list[Door] = []
    for rpc in MEMBERS_RPCS:
        doors += gateway_doors(rpc, session)
        doors += _at(ADDRESS, rpc, channels)
    assert await late(doors, other_owner.access_token, tenant, Demand.MFA) == set()
    told = set((await reasons(doors, tenant.owner.access_token, tenant)).values())
    assert told.isdisjoint(REASONS.values())
    leave = LeaveOrganizationRequest(org_id=str(tenant.org_id))
    members = MemberServiceStub(channels["tenancy"])
    await members.LeaveOrganization(leave, metadata=other_owner.metadata)  # who meets none


def _at(address: str, rpc: Rpc, channels: Mapping[str, grpc.aio.Channel]) -> list[Door]:
    return [replace(door, address=address) for door in service_doors(rpc, channels.__getitem__)]


async def test_keys_are_bound_by_networks_alone(
    channels: Mapping[str, grpc.aio.Channel],
    session: ClientSession,
    callers: Callers,
    tenant: Tenant,
    other_owner: Caller,
) -> None:
    key = await callers.api_key(tenant, Role.OWNER)
    token = await callers.exchange(key)
    for_keys = [rpc for rpc in MEMBERS_RPCS if not rpc.policy.people_only]
    gateways = [door for rpc in for_keys for door in gateway_doors(rpc, session)]
    services = [door for rpc in for_keys for door in service_doors(rpc, channels.__getitem__)]

    async def told() -> set[str]:
        return {
            *(await reasons(bound(gateways, Demand.NETWORKS), key.secret, tenant)).values(),
            *(await reasons(bound(services, Demand.NETWORKS), token, tenant)).values(),
        }

    owner = PoliciesClient(channels["tenancy"], tenant)
    await owner.update(**POLICIES[Demand.MFA], **POLICIES[Demand.SESSION])
    assert await late(services, other_owner.access_token, tenant, Demand.MFA) == set()
    assert (await told()).isdisjoint(REASONS.values())
    await owner.update(**POLICIES[Demand.NETWORKS])
    assert await late(gateways, key.secret, tenant, Demand.NETWORKS) == set()
    assert await late(services, token, tenant, Demand.NETWORKS) == set()
    assert await told() == {REASONS[Demand.NETWORKS]}


async def test_where_a_client_is_is_believed_of_the_gateway_alone(
    whole_system: System, channels: Mapping[str, grpc.aio.Channel], tenant: Tenant
) -> None:
    await PoliciesClient(channels["tenancy"], tenant).update(**POLICIES[Demand.NETWORKS])
    token = tenant.owner.access_token
    stranger = whole_system.channel("tenancy", caller="reports")
    for channel, refused in ((channels["tenancy"], False), (stranger, True)):
        doors = [
            replace(door, address=ADDRESS)
            for rpc in MEMBERS_RPCS
            if rpc.services == ("tenancy",)
            for door in service_doors(rpc, lambda _, channel=channel: channel)  # type: ignore[misc]
        ]
        assert await late(doors, token, tenant, Demand.NETWORKS, refused=refused) == set()
    await stranger.close(None)


@pytest.mark.parametrize("app", [AUTH, TENANCY, REPORTS], ids=lambda app: app.name)
async def test_a_service_that_does_not_ask_is_found(
    app: Any,
    whole_system: System,
    channels: Mapping[str, grpc.aio.Channel],
    tenant: Tenant,
    other_owner: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control at each service, which is behind no gateway here."""
    policies = POLICIES[Demand.MFA] | POLICIES[Demand.NETWORKS]
    await PoliciesClient(channels["tenancy"], tenant).update(**policies)
    monkeypatch.setattr("tenon_rpc.guard.require_network", lambda *_: None)
    monkeypatch.setattr("tenon_rpc.guard.require_proof", lambda *_: None)
    async with whole_system.serving(app) as channel:
        doors = [
            door
            for rpc in MEMBERS_RPCS
            if rpc.services == (app.name,)
            for door in service_doors(rpc, lambda _: channel)
        ]
        assert doors
        told = set((await reasons(doors, other_owner.access_token, tenant)).values())
    assert told.isdisjoint(REASONS.values())


async def test_the_gateway_asks_by_itself(
    whole_system: System, organization: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not only the services behind it: one that reads more demands than there are is alone."""

    async def strict(self: DemandBook, org_id: UUID, version: int) -> Demands:
        del self, org_id
        return Demands(version, mfa=True)

    monkeypatch.setattr(DemandBook, "get", strict)
    async with gateway_here(whole_system) as session:
        doors = [door for rpc in MEMBERS_RPCS for door in gateway_doors(rpc, session)]
        its = bound(doors, Demand.MFA)
        told = await reasons(its, organization.owner.access_token, organization)
    assert set(told.values()) == {REASONS[Demand.MFA]}

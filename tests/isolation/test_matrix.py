"""A5: who may call what is as the protos say, at the gateway and at each service directly. The
requests hold nothing but ids that nobody made: a refusal comes before all validation.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

import grpc
import pytest
from aiohttp import ClientSession

from tenon.tenancy.v1 import role_pb2
from tenon.tenancy.v1.member_service_pb2 import RemoveMemberRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_policy import policies
from tenon_policy.policies import Access, MethodPolicy, Role
from tenon_reports.app import APP as REPORTS
from tenon_tenancy.app import APP as TENANCY
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tests.isolation.contract import rpcs
from tests.isolation.doors import Door, gateway_doors, service_doors
from tests.isolation.matrix import (
    GONE_AFTERWARDS,
    Tokens,
    differences,
    gateway_here,
    log_out,
    request_about,
)
from tests.isolation.standing import (
    KEY_STANDINGS,
    KeyStanding,
    told,
)
from tests.isolation.worlds import Registry

EVERY_RPC = rpcs()
MEMBERS_RPCS = rpcs(Access.ORG)
REVOKED_SECONDS = 1.0


@pytest.fixture(scope="session")
async def keys(organization: Tenant, callers: Callers) -> Mapping[KeyStanding, tuple[str, str]]:
    """An API key of each kind, with its secret for the gateway and a token for services."""
    elsewhere = await callers.tenant()
    found = {}
    for standing in KEY_STANDINGS:
        tenant = organization if standing.own else elsewhere
        key = await callers.api_key(tenant, standing.role, permissions=standing.permissions)
        found[standing] = (key.secret, await callers.exchange(key))
        if not standing.live:
            await callers.revoke(tenant, key)
    return found


async def test_the_gateway_does_what_the_protos_say(
    session: ClientSession, organization: Tenant, tokens: Tokens
) -> None:
    doors = [door for rpc in EVERY_RPC for door in gateway_doors(rpc, session)]
    assert len(doors) > 25
    assert await differences(doors, organization, tokens) == []


async def test_each_service_does_what_the_protos_say(
    channels: Mapping[str, grpc.aio.Channel], organization: Tenant, tokens: Tokens
) -> None:
    doors = [door for rpc in EVERY_RPC for door in service_doors(rpc, channels.__getitem__)]
    assert len(doors) > 25
    assert await differences(doors, organization, tokens) == []


async def test_the_gateway_lets_keys_do_what_the_protos_say(
    session: ClientSession,
    organization: Tenant,
    keys: Mapping[KeyStanding, tuple[str, str]],
) -> None:
    doors = [door for rpc in EVERY_RPC for door in gateway_doors(rpc, session)]
    held: Tokens = {standing: secret for standing, (secret, _) in keys.items()}
    assert await differences(doors, organization, held) == []


async def test_each_service_lets_keys_do_what_the_protos_say(
    channels: Mapping[str, grpc.aio.Channel],
    organization: Tenant,
    keys: Mapping[KeyStanding, tuple[str, str]],
) -> None:
    doors = [door for rpc in EVERY_RPC for door in service_doors(rpc, channels.__getitem__)]
    held: Tokens = {standing: token for standing, (_, token) in keys.items()}
    assert await differences(doors, organization, held) == []


async def test_a_service_that_lets_keys_do_what_is_for_people_is_found(
    whole_system: System,
    organization: Tenant,
    keys: Mapping[KeyStanding, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control: nothing is for people, in this process alone."""
    read = policies.read_policy
    monkeypatch.setattr(
        "tenon_rpc.methods.read_policy", lambda method: replace(read(method), people_only=False)
    )
    held: Tokens = {standing: token for standing, (_, token) in keys.items()}
    async with whole_system.serving(TENANCY) as channel:
        doors = [
            door
            for rpc in MEMBERS_RPCS
            if rpc.services == ("tenancy",) and rpc.policy.people_only
            for door in service_doors(rpc, lambda _: channel)
        ]
        found = await differences(doors, organization, held)
    assert len(doors) >= 2
    assert len(found) >= len(doors)


Revoke = Callable[[Mapping[str, grpc.aio.Channel], Tenant, Caller], Awaitable[object]]


async def _update(
    channels: Mapping[str, grpc.aio.Channel],
    organization: Tenant,
    caller: Caller,
    role: role_pb2.Role.ValueType,
) -> None:
    await MemberServiceStub(channels["tenancy"]).UpdateMember(
        UpdateMemberRequest(
            org_id=str(organization.org_id), user_id=str(caller.user_id), role=role
        ),
        metadata=organization.metadata,
    )


_lower = partial(_update, role=role_pb2.ROLE_VIEWER)


async def _remove(
    channels: Mapping[str, grpc.aio.Channel], organization: Tenant, caller: Caller
) -> None:
    await MemberServiceStub(channels["tenancy"]).RemoveMember(
        RemoveMemberRequest(org_id=str(organization.org_id), user_id=str(caller.user_id)),
        metadata=organization.metadata,
    )


async def _end_session(
    channels: Mapping[str, grpc.aio.Channel], organization: Tenant, caller: Caller
) -> None:
    del organization
    await log_out(channels, caller)


@pytest.mark.parametrize(
    ("revoke", "reason"),
    [(_lower, "role_too_low"), (_remove, "not_found"), (_end_session, "session_ended")],
)
async def test_a_lowered_right_is_refused_within_a_second(
    channels: Mapping[str, grpc.aio.Channel],
    session: ClientSession,
    registry: Registry,
    organization: Tenant,
    revoke: Revoke,
    reason: str,
) -> None:
    """At every way in, each of which has let the caller in before."""
    admin = await registry.join(organization.org_id, Role.ADMIN)
    doors = _admins_doors(session, channels)
    for door in doors:
        reply = await door.send(admin.access_token, request_about(door.rpc, organization))
        assert told(door.rpc.policy, reply.reason) == "", f"{door.name}: {reply}"
    await revoke(channels, organization, admin)
    revoked = time.monotonic()

    async def refused(door: Door) -> str:
        """Ask until refused; whatever was asked after a second must have been."""
        while True:
            asked = time.monotonic()
            reply = await door.send(admin.access_token, request_about(door.rpc, organization))
            if told(door.rpc.policy, reply.reason) or asked - revoked > REVOKED_SECONDS:
                return reply.reason

    assert set(await asyncio.gather(*map(refused, doors))) == {reason}


async def test_a_raised_right_is_good_at_once(
    channels: Mapping[str, grpc.aio.Channel],
    session: ClientSession,
    registry: Registry,
    organization: Tenant,
) -> None:
    """At every way in, each of which has refused the caller a moment ago."""
    member = await registry.join(organization.org_id, Role.VIEWER)
    doors = _admins_doors(session, channels)

    async def reason(door: Door) -> str:
        reply = await door.send(member.access_token, request_about(door.rpc, organization))
        return told(door.rpc.policy, reply.reason)

    assert set(await asyncio.gather(*map(reason, doors))) == {"role_too_low"}
    await _update(channels, organization, member, role_pb2.ROLE_ADMIN)
    assert set(await asyncio.gather(*map(reason, doors))) == {""}


def _admins_doors(session: ClientSession, channels: Mapping[str, grpc.aio.Channel]) -> list[Door]:
    """Return the ways in to what only admins may do."""
    doors: list[Door] = []
    for rpc in MEMBERS_RPCS:
        if rpc.policy.min_role is Role.ADMIN:
            doors += [*gateway_doors(rpc, session), *service_doors(rpc, channels.__getitem__)]
    return doors


async def test_a_weaker_policy_in_a_service_is_found(
    whole_system: System,
    organization: Tenant,
    tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control at a service: everything is for viewers, in this process alone."""
    monkeypatch.setattr("tenon_rpc.methods.read_policy", _changed(Role.VIEWER))
    async with whole_system.serving(REPORTS) as channel:
        doors = [
            door
            for rpc in MEMBERS_RPCS
            if rpc.services == ("reports",)
            for door in service_doors(rpc, lambda _: channel)
        ]
        found = await differences(doors, organization, tokens)
    assert len(found) == sum(door.rpc.policy.min_role - Role.VIEWER for door in doors)


async def test_a_stricter_policy_at_the_gateway_is_found(
    whole_system: System,
    organization: Tenant,
    tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control there. (A weaker one would show nothing: the services refuse too.)"""
    monkeypatch.setattr(policies, "read_policy", _changed(Role.OWNER))
    async with gateway_here(whole_system) as session:
        asked = [rpc for rpc in MEMBERS_RPCS if rpc.name not in GONE_AFTERWARDS]
        doors = [door for rpc in asked for door in gateway_doors(rpc, session)]
        found = await differences(doors, organization, tokens)
    assert len(found) == sum(Role.OWNER - door.rpc.policy.min_role for door in doors)


def _changed(min_role: Role) -> Callable[..., MethodPolicy]:
    read = policies.read_policy
    return lambda method: replace(read(method), min_role=min_role)

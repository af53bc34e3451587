"""A5: who may call what is as the protos say, at the gateway and at each service directly. The
requests hold nothing but ids that nobody made: a refusal comes before all validation.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest
from aiohttp import ClientSession, DummyCookieJar
from google.protobuf.message import Message

from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest, LogOutRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.tenancy.v1.member_service_pb2 import RemoveMemberRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_VIEWER
from tenon_embedded.ports import free_port
from tenon_gateway.app import Readiness
from tenon_gateway.app import running as running_gateway
from tenon_gateway.settings import GatewaySettings
from tenon_policy import policies
from tenon_policy.policies import Access, MethodPolicy, Role
from tenon_reports.app import APP as REPORTS
from tenon_rpc.tls import peer_name
from tenon_tenancy.app import APP as TENANCY
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import SERVICES, System
from tests.isolation.contract import Rpc, bare_request, put, rpcs
from tests.isolation.doors import Door, gateway_doors, service_doors
from tests.isolation.standing import (
    KEY_STANDINGS,
    STANDINGS,
    KeyStanding,
    Session,
    Standing,
    key_refusal,
    refusal,
    told,
)
from tests.isolation.worlds import Registry

EVERY_RPC = rpcs()
MEMBERS_RPCS = rpcs(Access.ORG)
PEERS = (*SERVICES, *(f"{service}-worker" for service in SERVICES), "gateway")
STRANGERS = ("worker", "gateway-worker", "gateways", "notifications-worker-worker")
"""Certificates of the system's own authority with names that no process of it has."""
REVOKED_SECONDS = 1.0
LOG_OUT = "SessionService.LogOut"
"""Anybody may; with a token it would end the session that the other requests need."""
DELETE_USER = "ErasureService.DeleteUser"
"""Whoever may is gone afterwards; its own tests let somebody in."""

Tokens = Mapping[Standing | KeyStanding, str | None]


@pytest.fixture(scope="session")
async def organization(callers: Callers) -> Tenant:
    return await callers.tenant()


@pytest.fixture(scope="session")
async def tokens(
    organization: Tenant,
    registry: Registry,
    callers: Callers,
    channels: Mapping[str, grpc.aio.Channel],
) -> Tokens:
    """Somebody of each standing in the organization."""
    found: dict[Standing | KeyStanding, str | None] = {}
    for standing in STANDINGS:
        caller = await callers.user()
        if standing.role is not Role.NONE:
            await registry.join(organization.org_id, standing.role, caller)
        if standing.session is Session.ENDED:
            await _log_out(channels, caller)
        found[standing] = caller.access_token if standing.session is not Session.NONE else None
    return found


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


async def _log_out(channels: Mapping[str, grpc.aio.Channel], caller: Caller) -> None:
    stub = SessionServiceStub(channels["auth"])
    await stub.LogOut(LogOutRequest(refresh_token=caller.refresh_token))


def request_about(rpc: Rpc, organization: Tenant) -> Message:
    """Return a request about the organization that means nothing otherwise."""
    message = bare_request(rpc)
    if "org_id" in rpc.method.input_type.fields_by_name:
        put(message, ("org_id",), str(organization.org_id))
    return message


async def differences(
    doors: Iterable[Door], organization: Tenant, tokens: Tokens, peer: str = "gateway"
) -> list[str]:
    """Return where what the doors do is not what the protos say."""
    found = []
    for door in doors:
        for standing, token in tokens.items():
            if door.rpc.name == DELETE_USER and _is_live(standing):
                continue
            said = _said(door.rpc.policy, standing, peer)
            sent = None if door.rpc.name == LOG_OUT else token
            reply = await door.send(sent, request_about(door.rpc, organization))
            done = told(door.rpc.policy, reply.reason)
            if done != said:
                found.append(f"{door.name} for {standing}: {said!r} by the protos, got {reply}")
    return found


def _is_live(standing: Standing | KeyStanding) -> bool:
    return isinstance(standing, Standing) and standing.session is Session.LIVE


def _said(policy: MethodPolicy, standing: Standing | KeyStanding, peer: str) -> str:
    if isinstance(standing, KeyStanding):
        return key_refusal(policy, standing, peer)
    return refusal(policy, standing, peer)


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


@pytest.mark.parametrize("peer", [*PEERS, *STRANGERS])
async def test_a_service_calls_what_names_it_and_nothing_else(
    whole_system: System, organization: Tenant, tokens: Tokens, peer: str
) -> None:
    """With its own certificate, and the token of an owner."""
    channels = {name: whole_system.channel(name, caller=peer) for name in SERVICES}
    doors = [
        door for rpc in rpcs(Access.SERVICE) for door in service_doors(rpc, channels.__getitem__)
    ]
    standing = Standing(Session.LIVE, Role.OWNER)
    owner: Tokens = {standing: tokens[standing]}
    assert await differences(doors, organization, owner, peer) == []
    for channel in channels.values():
        await channel.close(None)


async def test_a_service_that_takes_a_worker_for_its_server_is_found(
    whole_system: System,
    organization: Tenant,
    tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control: in this process alone, names are not told apart by their endings."""
    monkeypatch.setattr(
        "tenon_rpc.guard.peer_name", lambda context: peer_name(context).removesuffix("-worker")
    )
    standing = Standing(Session.LIVE, Role.OWNER)
    owner: Tokens = {standing: tokens[standing]}
    peer = "tenancy-worker"
    async with whole_system.serving(TENANCY, caller=peer) as channel:
        doors = [
            door
            for rpc in rpcs(Access.SERVICE)
            for door in service_doors(rpc, lambda _: channel)
            if door.name.startswith("tenancy: ")
        ]
        found = await differences(doors, organization, owner, peer)
    told_apart = [
        door
        for door in doors
        if door.rpc.policy.admits_peer("tenancy") != door.rpc.policy.admits_peer(peer)
    ]
    assert len(found) == len(told_apart) >= 3


async def test_nobody_gets_to_a_service_without_a_certificate(whole_system: System) -> None:
    authority = whole_system.servers.certificates.issue("gateway").ca.read_bytes()
    credentials = grpc.ssl_channel_credentials(root_certificates=authority)
    options = [("grpc.ssl_target_name_override", "auth")]
    at = f"127.0.0.1:{whole_system.ports['auth']}"
    async with grpc.aio.secure_channel(at, credentials, options=options) as channel:
        session = SessionServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await session.CheckSessions(CheckSessionsRequest(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


Revoke = Callable[[Mapping[str, grpc.aio.Channel], Tenant, Caller], Awaitable[object]]


async def _lower(
    channels: Mapping[str, grpc.aio.Channel], organization: Tenant, caller: Caller
) -> None:
    await MemberServiceStub(channels["tenancy"]).UpdateMember(
        UpdateMemberRequest(
            org_id=str(organization.org_id), user_id=str(caller.user_id), role=ROLE_VIEWER
        ),
        metadata=organization.metadata,
    )


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
    await _log_out(channels, caller)


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
    needs_admin = [rpc for rpc in MEMBERS_RPCS if rpc.policy.min_role is Role.ADMIN]
    doors: list[Door] = []
    for rpc in needs_admin:
        doors += [*gateway_doors(rpc, session), *service_doors(rpc, channels.__getitem__)]
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
        doors = [door for rpc in MEMBERS_RPCS for door in gateway_doors(rpc, session)]
        found = await differences(doors, organization, tokens)
    assert len(found) == sum(Role.OWNER - door.rpc.policy.min_role for door in doors)


def _changed(min_role: Role) -> Callable[..., MethodPolicy]:
    read = policies.read_policy
    return lambda method: replace(read(method), min_role=min_role)


@asynccontextmanager
async def gateway_here(system: System) -> AsyncIterator[ClientSession]:
    """Serve a gateway in this process."""
    values = system.values("gateway")
    url = f"http://127.0.0.1:{free_port()}"
    listen = {"listen": url.removeprefix("http://"), "public_url": url}
    settings = GatewaySettings.model_validate(
        {**values, **listen, "peers": json.loads(values["peers"])}
    )
    async with (
        running_gateway(settings, Readiness()),
        ClientSession(url, cookie_jar=DummyCookieJar()) as session,
    ):
        yield session

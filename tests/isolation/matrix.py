"""What doors do, compared with what the protos say."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import grpc
from aiohttp import ClientSession, DummyCookieJar
from google.protobuf.message import Message

from tenon.auth.v1.session_service_pb2 import LogOutRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_embedded.ports import free_port
from tenon_gateway.app import Readiness
from tenon_gateway.app import running as running_gateway
from tenon_gateway.settings import GatewaySettings
from tenon_policy.policies import MethodPolicy
from tenon_testing.callers import Caller, Tenant
from tenon_testing.system import System
from tests.isolation.contract import Rpc, bare_request, put
from tests.isolation.doors import Door
from tests.isolation.standing import (
    KeyStanding,
    Session,
    Standing,
    key_refusal,
    refusal,
    told,
)

LOG_OUT = "SessionService.LogOut"
"""Anybody may; with a token it would end the session that the other requests need."""
GONE_AFTERWARDS = frozenset({"ErasureService.DeleteUser", "MemberService.LeaveOrganization"})
"""Whoever may is; their own tests let somebody in."""

Tokens = Mapping[Standing | KeyStanding, str | None]


async def log_out(channels: Mapping[str, grpc.aio.Channel], caller: Caller) -> None:
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
            if door.rpc.name in GONE_AFTERWARDS and _is_live(standing):
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

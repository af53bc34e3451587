"""A5 of services: what is for them alone is for those whose certificates it names."""

import grpc
import pytest

from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_policy.policies import Access, Role
from tenon_rpc.tls import peer_name
from tenon_tenancy.app import APP as TENANCY
from tenon_testing.callers import Tenant
from tenon_testing.system import SERVICES, System
from tests.isolation.contract import rpcs
from tests.isolation.doors import service_doors
from tests.isolation.matrix import Tokens, differences
from tests.isolation.standing import (
    Session,
    Standing,
)

PEERS = (*SERVICES, *(f"{service}-worker" for service in SERVICES), "gateway")
STRANGERS = ("worker", "gateway-worker", "gateways", "notifications-worker-worker")
"""Certificates of the system's own authority with names that no process of it has."""


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

"""What asks for a recent log-in refuses an older one, at the gateway and at the service itself:
every RPC whose policy says so, taken from the descriptors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import grpc
import psycopg
import pytest
from aiohttp import ClientSession

from tenon.auth.v1.session_service_pb2 import RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_auth.app import APP
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tests.isolation.contract import rpcs
from tests.isolation.doors import Door, gateway_doors, service_doors
from tests.isolation.matrix import gateway_here, request_about

GUARDED = [rpc for rpc in rpcs() if rpc.policy.recent_auth]
REFUSED = "recent_auth_required"


@pytest.fixture(scope="module")
async def organization(callers: Callers) -> Tenant:
    """Of somebody who has just logged in; nobody else owns it, so they cannot be erased."""
    return await callers.tenant()


@pytest.fixture(scope="module")
async def old(
    callers: Callers,
    channels: Mapping[str, grpc.aio.Channel],
    admin: psycopg.AsyncConnection,
) -> Tenant:
    """The same of somebody who logged in eleven minutes ago, and has used the session since."""
    tenant = await callers.tenant()
    caller = tenant.owner
    await admin.execute(
        "UPDATE auth.sessions SET auth_time = now() - interval '11 minutes' WHERE id = %s",
        [caller.session_id],
    )
    request = RefreshSessionRequest(refresh_token=caller.refresh_token)
    reply = await SessionServiceStub(channels["auth"]).RefreshSession(request)
    return replace(tenant, owner=replace(caller, access_token=reply.tokens.access_token))


async def reasons(doors: Sequence[Door], organization: Tenant) -> dict[str, str]:
    """Return why an organization's owner is refused at each door, by its name."""
    token = organization.owner.access_token
    return {
        door.name: (await door.send(token, request_about(door.rpc, organization))).reason
        for door in doors
    }


def test_there_is_something_to_guard() -> None:
    assert len(GUARDED) >= 6


async def test_an_older_log_in_is_refused_everywhere(
    channels: Mapping[str, grpc.aio.Channel], session: ClientSession, old: Tenant
) -> None:
    doors: list[Door] = []
    for rpc in GUARDED:
        doors += gateway_doors(rpc, session)
        assert doors[-1].rpc == rpc, f"{rpc.name} has no route"
        doors += service_doors(rpc, channels.__getitem__)
    assert set((await reasons(doors, old)).values()) == {REFUSED}


async def test_a_recent_one_is_not(
    channels: Mapping[str, grpc.aio.Channel], session: ClientSession, organization: Tenant
) -> None:
    """The control: it is the age that is refused."""
    doors: list[Door] = []
    for rpc in GUARDED:
        doors += gateway_doors(rpc, session)
        doors += service_doors(rpc, channels.__getitem__)
    assert REFUSED not in (await reasons(doors, organization)).values()


async def test_a_service_that_does_not_ask_is_found(
    whole_system: System, old: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control at a service, which is behind no gateway here."""
    monkeypatch.setattr("tenon_rpc.guard.require_recent", lambda *_: None)
    async with whole_system.serving(APP) as channel:
        doors = [
            door
            for rpc in GUARDED
            if rpc.services == ("auth",)
            for door in service_doors(rpc, lambda _: channel)
        ]
        assert REFUSED not in (await reasons(doors, old)).values()


async def test_the_gateway_asks_by_itself(
    whole_system: System, organization: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not only the services behind it: to one that is stricter than they are, nothing is
    recent.
    """
    monkeypatch.setattr("tenon_policy.authorization.RECENT_SECONDS", -60)
    async with gateway_here(whole_system) as session:
        doors = [door for rpc in GUARDED for door in gateway_doors(rpc, session)]
        assert set((await reasons(doors, organization)).values()) == {REFUSED}

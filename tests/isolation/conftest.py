import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from random import Random
from typing import TypeAlias

import grpc
import psycopg
import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from tenon_policy.policies import Access, Role
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import SERVICES, System
from tenon_testing.waiting import eventually
from tests.isolation.contract import rpcs
from tests.isolation.doors import Door, gateway_doors, service_doors
from tests.isolation.matrix import Tokens, log_out
from tests.isolation.samples import request_of
from tests.isolation.standing import STANDINGS, KeyStanding, Session, Standing
from tests.isolation.worlds import Registry, World

LISTED = "page of "

NewWorld: TypeAlias = Callable[[], Awaitable[World]]


@pytest.fixture(scope="session")
def seed() -> int:
    """Return the number that makes a run what it is; TENON_SEED repeats one."""
    found = int(os.environ.get("TENON_SEED") or secrets.randbits(32))
    print(f"TENON_SEED={found}")  # noqa: T201 # so that a failure can be repeated
    return found


@pytest.fixture
def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 # repeatable, not secret


@pytest.fixture(scope="session")
async def channels(whole_system: System) -> AsyncIterator[Mapping[str, grpc.aio.Channel]]:
    """Every service past the gateway, with the gateway's certificate."""
    opened = {service: whole_system.channel(service) for service in SERVICES}
    yield opened
    for channel in opened.values():
        await channel.close(None)


@pytest.fixture(scope="session")
async def session(whole_system: System) -> AsyncIterator[ClientSession]:
    """The gateway, for clients that keep no cookies. They reuse no connection that the gateway may
    be closing at this moment: it closes those that are idle for 10 s.
    """
    connector = TCPConnector(keepalive_timeout=5)
    jar = DummyCookieJar()
    async with ClientSession(whole_system.url, cookie_jar=jar, connector=connector) as opened:
        yield opened


@pytest.fixture(scope="session")
async def admin(whole_system: System) -> AsyncIterator[psycopg.AsyncConnection]:
    """The database past all row level security."""
    url = whole_system.admin_url()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def registry(whole_system: System, callers: Callers, admin: psycopg.AsyncConnection) -> Registry:
    return Registry(whole_system, callers, admin)


@pytest.fixture(scope="session")
def doors(
    channels: Mapping[str, grpc.aio.Channel], session: ClientSession
) -> Mapping[str, list[Door]]:
    """Every way in to what members and users may call, the gateway's and the services' own."""
    attacked = rpcs(Access.ORG, Access.USER)
    return {
        "gateway": [door for rpc in attacked for door in gateway_doors(rpc, session)],
        "services": [door for rpc in attacked for door in service_doors(rpc, channels.__getitem__)],
    }


async def complete_world(
    registry: Registry,
    channels: Mapping[str, grpc.aio.Channel],
    doors: Mapping[str, list[Door]],
) -> World:
    """Make a world, and learn the token of the second page of each of its lists."""
    world = await registry.world(channels)
    for door in doors["services"]:
        if "page_token" in door.rpc.method.input_type.fields_by_name:
            world.names[LISTED + door.rpc.name] = await _second_page(door, world)
    return world


async def _second_page(door: Door, world: World) -> str:
    """Return the token; the audit log takes a moment to have two lines."""

    async def token() -> str:
        message = request_of(door.rpc, 0, world.names)
        message.page_size = 1  # type: ignore[attr-defined] # every list has it
        reply = await door.send(world.tenant.owner.access_token, message)
        assert not reply.reason, f"{door.name}: {reply.text}"
        found: str = json.loads(reply.text).get("nextPageToken", "")
        return found

    return await eventually(token, within=30)


@pytest.fixture(scope="session")
def new_world(
    registry: Registry,
    channels: Mapping[str, grpc.aio.Channel],
    doors: Mapping[str, list[Door]],
) -> NewWorld:
    return partial(complete_world, registry, channels, doors)


@pytest.fixture(scope="session")
async def victim(registry: Registry, new_world: NewWorld) -> World:
    """An organization that nobody may touch; it does nothing by itself any more."""
    world = await new_world()
    await registry.settled(world)
    return world


@pytest.fixture(scope="session")
async def own(new_world: NewWorld) -> World:
    """The attacker's own organization."""
    return await new_world()


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
            await log_out(channels, caller)
        found[standing] = caller.access_token if standing.session is not Session.NONE else None
    return found

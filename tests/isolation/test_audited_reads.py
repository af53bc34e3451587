"""One session that reads several organizations in a row: each log has its own reads."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import grpc
import psycopg
import pytest
from aiohttp import ClientSession
from psycopg.sql import SQL, Identifier

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_db.accesses import AccessKey
from tenon_policy.policies import Access, Role
from tenon_tenancy.app import APP as TENANCY
from tenon_testing.callers import Caller
from tenon_testing.system import SERVICES, System
from tests.isolation.contract import Rpc, rpcs
from tests.isolation.doors import Door, gateway_doors, service_doors
from tests.isolation.samples import request_of
from tests.isolation.worlds import Registry, World

NOTHING_THERE = {"OwnershipService.GetOwnershipOffer"}
"""What a new organization has nothing to answer for."""
READS = [
    rpc
    for rpc in rpcs(Access.ORG)
    if rpc.policy.audit and not rpc.policy.writes and rpc.name not in NOTHING_THERE
]
ORGANIZATIONS = 3


@pytest.fixture(scope="session")
async def worlds(registry: Registry, channels: Mapping[str, grpc.aio.Channel]) -> Sequence[World]:
    made = [await registry.world(channels) for _ in range(ORGANIZATIONS)]
    await asyncio.gather(*map(registry.settled, made))
    return made


async def join_all(registry: Registry, worlds: Sequence[World]) -> Caller:
    caller = await registry.callers.user()
    for world in worlds:
        await registry.join(world.org_id, Role.OWNER, caller)
    return caller


async def read_all(doors: Sequence[Door], caller: Caller, worlds: Sequence[World]) -> None:
    """Read through each door as the same caller, one organization right after the other."""
    for door in doors:
        for world in worlds:
            reply = await door.send(caller.access_token, request_of(door.rpc, 0, world.names))
            assert not reply.reason, f"{door.name}: {reply.text}"


async def recorded(admin: psycopg.AsyncConnection, world: World, caller: Caller) -> Counter[str]:
    """Return how often each action of a caller was published for an organization's log."""
    found: Counter[str] = Counter()
    for service in SERVICES:
        query = SQL("SELECT payload FROM {} WHERE org_id = %s AND type = %s").format(
            Identifier(service, "outbox")
        )
        rows = await admin.execute(query, [world.org_id, AccessRecorded.DESCRIPTOR.full_name])
        for (payload,) in await rows.fetchall():
            record = AccessRecorded.FromString(payload)
            if record.session_id == str(caller.session_id):
                found[record.action] += record.count
    return found


def one_door(rpc: Rpc, session: ClientSession, channels: Mapping[str, grpc.aio.Channel]) -> Door:
    """Return the route of an RPC, or the service itself where it has none."""
    found: Iterator[Door] = gateway_doors(rpc, session)
    return next(found, None) or next(service_doors(rpc, channels.__getitem__))


async def test_each_organization_has_its_own_reads(
    registry: Registry,
    admin: psycopg.AsyncConnection,
    session: ClientSession,
    channels: Mapping[str, grpc.aio.Channel],
    worlds: Sequence[World],
) -> None:
    caller = await join_all(registry, worlds)
    doors = [one_door(rpc, session, channels) for rpc in READS]
    await read_all(doors, caller, worlds)
    expected = Counter(str(door.rpc.policy.audit) for door in doors)
    for world in worlds:
        assert await recorded(admin, world, caller) == expected


async def test_reads_that_are_counted_by_session_alone_are_lost(
    whole_system: System,
    registry: Registry,
    admin: psycopg.AsyncConnection,
    worlds: Sequence[World],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control: without the organization in the key, the second log lacks reads."""
    caller = await join_all(registry, worlds)

    def without_organization(**parts: object) -> AccessKey:
        return AccessKey(**{**parts, "org_id": None})  # type: ignore[arg-type] # as it was

    monkeypatch.setattr("tenon_rpc.guard.AccessKey", without_organization)
    lists = [rpc for rpc in READS if rpc.services == ("tenancy",) and "List" in rpc.name]
    async with whole_system.serving(TENANCY) as channel:
        doors = [next(service_doors(rpc, lambda _: channel)) for rpc in lists]
        await read_all(doors, caller, worlds)
        expected = Counter(str(door.rpc.policy.audit) for door in doors)
        assert all([await recorded(admin, world, caller) != expected for world in worlds[1:]])

"""A service that is killed takes nothing along but its own routes, and comes back by itself."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio import Redis

from tenon_testing.waiting import eventually
from tests.faults.rig import OK, RECOVERY_SECONDS, UNAVAILABLE, Rig, User, kill


@contextmanager
def killed(rig: Rig, service: str) -> Iterator[None]:
    """Kill a service's process for the time of the block."""
    process = rig.system.start(service)
    kill(process)
    try:
        yield
    finally:
        process.start()


@pytest.fixture
async def redis(rig: Rig) -> AsyncIterator[Redis]:
    client = Redis.from_url(rig.system.servers.valkey.url())
    yield client
    await client.aclose()


def is_well(user: User, path: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return await user.status(path) == OK

    return ask


async def refusal(user: User, path: str) -> str:
    """Return the code of a refusal that says when to come back."""
    async with user.session.get(path) as reply:
        assert reply.status == UNAVAILABLE, await reply.text()
        assert reply.content_type == "application/problem+json"
        assert int(reply.headers["retry-after"]) > 0
        return str((await reply.json())["code"])


@pytest.mark.parametrize(
    ("service", "its", "others"),
    [
        ("reports", "{org}/datasets", ["/api/auth/session", "{org}/members"]),
        ("tenancy", "{org}/members", ["{org}/datasets"]),
        ("auth", "{org}/members", ["{org}/datasets", "/api/orgs"]),
    ],
)
async def test_only_its_own_routes_are_away(
    rig: Rig, user: User, service: str, its: str, others: list[str]
) -> None:
    its, *others = (path.format(org=user.org) for path in (its, *others))
    for path in (its, *others):
        assert await user.status(path) == OK
    with killed(rig, service):
        assert await refusal(user, f"{its}?page_size=3") == "unavailable"
        for path in others:
            assert await user.status(path) == OK, path
    back_at = time.monotonic()
    await eventually(is_well(user, f"{its}?page_size=4"), within=RECOVERY_SECONDS)
    assert time.monotonic() - back_at < RECOVERY_SECONDS


async def test_reads_go_on_without_redis_and_owners(rig: Rig, user: User) -> None:
    """And writes do not: by what was known a moment ago nobody may change anything."""
    path = f"{user.org}/datasets"
    assert await user.status(path) == OK
    for process in ("gateway", "reports"):
        rig.edges[process, "redis"].black_hole()
    with killed(rig, "auth"), killed(rig, "tenancy"):
        assert await user.status(f"{path}?page_size=5") == OK
        status, told = await user.send(
            "POST", path, json={"name": "refused", "dimensions": ["product"]}
        )
        assert (status, told["code"]) == (UNAVAILABLE, "unavailable")


async def test_reads_end_without_owners_where_redis_knows_of_a_change(
    rig: Rig, user: User, redis: Redis
) -> None:
    """A mark says that the grant is being changed: what was known before counts for nothing."""
    path = f"{user.org}/datasets"
    assert await user.status(path) == OK
    with killed(rig, "tenancy"):
        await redis.set(f"member:{user.org_id}:{user.user_id}", "?")
        assert await refusal(user, path) == "unavailable"
        rig.edges["gateway", "redis"].reset()
        assert await refusal(user, path) == "unavailable"

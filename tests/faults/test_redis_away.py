"""Redis away, black-holed, flushed and full: guesses stay bounded, nobody is let in who is out,
and reads go on.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tenon_embedded.valkey import MAX_BYTES
from tenon_testing.callers import PASSWORD
from tenon_testing.service_process import ServiceProcess
from tenon_testing.waiting import eventually
from tests.faults.rig import (
    OK,
    RECOVERY_SECONDS,
    UNAVAILABLE,
    Answers,
    Rig,
    User,
    kill,
    repeatedly,
)

AWAY_LIMIT = 5
"""Guesses that a gateway by itself lets through in a minute (`RATE_CLASSES`, `login`)."""
GUESSES = 100
READS = 0.99
REVOKED_SECONDS = 1.0
LIMITED = 429
NO_CONTENT = 204
UNAUTHENTICATED = 401
WRONG = {"email": "nobody@example.com", "password": "wrong " + PASSWORD}
FAULTS = ("away", "black hole", "flushed", "full")


@asynccontextmanager
async def faulty_redis(rig: Rig, fault: str) -> AsyncIterator[None]:
    """Let every process have this with Redis for the time of the block."""
    valkey = rig.system.servers.valkey
    redis = Redis.from_url(valkey.url())
    match fault:
        case "away":
            await asyncio.to_thread(kill, valkey)
        case "black hole":
            for (_, edge), proxy in rig.edges.items():
                if edge == "redis":
                    proxy.black_hole()
        case "flushed":
            await redis.flushall()
        case "full":
            await redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        if fault == "away":
            await asyncio.to_thread(valkey.start)
        await redis.config_set("maxmemory", str(MAX_BYTES))
        await redis.aclose()
        rig.heal()


@pytest.fixture
def guarded(rig: Rig) -> Iterator[ServiceProcess]:
    """A gateway whose limits are in force."""
    gateway = rig.system.replica("gateway", rate_limit_mode="enforce")
    yield gateway
    gateway.stop()


async def guess(gateway: ServiceProcess, times: int) -> Counter[int]:
    """Guess a password so often, many at once."""
    url = f"http://127.0.0.1:{gateway.listen_port}"

    async with aiohttp.ClientSession(url) as http:

        async def once() -> int:
            async with http.post("/api/auth/login", json=WRONG) as reply:
                return reply.status

        return Counter(await asyncio.gather(*(once() for _ in range(times))))


@pytest.mark.parametrize("fault", ["away", "black hole", "full"])
async def test_guesses_stay_bounded(rig: Rig, guarded: ServiceProcess, fault: str) -> None:
    async with faulty_redis(rig, fault):
        statuses = await guess(guarded, GUESSES)
    assert statuses[LIMITED] >= GUESSES - AWAY_LIMIT, statuses
    assert set(statuses) <= {401, LIMITED}, statuses


def reading(user: User, **options: Any) -> Callable[[], Awaitable[int]]:
    """Read past the gateway's cache."""
    pages = count()

    async def read() -> int:
        path = f"{user.org}/datasets?page_size={1 + next(pages) % 100}"
        return (await user.send("GET", path, **options))[0]

    return read


async def logged_out(user: User) -> Callable[[], Awaitable[int]]:
    """Log somebody out, and return how one reads with the token that they had."""
    headers = {"authorization": f"Bearer {user.access_token}"}
    assert (await user.send("POST", "/api/auth/logout"))[0] == NO_CONTENT
    return reading(user, headers=headers)


async def check_reads(rig: Rig, user: User, fault: str, seconds: float) -> Answers:
    """Read through a fault: one who may, and one who may not any more."""
    async with rig.user() as other:
        ask = reading(user)
        assert (await ask(), await other.status(f"{other.org}/datasets")) == (OK, OK)
        ask_out = await logged_out(other)
        until = time.monotonic() + REVOKED_SECONDS
        async with faulty_redis(rig, fault):
            answers = await repeatedly(ask, max(seconds, until - time.monotonic()))
            out = await repeatedly(ask_out, seconds)
        out_after = await repeatedly(ask_out, 1.0)
    assert out.good == out_after.good == 0, (out, out_after)
    assert answers.good >= READS * answers.count, answers
    return answers


@pytest.mark.parametrize("fault", FAULTS)
async def test_reads_go_on_and_nobody_who_is_out_reads(rig: Rig, user: User, fault: str) -> None:
    await check_reads(rig, user, fault, 1.0)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
async def test_reads_go_on_for_long(rig: Rig, user: User, fault: str) -> None:
    told = await check_reads(rig, user, fault, 20.0)
    print(fault, told)  # noqa: T201 # the figures


@pytest.mark.parametrize("fault", ["away", "full"])
async def test_a_log_out_without_redis_is_done_later(rig: Rig, user: User, fault: str) -> None:
    """It is not confirmed, since it has no effect yet; the browser forgets its cookies."""
    rig.system.start("auth", "worker")
    token = {"authorization": f"Bearer {user.access_token}"}
    async with faulty_redis(rig, fault):
        status, told = await user.send("POST", "/api/auth/logout")
        assert (status, told["code"]) == (UNAVAILABLE, "unavailable")
        assert (await user.send("GET", "/api/auth/session"))[0] == UNAUTHENTICATED

    async def is_logged_out() -> bool:
        status, told = await user.send("GET", "/api/auth/session", headers=token)
        return status == UNAUTHENTICATED and told["code"] == "session_ended"

    assert await eventually(is_logged_out, within=3 * RECOVERY_SECONDS)

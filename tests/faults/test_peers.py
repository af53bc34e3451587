"""Slow and broken peers: nobody waits for them longer than said, and all is well soon after."""

import asyncio
import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from tenon_testing.proxy import Proxy
from tenon_testing.waiting import eventually
from tests.faults.rig import (
    LATE_SECONDS,
    OK,
    RECOVERY_SECONDS,
    REQUEST_SECONDS,
    Answers,
    Rig,
    User,
    repeatedly,
)

LATENCY_SECONDS = 0.15
REFUSALS = {503, 504, 429}
READERS = 4

PATHS: dict[tuple[str, str], Callable[[User], str]] = {
    ("gateway", "auth"): lambda _: "/api/auth/session",
    ("gateway", "tenancy"): lambda user: f"{user.org}/members",
    ("gateway", "reports"): lambda user: f"{user.org}/datasets",
    ("gateway", "redis"): lambda user: f"{user.org}/datasets",
    ("reports", "tenancy"): lambda user: f"{user.org}/datasets",
    ("reports", "auth"): lambda user: f"{user.org}/datasets",
    ("reports", "redis"): lambda user: f"{user.org}/datasets",
    ("reports", "postgres"): lambda user: f"{user.org}/datasets",
    ("tenancy", "auth"): lambda user: f"{user.org}/members",
    ("tenancy", "postgres"): lambda user: f"{user.org}/members",
    ("auth", "postgres"): lambda _: "/api/auth/session",
}
FAULTS: dict[str, Callable[[Proxy], None]] = {
    "latency": lambda proxy: proxy.delay(LATENCY_SECONDS),
    "reset": Proxy.reset,
    "black hole": Proxy.black_hole,
}
QUICK = [
    (("gateway", "reports"), "reset"),
    (("gateway", "reports"), "black hole"),
    (("gateway", "redis"), "black hole"),
    (("reports", "redis"), "black hole"),
]
ALL = [(edge, fault) for edge in PATHS for fault in FAULTS]


async def read_a_while(user: User, path: str, seconds: float) -> Answers:
    """Read with several clients at once, past the gateway's cache."""
    asked = iter(range(10**9))

    def ask() -> "asyncio.Future[int]":
        return asyncio.ensure_future(user.status(f"{path}?page_size={1 + next(asked) % 100}"))

    together = Answers()
    for answers in await asyncio.gather(*(repeatedly(ask, seconds) for _ in range(READERS))):
        together.statuses += answers.statuses
        together.longest = max(together.longest, answers.longest)
    return together


async def check_edge(rig: Rig, user: User, edge: tuple[str, str], fault: str, long: float) -> str:
    path = PATHS[edge](user)
    redis = Redis.from_url(rig.system.servers.valkey.url())
    assert await user.status(path) == OK
    FAULTS[fault](rig.edges[edge])
    await redis.flushall()  # so that services ask each other
    answers = await read_a_while(user, path, long)
    rig.heal()
    healed_at = time.monotonic()

    async def well_again() -> bool:
        return [await user.status(path) for _ in range(5)] == [OK] * 5

    await eventually(well_again, within=RECOVERY_SECONDS)
    recovery = time.monotonic() - healed_at
    await redis.aclose()
    assert set(answers.statuses) <= {OK, *REFUSALS}, answers
    assert answers.longest <= REQUEST_SECONDS + LATE_SECONDS, answers
    if fault == "latency":
        assert set(answers.statuses) == {OK}, answers
    return f"{answers}, well again after {recovery:.2f} s"


@pytest.mark.parametrize(("edge", "fault"), QUICK, ids=str)
async def test_nobody_waits_past_the_deadline(
    rig: Rig, user: User, edge: tuple[str, str], fault: str
) -> None:
    await check_edge(rig, user, edge, fault, 1.5)


@pytest.mark.long
@pytest.mark.parametrize(("edge", "fault"), ALL, ids=str)
async def test_nobody_waits_past_the_deadline_on_any_edge(
    rig: Rig, user: User, edge: tuple[str, str], fault: str
) -> None:
    told = await check_edge(rig, user, edge, fault, 8.0)
    print(edge, fault, told)  # noqa: T201 # the figures

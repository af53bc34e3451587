"""Rate limits as clients meet them."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from services.gateway.tests.browsing import Gateway, Serve, bearer, problem
from tenon_gateway.metrics import RATE_LIMITED
from tenon_gateway.settings import BadSettings
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.servers import Servers

FEW = {"ip": {"count": 3, "seconds": 3_600}, "user": {"count": 3, "seconds": 3_600}}

pytestmark = pytest.mark.usefixtures("callers")  # auth and tenancy run


@pytest.fixture
async def own_redis(servers: Servers) -> AsyncIterator[str]:
    """A Redis database whose counters no other test has used."""
    url = servers.valkey.url(database=2)
    client = Redis.from_url(url)
    await client.flushdb()
    yield url
    await client.aclose()


async def guess(gateway: Gateway, count: int) -> list[int]:
    return [await guess_once(gateway) for _ in range(count)]


async def guess_once(gateway: Gateway, **headers: str) -> int:
    """Guess the password of an address that nobody guessed before: auth counts by these."""
    credentials = {"email": f"{uuid4()}@example.com", "password": "wrong"}
    path = "/api/auth/login"
    response = await gateway.client.post(path, json=credentials, headers=headers)
    return response.status


async def log_in(gateway: Gateway, email: str) -> int:
    credentials = {"email": email, "password": PASSWORD}
    return (await gateway.client.post("/api/auth/login", json=credentials)).status


def forwarded(number: int) -> dict[str, str]:
    return {"x-forwarded-for": f"192.0.2.{number}"}


async def test_guesses_are_bounded_and_told_when_to_come_back(serve: Serve, own_redis: str) -> None:
    async with serve(
        redis_url=own_redis, rate_limit_mode="enforce", rate_classes={"login": FEW}
    ) as gateway:
        assert await guess(gateway, 5) == [401] * 3 + [429] * 2
        credentials = {"email": f"{uuid4()}@example.com", "password": "wrong"}
        response = await gateway.client.post("/api/auth/login", json=credentials)
        assert (await problem(response))["code"] == "rate_limited"
        assert 0 < int(response.headers["retry-after"]) <= 1_200
        assert response.headers["ratelimit-policy"] == '"login-ip";q=3;w=3600'
        assert response.headers["ratelimit"].startswith('"login-ip";r=0;t=')


async def test_log_ins_that_succeed_do_not_count(
    serve: Serve, own_redis: str, callers: Callers
) -> None:
    async with serve(
        redis_url=own_redis, rate_limit_mode="enforce", rate_classes={"login": FEW}
    ) as gateway:
        email = (await callers.user()).email
        assert [await log_in(gateway, email) for _ in range(5)] == [200] * 5
        assert await guess(gateway, 3) == [401] * 3
        assert await log_in(gateway, email) == 429


async def test_log_ins_that_succeed_do_not_count_without_redis(
    serve: Serve, callers: Callers
) -> None:
    numbers = {"login": {**FEW, "away": {"count": 2, "seconds": 3_600}}}
    async with serve(
        redis_url="redis://127.0.0.1:1/0", rate_limit_mode="enforce", rate_classes=numbers
    ) as gateway:
        email = (await callers.user()).email
        assert [await log_in(gateway, email) for _ in range(4)] == [200] * 4
        assert await guess(gateway, 4) == [401] * 2 + [429] * 2


async def test_an_office_behind_one_address_logs_in(
    serve: Serve, own_redis: str, callers: Callers
) -> None:
    """B1: fifty people within a minute, of whom ten mistype their password first."""
    people = [await callers.user() for _ in range(50)]
    at_once = asyncio.Semaphore(8)
    async with serve(redis_url=own_redis, rate_limit_mode="enforce") as gateway:

        async def arrive(number: int) -> list[int]:
            wrong = [await guess_once(gateway)] if number < 10 else []
            return [*wrong, await log_in(gateway, people[number].email)]

        async def come(number: int) -> list[int]:
            async with at_once:
                return await arrive(number)

        async with asyncio.timeout(60):
            seen = await asyncio.gather(*map(come, range(50)))
        assert seen == [[401, 200]] * 10 + [[200]] * 40


async def refresh(gateway: Gateway, headers: dict[str, str]) -> int:
    response = await gateway.client.post("/api/auth/refresh", headers=headers)
    return response.status


def unknown_session(gateway: Gateway) -> dict[str, str]:
    cookie = f"tenon_refresh_{gateway.port}={uuid4().hex}"
    return {"cookie": cookie, "sec-fetch-site": "same-origin"}


async def test_refreshes_count_by_session_and_not_by_address(
    serve: Serve, own_redis: str, callers: Callers
) -> None:
    numbers = {"refresh": {**FEW, "session": {"count": 3, "seconds": 3_600}}}
    async with serve(
        redis_url=own_redis, rate_limit_mode="enforce", rate_classes=numbers
    ) as gateway:
        browsers = [gateway.cookies(await callers.user()) for _ in range(3)]
        for headers in browsers:
            told = [await refresh(gateway, headers) for _ in range(5)]
            assert told == [200] * 3 + [429] * 2


async def test_refreshes_that_fail_count_by_address(serve: Serve, own_redis: str) -> None:
    async with serve(
        redis_url=own_redis, rate_limit_mode="enforce", rate_classes={"refresh": FEW}
    ) as gateway:
        told = [await refresh(gateway, unknown_session(gateway)) for _ in range(5)]
        assert told == [401] * 3 + [429] * 2


@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:1/0"])
async def test_log_outs_are_never_limited(serve: Serve, own_redis: str, redis_url: str) -> None:
    async with serve(redis_url=redis_url or own_redis, rate_limit_mode="enforce") as gateway:
        told = {(await gateway.client.post("/api/auth/logout")).status for _ in range(200)}
        assert told == {204}


async def test_users_are_counted_apart(serve: Serve, own_redis: str, callers: Callers) -> None:
    busy, other = await callers.user(), await callers.user()
    async with serve(
        redis_url=own_redis, rate_limit_mode="enforce", rate_classes={"read": FEW}
    ) as gateway:
        asked = [busy] * 5 + [other]
        responses = [await gateway.client.get("/api/orgs", headers=bearer(one)) for one in asked]
        assert [response.status for response in responses] == [200] * 3 + [429] * 2 + [200]


async def test_a_forwarded_address_is_not_believed(serve: Serve, own_redis: str) -> None:
    async with serve(
        redis_url=own_redis, rate_limit_mode="enforce", rate_classes={"login": FEW}
    ) as gateway:
        told = [await guess_once(gateway, **forwarded(number)) for number in range(5)]
        assert told == [401] * 3 + [429] * 2


async def test_a_trusted_proxys_word_on_the_address_is_taken(serve: Serve, own_redis: str) -> None:
    async with serve(
        redis_url=own_redis,
        rate_limit_mode="enforce",
        rate_classes={"login": FEW},
        trusted_proxies=["127.0.0.1"],
    ) as gateway:
        told = [await guess_once(gateway, **forwarded(number)) for number in range(5)]
        assert told == [401] * 5


async def test_shadow_counts_and_refuses_nothing(serve: Serve, own_redis: str) -> None:
    counted = RATE_LIMITED.labels("login", "shadow")
    before = counted._value.get()
    async with serve(
        redis_url=own_redis, rate_limit_mode="shadow", rate_classes={"login": FEW}
    ) as gateway:
        assert await guess(gateway, 5) == [401] * 5
    assert counted._value.get() == before + 2


async def test_without_redis_guesses_are_bounded_more_strictly(serve: Serve) -> None:
    numbers = {"login": {**FEW, "away": {"count": 2, "seconds": 3_600}}}
    async with serve(
        redis_url="redis://127.0.0.1:1/0", rate_limit_mode="enforce", rate_classes=numbers
    ) as gateway:
        assert await guess(gateway, 4) == [401] * 2 + [429] * 2


async def test_without_redis_everything_else_is_open(serve: Serve, callers: Callers) -> None:
    caller = await callers.user()
    async with serve(
        redis_url="redis://127.0.0.1:1/0", rate_limit_mode="enforce", rate_classes={"read": FEW}
    ) as gateway:
        for _ in range(5):
            response = await gateway.client.get("/api/orgs", headers=bearer(caller))
            assert response.status == 200


async def test_a_class_that_forgets_users_stops_the_start(serve: Serve) -> None:
    """A user's own route would have no limit at all."""
    numbers = {"write": {"ip": {"count": 3, "seconds": 60}}}
    with pytest.raises(BadSettings, match="write needs numbers for users"):
        async with serve(rate_classes=numbers):
            pass

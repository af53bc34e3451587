"""What a service does to the versions of tags, against a real Valkey."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from tenon_policy.tags import MARK, Tags, is_mark, tag_key
from tenon_rpc.redis_client import open_redis
from tenon_testing.proxy import Proxy
from tenon_testing.servers import Servers
from tenon_testing.waiting import eventually


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    redis = Redis.from_url(servers.valkey.url())
    yield redis
    await redis.aclose()


async def is_marked(redis: Redis, tag: str) -> bool:
    version = await redis.get(tag_key(tag))
    return isinstance(version, bytes) and is_mark(version)


@pytest.fixture
def tag() -> str:
    return f"orgs/{uuid4()}"


async def test_a_tag_is_marked_while_somebody_writes_and_has_a_new_version_then(
    redis: Redis, tag: str
) -> None:
    await redis.set(tag_key(tag), "old")
    async with Tags(redis).written([tag]):
        assert await is_marked(redis, tag)
    assert not await is_marked(redis, tag)
    assert await redis.get(tag_key(tag)) != b"old"


async def test_a_write_that_fails_leaves_no_mark(redis: Redis, tag: str) -> None:
    with pytest.raises(LookupError):
        async with Tags(redis).written([tag]):
            raise LookupError
    assert not await is_marked(redis, tag)


async def test_who_is_done_leaves_the_mark_of_who_still_writes(redis: Redis, tag: str) -> None:
    tags = Tags(redis)
    first, second = f"{MARK}first", f"{MARK}second"
    for mark in (first, second):
        await tags.mark([tag], mark)
    await tags.renew([tag], first)
    assert await is_marked(redis, tag)
    await tags.renew([tag], second)
    assert not await is_marked(redis, tag)


async def test_a_write_without_redis_is_made_up_for(
    servers: Servers, redis: Redis, tag: str
) -> None:
    await redis.set(tag_key(tag), "old")
    proxy = Proxy(servers.valkey.port)
    url = servers.valkey.url().replace(f":{servers.valkey.port}/", f":{proxy.port}/")
    broken = open_redis(url)

    async def is_renewed() -> bool:
        return await redis.get(tag_key(tag)) != b"old"

    proxy.reset()
    async with Tags(broken).written([tag]):
        pass
    assert not await is_renewed()
    proxy.heal()
    assert await eventually(is_renewed)
    await broken.aclose(close_connection_pool=True)
    proxy.close()

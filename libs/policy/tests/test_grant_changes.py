from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from tenon_core.errors import Unavailable
from tenon_embedded.ports import free_port
from tenon_policy.grants import GrantChanges, MemberKey, read_level
from tenon_policy.policies import Role
from tenon_testing.servers import Servers


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    redis = Redis.from_url(servers.valkey.url())
    yield redis
    await redis.aclose()


async def test_a_marked_grant_is_asked_of_its_owner_until_it_is_settled(redis: Redis) -> None:
    changes, key = GrantChanges(redis), MemberKey(uuid4(), uuid4())
    mark = await changes.mark(key)
    assert read_level(await redis.get(str(key))) is None
    await changes.settle({key: Role.ADMIN}, mark)
    assert read_level(await redis.get(str(key))) == Role.ADMIN


async def test_a_late_settlement_overwrites_no_later_change(redis: Redis) -> None:
    changes, key = GrantChanges(redis), MemberKey(uuid4(), uuid4())
    raised = await changes.mark(key)
    removed = await changes.mark(key)
    await changes.settle({key: Role.ADMIN}, raised)
    assert read_level(await redis.get(str(key))) is None
    await changes.settle({key: Role.NONE}, removed)
    await changes.settle({key: Role.ADMIN}, raised)
    assert read_level(await redis.get(str(key))) == Role.NONE


async def test_a_change_that_cannot_be_marked_fails() -> None:
    redis = Redis(port=free_port())
    with pytest.raises(Unavailable):
        await GrantChanges(redis).mark(MemberKey(uuid4(), uuid4()))
    await redis.aclose()

from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from tenon_core.errors import Unavailable
from tenon_embedded.ports import free_port
from tenon_policy.demands import Demands
from tenon_policy.grants import GrantChanges, Grants, MemberKey, read_level
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


async def test_a_lost_mark_sends_everybody_to_the_owner(redis: Redis) -> None:
    changes, key = GrantChanges(redis), MemberKey(uuid4(), uuid4())
    mark = await changes.mark(key)
    await redis.delete(str(key))  # flushed
    await changes.settle({key: Role.NONE}, mark)
    assert await redis.exists(str(key))
    assert read_level(await redis.get(str(key))) is None


async def test_what_a_reader_put_back_after_a_lost_mark_is_taken_away(redis: Redis) -> None:
    changes, key = GrantChanges(redis), MemberKey(uuid4(), uuid4())
    run = await run_of(redis)
    mark = await changes.mark(key)
    await redis.delete(str(key))
    await readers(redis).remember({key: Role.ADMIN}, run)
    assert read_level(await redis.get(str(key)), run) == Role.ADMIN
    await changes.settle({key: Role.NONE}, mark)
    assert read_level(await redis.get(str(key))) is None


async def test_an_answer_of_before_a_restart_of_redis_is_not_kept(redis: Redis) -> None:
    key = MemberKey(uuid4(), uuid4())
    await readers(redis).remember({key: Role.ADMIN}, "0123abcd")
    assert await redis.get(str(key)) is None


async def test_a_copy_of_another_run_of_redis_is_replaced(redis: Redis) -> None:
    key, run = MemberKey(uuid4(), uuid4()), await run_of(redis)
    await redis.set(str(key), "4@0123abcd")
    await readers(redis).remember({key: Role.VIEWER}, run)
    assert read_level(await redis.get(str(key)), run) == Role.VIEWER


async def run_of(redis: Redis) -> str:
    run: str = (await redis.info("server"))["run_id"]
    return run[:8]


def readers(redis: Redis) -> Grants:
    return Grants(redis, sessions=Owner(), members=Owner())


class Owner:
    """One who is not asked here."""

    async def live_sessions(self, session_ids: Sequence[UUID]) -> Collection[UUID]:
        raise AssertionError(session_ids)

    async def roles(self, members: Sequence[MemberKey]) -> Sequence[Role]:
        raise AssertionError(members)

    async def demands(self, org_ids: Sequence[UUID]) -> Sequence[Demands]:
        raise AssertionError(org_ids)

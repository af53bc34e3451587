"""The gate against a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from tenon_gateway.metrics import GATE_BATCH
from tenon_gateway.pipeline.gate import MAX_BATCH, Gate, Question, RedisAway
from tenon_gateway.pipeline.limits import Limit, Rule
from tenon_gateway.settings import Rate
from tenon_policy.grants import MemberKey, SessionKey
from tenon_policy.tags import Tags, tag_key
from tenon_testing.servers import Servers
from tenon_testing.waiting import eventually

SLOW = Rule.of("slow", Rate(count=5, seconds=3_600))
WIDE = Rule.of("wide", Rate(count=100_000, seconds=60))


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.valkey.url(database=1))
    yield client
    await client.aclose()


def somebodys(rule: Rule) -> Limit:
    return Limit(rule, f"limit:{rule.name}:{uuid4()}")


def a_member() -> MemberKey:
    return MemberKey(uuid4(), uuid4())


async def hot(redis: Redis, level: int) -> str:
    """Write a level as a hot copy of this run of Redis."""
    run: str = (await redis.info("server"))["run_id"]
    return f"{level}@{run[:8]}"


async def test_lets_exactly_the_count_in_and_charges_no_refusal(redis: Redis) -> None:
    gate, limit = Gate(redis), somebodys(SLOW)
    waits = [(await gate.ask(Question([limit]))).wait_us for _ in range(12)]
    assert [wait == 0 for wait in waits] == [True] * 5 + [False] * 7
    assert all(0 < wait <= SLOW.interval_us for wait in waits[5:])


async def test_lets_exactly_the_count_of_one_turn_in(redis: Redis) -> None:
    gate, limit = Gate(redis), somebodys(SLOW)
    answers = await asyncio.gather(*(gate.ask(Question([limit])) for _ in range(50)))
    assert sum(answer.wait_us == 0 for answer in answers) == 5


async def test_lets_the_next_one_in_when_its_interval_is_over(redis: Redis) -> None:
    quick = Rule.of("quick", Rate(count=20, seconds=1))
    gate, limit = Gate(redis), somebodys(quick)
    await asyncio.gather(*(gate.ask(Question([limit])) for _ in range(20)))

    async def is_let_in() -> bool:
        return (await gate.ask(Question([limit]))).wait_us == 0

    started = asyncio.get_running_loop().time()
    await eventually(is_let_in)
    assert asyncio.get_running_loop().time() - started < 1


async def test_checks_a_limit_without_charging_it(redis: Redis) -> None:
    gate, limit = Gate(redis), somebodys(SLOW)
    checked = limit._replace(charged=False)
    assert {(await gate.ask(Question([checked]))).wait_us for _ in range(12)} == {0}
    await asyncio.gather(*(gate.ask(Question([limit])) for _ in range(5)))
    assert (await gate.ask(Question([checked]))).wait_us > 0


async def test_answers_a_request_without_limits(redis: Redis) -> None:
    gate = Gate(redis)
    assert (await gate.ask(Question([]))).wait_us == 0
    assert not gate.is_away


async def test_charges_all_limits_or_none(redis: Redis) -> None:
    gate, full, other = Gate(redis), somebodys(SLOW), somebodys(SLOW)
    await asyncio.gather(*(gate.ask(Question([full])) for _ in range(5)))
    refused = await gate.ask(Question([other, full]))
    assert refused.wait_us > 0
    assert (await gate.ask(Question([other]))).backlogs[0][1] == SLOW.interval_us


async def test_counters_are_forgotten_once_they_are_empty(redis: Redis) -> None:
    gate, limit = Gate(redis), somebodys(SLOW)
    await gate.ask(Question([limit]))
    assert 0 < await redis.pttl(limit.key) <= SLOW.interval_us // 1_000


async def test_questions_of_one_turn_share_a_round_trip(redis: Redis) -> None:
    gate = Gate(redis)
    await gate.ask(Question([somebodys(WIDE)]))
    before = await _calls(redis)
    await asyncio.gather(*(gate.ask(Question([somebodys(WIDE)])) for _ in range(MAX_BATCH)))
    assert await _calls(redis) - before == 1
    assert _sum(GATE_BATCH) >= MAX_BATCH


async def test_more_questions_than_a_script_takes_are_all_answered(redis: Redis) -> None:
    gate, session = Gate(redis), SessionKey(uuid4())
    await redis.set(str(session), await hot(redis, 1))
    questions = [
        Question([somebodys(WIDE), somebodys(WIDE)], [session, a_member()])
        for _ in range(2 * MAX_BATCH + 7)
    ]
    answers = await asyncio.gather(*map(gate.ask, questions))
    assert all(answer.wait_us == 0 and answer.levels[session] == 1 for answer in answers)


async def test_reads_grants_and_says_when_the_owner_must_be_asked(redis: Redis) -> None:
    live, marked, unknown, admin = SessionKey(uuid4()), SessionKey(uuid4()), a_member(), a_member()
    grants = {str(live): await hot(redis, 1), str(admin): await hot(redis, 3)}
    await redis.mset(grants | {str(marked): "?"})
    answer = await Gate(redis).ask(Question([], [live, marked, unknown, admin]))
    assert answer.levels == {live: 1, marked: None, unknown: None, admin: 3}


async def test_an_organization_pays_for_its_members_alone(redis: Redis) -> None:
    gate, member, stranger, removed = Gate(redis), a_member(), a_member(), a_member()
    await redis.mset({str(member): await hot(redis, 1), str(removed): await hot(redis, 0)})
    key = f"limit:org:{uuid4()}"
    for key_of, charged in ((stranger, 0), (removed, 0), (member, 1)):
        answer = await gate.ask(Question([Limit(SLOW, key, key_of)], [key_of]))
        assert len(answer.backlogs) == charged
        assert await redis.exists(key) == charged


async def test_a_stranger_is_not_refused_by_an_organizations_limit(redis: Redis) -> None:
    gate, member, stranger, key = Gate(redis), a_member(), a_member(), f"limit:org:{uuid4()}"
    await redis.set(str(member), await hot(redis, 1))
    for _ in range(6):
        full = await gate.ask(Question([Limit(SLOW, key, member)], [member]))
    assert full.wait_us > 0
    assert (await gate.ask(Question([Limit(SLOW, key, stranger)], [stranger]))).wait_us == 0


async def test_a_tag_without_a_version_gets_one_that_stays(redis: Redis) -> None:
    gate, tag = Gate(redis), f"users/{uuid4()}"
    first = await gate.ask(Question([], tags=[tag]))
    assert (await gate.ask(Question([], tags=[tag]))).versions == first.versions
    assert first.versions is not None
    assert await redis.get(tag_key(tag)) in first.versions


async def test_while_somebody_writes_a_tag_has_no_version(redis: Redis) -> None:
    gate, tag = Gate(redis), f"orgs/{uuid4()}"
    async with Tags(redis).written([tag]):
        assert (await gate.ask(Question([], tags=[tag]))).versions is None
    assert (await gate.ask(Question([], tags=[tag]))).versions


async def test_goes_on_after_redis_has_forgotten_the_script(redis: Redis) -> None:
    gate = Gate(redis)
    await gate.ask(Question([somebodys(WIDE)]))
    await redis.script_flush()
    assert (await gate.ask(Question([somebodys(WIDE)]))).wait_us == 0


async def test_says_that_redis_is_away_and_finds_it_again(servers: Servers) -> None:
    there = servers.valkey.url(database=1)
    away = Redis.from_url("redis://127.0.0.1:1/0")
    gate = Gate(away)
    with pytest.raises(RedisAway):
        await gate.ask(Question([somebodys(WIDE)]))
    assert _is_away(gate)
    gate._redis = Redis.from_url(there)

    async def is_back() -> bool:
        try:
            await gate.ask(Question([somebodys(WIDE)]))
        except RedisAway:
            return False
        return True

    assert await eventually(is_back)
    assert not _is_away(gate)
    await away.aclose()
    await gate._redis.aclose()


def _is_away(gate: Gate) -> bool:
    return gate.is_away


async def _calls(redis: Redis) -> int:
    stats = await redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


def _sum(histogram: object) -> float:
    return float(histogram._sum.get())  # type: ignore[attr-defined] # prometheus has no reader


async def test_what_another_run_of_redis_left_is_not_believed(redis: Redis) -> None:
    session = SessionKey(uuid4())
    await redis.set(str(session), "1@0123abcd")
    answer = await Gate(redis).ask(Question([], [session]))
    assert answer.levels == {session: None}

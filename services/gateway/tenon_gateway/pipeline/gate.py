"""The gate: one round trip to Redis for all requests of a turn of the event loop.

It answers rate limits, the hot copies of sessions and memberships, and the versions of cache
tags, by one script (gate.lua).
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from tenon_gateway.metrics import GATE_BATCH, REDIS_AWAY
from tenon_gateway.pipeline.limits import Limit
from tenon_policy.grants import GrantKey, read_level
from tenon_policy.tags import TAG_SECONDS, is_mark, new_version, tag_key

SCRIPT = files("tenon_gateway.pipeline").joinpath("gate.lua").read_text()
SCRIPT_HASH = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
MAX_BATCH = 256
"""Requests in one script: its keys go over Lua's stack, which holds 8,000."""
TIMEOUT_SECONDS = 0.5
AWAY_SECONDS = 1.0
"""How long Redis is left alone after it has failed to answer."""

log = structlog.get_logger()


class RedisAway(Exception):
    """Redis does not answer, or not in time."""


class Question(NamedTuple):
    """What one request wants to know: limits to be charged, grants and tags to be read."""

    limits: Sequence[Limit]
    grants: Sequence[GrantKey] = ()
    tags: Sequence[str] = ()


class Answer(NamedTuple):
    """What Redis said.

    `wait_us` is 0 for a request within its limits; else it says when to come back, and nothing
    was charged. `backlogs` has what the limits that applied have to work off, in microseconds.
    A grant's level is None if its owner must be asked. `versions` are those of the tags in this run
    of Redis, for what an earlier run has left may lack its last second; None while somebody writes.
    """

    wait_us: int
    backlogs: Sequence[tuple[Limit, int]]
    levels: Mapping[GrantKey, int | None]
    versions: Sequence[bytes] | None


class _Batch:
    """Questions as keys and arguments of the script; what several ask is asked once."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions
        self._limits = {limit.key: limit for question in questions for limit in question.limits}
        grants = dict.fromkeys(key for question in questions for key in question.grants)
        tags = dict.fromkeys(tag for question in questions for tag in question.tags)
        self.keys = [*self._limits, *map(str, grants), *map(tag_key, tags)]
        self._places = {name: i for i, name in enumerate([*self._limits, *grants, *tags])}
        self._head = (len(self._limits), len(grants), new_version(), TAG_SECONDS)

    def arguments(self) -> list[str | int]:
        arguments: list[str | int] = [*self._head]
        for limit in self._limits.values():
            arguments += (limit.rule.interval_us, limit.rule.capacity_us)
        for question in self._questions:
            arguments.append(len(question.limits))
            for limit in question.limits:
                grant = limit.grant and self._places[limit.grant] + 1
                arguments += (self._places[limit.key] + 1, grant or 0, int(limit.charged))
        return arguments

    def answers(self, reply: Sequence[Any]) -> list[Answer]:
        waits = reply[: len(self._questions)]
        values, run = reply[len(self._questions) : -1], run_of(reply)
        return [
            self._answer(question, wait, values, run)
            for question, wait in zip(self._questions, waits, strict=True)
        ]

    def _answer(self, question: Question, wait: int, values: Sequence[Any], run: str) -> Answer:
        places = self._places
        levels = {key: read_level(values[places[key]], run) for key in question.grants}
        backlogs = [
            (limit, values[places[limit.key]])
            for limit in question.limits
            if limit.grant is None or levels[limit.grant]
        ]
        versions = [values[places[tag]] for tag in question.tags]
        if any(map(is_mark, versions)):
            return Answer(wait, backlogs, levels, None)
        return Answer(wait, backlogs, levels, [run.encode(), *versions])


def run_of(reply: Sequence[Any]) -> str:
    """Return which run of Redis a reply of the script is from."""
    run: bytes = reply[-1]
    return run.decode()


class Gate:
    """Asks Redis on behalf of requests; those that ask in the same turn share one script."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._batches: set[asyncio.Task[None]] = set()
        self._retry_at = 0.0
        self.is_away = False
        self._run = ""

    @property
    def run(self) -> str | None:
        """The run of Redis that answered last; None while it is away."""
        return None if self.is_away else self._run

    async def ask(self, question: Question) -> Answer:
        """Charge the limits and read the rest; RedisAway."""
        if self.is_away and not self._may_retry():
            raise RedisAway
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        return await future

    def _may_retry(self) -> bool:
        """Let one request try Redis again, every second."""
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + AWAY_SECONDS
        return True

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), MAX_BATCH):
            batch = waiting[first : first + MAX_BATCH]
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _answer(self, asked: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        GATE_BATCH.observe(len(asked))
        try:
            answers = await self._answers([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 # handed to those who wait
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _answers(self, questions: Sequence[Question]) -> Sequence[Answer]:
        batch = _Batch(questions)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reply = await self._execute(batch)
        except (RedisError, OSError, TimeoutError) as error:
            self._set_away(True, error)
            raise RedisAway from error
        self._set_away(False)
        self._run = run_of(reply)
        return batch.answers(reply)

    async def _execute(self, batch: _Batch) -> Sequence[Any]:
        arguments = [*batch.keys, *batch.arguments()]
        reply: Sequence[Any]
        try:
            reply = await self._redis.evalsha(SCRIPT_HASH, len(batch.keys), *arguments)
        except NoScriptError:  # a fresh or flushed Redis; EVAL also makes it known
            reply = await self._redis.eval(SCRIPT, len(batch.keys), *arguments)
        return reply

    def _set_away(self, away: bool, error: Exception | None = None) -> None:
        if away:
            self._retry_at = time.monotonic() + AWAY_SECONDS
        if away == self.is_away:
            return
        self.is_away = away
        REDIS_AWAY.set(away)
        if away:
            log.error("redis is away: most rate limits are open", error=repr(error))
        else:
            log.info("redis is back")

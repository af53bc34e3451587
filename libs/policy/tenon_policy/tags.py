"""Versions of what caches depend on: a tag's new version makes everything under it stale.

Versions are random, so that an evicted tag that comes back revives nothing. While somebody writes,
a tag has a mark `?…` in place of its version, and nothing under it is taken from a cache: so
whoever dies between commit and renewal leaves no stale reply behind.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

TAG_SECONDS = 24 * 3_600
MARK = "?"
MARK_SECONDS = 3_600
"""Longer than any call that writes; what is left of one that died costs the cache that long."""
REDIS_TIMEOUT_SECONDS = 0.5
AWAY_SECONDS = 1.0
"""How long Redis is left alone after it has failed to answer."""

# ARGV: the caller's own mark. Another caller's mark is theirs to remove.
# The next reader gives a tag without a version a new one. So tags that nobody reads take no memory.
RENEW = f"""
for _, key in ipairs(KEYS) do
  local found = redis.call('GET', key)
  if found and (found == ARGV[1] or found:sub(1, 1) ~= '{MARK}') then
    redis.call('DEL', key)
  end
end
"""

log = structlog.get_logger()


def tag_key(tag: str) -> str:
    return f"tag:{tag}"


def new_version() -> str:
    return secrets.token_urlsafe(9)


def is_mark(version: bytes) -> bool:
    """Say whether somebody writes to what has this version."""
    return version.startswith(MARK.encode())


def expand(templates: Iterable[str], values: Mapping[str, object]) -> list[str]:
    """Fill `users/{user_id}` and the like; KeyError names what is missing."""
    return [template.format_map(values) for template in templates]


class Tags:
    """What a service does to the versions when it writes.

    A write goes on without Redis. What could not be renewed then is renewed once Redis answers.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._retry_at = 0.0
        self._owed: set[tuple[str, str]] = set()
        self._paying: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def written(self, tags: Sequence[str]) -> AsyncIterator[None]:
        """Keep caches from answering for these tags in the body; afterwards they are renewed."""
        mark = MARK + new_version()
        try:
            await self.mark(tags, mark)
            yield
        finally:
            # Also when the caller has gone meanwhile: what is committed makes caches stale.
            await asyncio.shield(self.renew(tags, mark))

    async def mark(self, tags: Sequence[str], mark: str) -> None:
        """Call before the commit, with a mark of the caller's own."""

        async def set_marks() -> None:
            async with self._redis.pipeline(transaction=False) as pipe:
                for tag in tags:
                    pipe.set(tag_key(tag), mark, ex=MARK_SECONDS)
                await pipe.execute()

        await self._do(set_marks)

    async def renew(self, tags: Sequence[str], mark: str) -> None:
        """Remove each tag's version, so that the next reader gives it a new one; call after the
        commit and before the reply.
        """
        keys = [tag_key(tag) for tag in tags]

        async def renew_all() -> None:
            await self._redis.eval(RENEW, len(keys), *keys, mark)

        if not await self._do(renew_all):
            self._owe(tags, mark)

    async def _do(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Say whether Redis did it."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await work()
        except (RedisError, OSError, TimeoutError) as error:
            self._retry_at = time.monotonic() + AWAY_SECONDS
            log.warning("redis does not answer; caches may be stale", error=repr(error))
            return False
        return True

    def _owe(self, tags: Sequence[str], mark: str) -> None:
        self._owed.update((tag, mark) for tag in tags)
        if self._paying is None or self._paying.done():
            self._paying = asyncio.create_task(self._pay())

    async def _pay(self) -> None:
        while self._owed:
            await asyncio.sleep(AWAY_SECONDS)
            owed, self._owed = self._owed, set()
            for tag, mark in owed:
                await self.renew([tag], mark)

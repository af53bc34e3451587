"""Versions of what caches depend on: a tag's new version makes everything under it stale.

Versions are random, so that an evicted tag that comes back revives nothing.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

TAG_SECONDS = 24 * 3_600
REDIS_TIMEOUT_SECONDS = 0.5

log = structlog.get_logger()


def tag_key(tag: str) -> str:
    return f"tag:{tag}"


def new_version() -> str:
    return secrets.token_urlsafe(9)


def expand(templates: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Fill `users/{user_id}` and the like; KeyError names what is missing."""
    return [template.format_map(values) for template in templates]


class Tags:
    """What a service does to the versions after it has written."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Give each tag a new version. Call after the commit and before the reply."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for tag in tags:
                    pipe.set(tag_key(tag), new_version(), ex=TAG_SECONDS)
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis does not answer; caches may be stale", tags=tags, error=str(error))

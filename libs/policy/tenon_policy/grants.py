"""Which sessions are live and who is a member of what, answered without asking the owner each time.

PostgreSQL (of auth and tenancy) is the record. Redis `state` holds hot copies:
`session:{id}` is 1 while live and 0 once ended, `member:{org}:{user}` is the role's number.
Who changes a grant marks its hot copy with `?…` before the commit and overwrites the mark after;
whoever meets a mark or finds nothing asks the owner, and adds the answer only if there is still
nothing (`SET NX`). So a crash in between leaves a mark, which expires, and a late reader cannot
undo a revocation. A process reuses an answer for at most `REUSE_SECONDS`.
"""

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tenon_core.coalescing import Coalescer
from tenon_core.errors import Unavailable
from tenon_policy.policies import Role

REUSE_SECONDS = 1.0
MARK = "?"
MARK_SECONDS = 60
"""Longer than the longest transaction that changes a grant."""
ENDED_SECONDS = 3_600
"""Longer than an access token lives, and than any reader takes."""
LIVE_SECONDS = 7 * 24 * 3_600
MEMBER_SECONDS = 24 * 3_600
REDIS_TIMEOUT_SECONDS = 0.5

# Overwrites one's own mark, and nothing that a later change has put there.
_SETTLE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SessionKey:
    session_id: UUID

    def __str__(self) -> str:
        return f"session:{self.session_id}"


@dataclass(frozen=True, slots=True)
class MemberKey:
    org_id: UUID
    user_id: UUID

    def __str__(self) -> str:
        return f"member:{self.org_id}:{self.user_id}"


GrantKey: TypeAlias = SessionKey | MemberKey


class SessionOwner(Protocol):
    """Auth, which knows for certain."""

    async def live_sessions(self, session_ids: Sequence[UUID]) -> Collection[UUID]: ...


class MemberOwner(Protocol):
    """Tenancy, which knows for certain."""

    async def roles(self, members: Sequence[MemberKey]) -> Sequence[Role]: ...


class Grants:
    """Looks grants up: process memory, then Redis, then the owners."""

    def __init__(self, redis: Redis, *, sessions: SessionOwner, members: MemberOwner) -> None:
        self._redis = redis
        self._sessions = sessions
        self._members = members
        self._levels = Coalescer[GrantKey, int](self._load, reuse_seconds=REUSE_SECONDS)

    async def is_live(self, session_id: UUID) -> bool:
        return await self._levels.get(SessionKey(session_id)) > 0

    async def role(self, org_id: UUID, user_id: UUID) -> Role:
        return Role(await self._levels.get(MemberKey(org_id, user_id)))

    async def _load(self, keys: Sequence[GrantKey]) -> Mapping[GrantKey, int]:
        found = await self._read(keys)
        missing = [key for key in keys if key not in found]
        if missing:
            answers = await self.ask_owners(missing)
            await self.remember(answers)
            found.update(answers)
        return found

    async def _read(self, keys: Sequence[GrantKey]) -> dict[GrantKey, int]:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                values = await self._redis.mget([str(key) for key in keys])
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis does not answer; the owners are asked instead", error=str(error))
            return {}
        return {
            key: level
            for key, value in zip(keys, values, strict=True)
            if (level := read_level(value)) is not None
        }

    async def ask_owners(self, keys: Sequence[GrantKey]) -> dict[GrantKey, int]:
        """Return the levels of these keys as auth and tenancy say now."""
        sessions = [key for key in keys if isinstance(key, SessionKey)]
        members = [key for key in keys if isinstance(key, MemberKey)]
        live, roles = await asyncio.gather(
            self._live_sessions([key.session_id for key in sessions]), self._roles(members)
        )
        answers: dict[GrantKey, int] = {key: int(key.session_id in live) for key in sessions}
        answers.update(zip(members, map(int, roles), strict=True))
        return answers

    async def _live_sessions(self, session_ids: Sequence[UUID]) -> Collection[UUID]:
        return await self._sessions.live_sessions(session_ids) if session_ids else ()

    async def _roles(self, members: Sequence[MemberKey]) -> Sequence[Role]:
        return await self._members.roles(members) if members else ()

    async def remember(self, levels: Mapping[GrantKey, int]) -> None:
        """Add what an owner said, where nothing newer is there; refusals are not kept, so that
        nobody fills Redis by asking for what does not exist.
        """
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, level in levels.items():
                    if level > 0:
                        pipe.set(str(key), level, ex=_seconds(key), nx=True)
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis does not answer; a grant is not kept", error=str(error))


class GrantChanges:
    """What auth and tenancy do to the hot copies when they change a grant."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def mark(self, *keys: GrantKey) -> str:
        """Call before the commit: from here on everybody asks the owner. Returns the mark.

        Unavailable if Redis does not answer: a change that is not seen at once must not be
        confirmed.
        """
        mark = MARK + secrets.token_hex(8)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.set(str(key), mark, ex=MARK_SECONDS)
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable from error
        return mark

    async def settle(self, levels: Mapping[GrantKey, int], mark: str) -> None:
        """Call after the commit with the new levels; if that fails, the marks expire.

        `mark` tells whose change it is: one that settles late must not overwrite a later one,
        which would give a removed member their role back.
        """
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, level in levels.items():
                    number = int(level)  # redis-py would write a Role as its repr
                    seconds = _seconds(key) if number else ENDED_SECONDS
                    pipe.eval(_SETTLE, 1, str(key), mark, number, seconds)
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis does not answer; the marks stay until they expire", error=str(error))


def read_level(value: bytes | str | None) -> int | None:
    """Read a hot copy; None if the owner must be asked."""
    if value is None:
        return None
    text = value.decode() if isinstance(value, bytes) else value
    return int(text) if text.isdigit() else None


def _seconds(key: GrantKey) -> int:
    return LIVE_SECONDS if isinstance(key, SessionKey) else MEMBER_SECONDS

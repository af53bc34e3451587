"""Which sessions are live, who is a member of what, and what organizations demand, answered without
asking the owner each time.

PostgreSQL (of auth and tenancy) is the record. Redis `state` holds hot copies:
`session:{id}` is 1 while live and 0 once ended, `member:{org}:{user}` is the role's number,
`demands:{org}` the policies' version (`demands.py`); each says which run of Redis it is of.
Who changes a grant marks its hot copy with `?…` before the commit and overwrites the mark after;
whoever meets a mark, nothing, or what an earlier run of Redis left asks the owner, and adds the
answer only if there is still nothing. So a crash in between leaves a mark, which expires, and
a late reader cannot undo a revocation. A process reuses an answer for at most `REUSE_SECONDS`,
and refuses nobody by it.
While neither Redis nor the owner can be asked, reads are served by what was known up to
`STALE_SECONDS` ago, with an alarm.
"""

import asyncio
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tenon_core.coalescing import Coalescer
from tenon_core.errors import Code, TenonError, Unavailable
from tenon_policy.demands import DemandBook, DemandOwner, Demands
from tenon_policy.grant_scripts import READ, REMEMBER, SETTLE
from tenon_policy.last_known import LastKnown
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

AWAY_SECONDS = 1.0
"""How long Redis is left alone after it has failed to answer."""
UNREACHABLE = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)

STALE = Counter("tenon_grants_stale", "Reads let in by what was known before Redis and owner left")
NOBODY_KNOWS = Gauge(
    "tenon_grants_nobody_knows", "1 while neither Redis nor the owner of a grant can be asked"
)

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


@dataclass(frozen=True, slots=True)
class DemandsKey:
    org_id: UUID

    def __str__(self) -> str:
        return f"demands:{self.org_id}"


GrantKey: TypeAlias = SessionKey | MemberKey | DemandsKey


class SessionOwner(Protocol):
    """Auth, which knows for certain."""

    async def live_sessions(self, session_ids: Sequence[UUID]) -> Collection[UUID]: ...


class MemberOwner(DemandOwner, Protocol):
    """Tenancy, which knows for certain."""

    async def roles(self, members: Sequence[MemberKey]) -> Sequence[Role]: ...


class NobodyKnows(Unavailable):
    """Neither Redis nor the owner of a grant answers."""


class Grants:
    """Looks grants up: process memory, then Redis, then the owners."""

    def __init__(self, redis: Redis, *, sessions: SessionOwner, members: MemberOwner) -> None:
        self._redis = redis
        self._retry_at = 0.0
        self._sessions = sessions
        self._members = members
        self._book = DemandBook(members)
        self.demands_in = self._book.get
        self._last_known = LastKnown[GrantKey]()
        self.note = self._last_known.note
        self._alarm = False
        # One for each owner: whoever needs only the one is not refused because of the other.
        self._live = Coalescer[GrantKey, int](self._load, reuse_seconds=REUSE_SECONDS)
        self._of_orgs = Coalescer[GrantKey, int](self._load, reuse_seconds=REUSE_SECONDS)

    async def is_live(self, session_id: UUID, *, reads: bool = False, fresh: bool = False) -> bool:
        """Say whether a session is live; `reads` if nothing is written on the strength of it,
        `fresh` if it shall not be by what this process remembers.
        """
        key = SessionKey(session_id)
        try:
            return await self._live.get(key, fresh=fresh) > 0
        except NobodyKnows as error:
            return self.stale(key, error, reads=reads) > 0

    async def membership(
        self, org_id: UUID, user_id: UUID, *, reads: bool = False, fresh: bool = False
    ) -> tuple[Role, Demands]:
        """Return the role of a user in an organization, and what it demands of them; `reads` and
        `fresh` as for `is_live`.
        """
        keys: list[GrantKey] = [MemberKey(org_id, user_id), DemandsKey(org_id)]
        role, version = await self._levels(keys, reads=reads, fresh=fresh)
        return Role(role), await self.demands_in(org_id, version)

    async def demands(self, org_id: UUID, *, reads: bool = False, fresh: bool = False) -> Demands:
        """Return what an organization demands; `reads` and `fresh` as for `is_live`."""
        (version,) = await self._levels([DemandsKey(org_id)], reads=reads, fresh=fresh)
        return await self.demands_in(org_id, version)

    async def _levels(self, keys: Sequence[GrantKey], *, reads: bool, fresh: bool) -> Sequence[int]:
        try:
            return await self._of_orgs.get_all(keys, fresh=fresh)
        except NobodyKnows as error:
            return [self.stale(key, error, reads=reads) for key in keys]

    def stale(self, key: GrantKey, error: NobodyKnows, *, reads: bool) -> int:
        """Return what was known lately, for a read; or else raise the error."""
        level = self._last_known.find(key) if reads else None
        if level is None:
            raise error
        STALE.inc()
        return level

    async def ask(self, keys: Sequence[GrantKey], run: str | None) -> dict[GrantKey, int]:
        """Ask the owners, and keep what they say for others.

        `run` is the run of Redis that did not know; None if Redis does not answer: then an owner
        that does not answer, either, is NobodyKnows.
        """
        try:
            answers = await self.ask_owners(keys)
        except TenonError as error:
            if run is None and error.code in UNREACHABLE:
                self._set_alarm(True)
                raise NobodyKnows(Unavailable.message()) from error
            self._last_known.forget(keys)
            raise
        self._set_alarm(False)
        self._last_known.note(answers)
        if run is not None:
            await self.remember(answers, run)
        return answers

    async def _load(self, keys: Sequence[GrantKey]) -> Mapping[GrantKey, int]:
        run, found = await self._read(keys)
        self._last_known.note(found)
        missing = [key for key in keys if key not in found]
        if missing:
            found.update(await self.ask(missing, run))
        return found

    async def _read(self, keys: Sequence[GrantKey]) -> tuple[str | None, dict[GrantKey, int]]:
        """Return the run of Redis and what it knows; None and nothing if it does not answer."""
        if time.monotonic() < self._retry_at:
            return None, {}
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                run, values = await self._redis.eval(READ, len(keys), *map(str, keys))
        except (RedisError, OSError, TimeoutError) as error:
            self._retry_at = time.monotonic() + AWAY_SECONDS
            log.warning("redis does not answer; the owners are asked instead", error=repr(error))
            return None, {}
        run = run.decode()
        levels = ((key, read_level(value, run)) for key, value in zip(keys, values, strict=True))
        return run, {key: level for key, level in levels if level is not None}

    async def ask_owners(self, keys: Sequence[GrantKey]) -> dict[GrantKey, int]:
        """Return the levels of these keys as auth and tenancy say now."""
        live, roles, versions = await asyncio.gather(
            self._live_sessions([key for key in keys if isinstance(key, SessionKey)]),
            self._member_roles([key for key in keys if isinstance(key, MemberKey)]),
            self._versions([key for key in keys if isinstance(key, DemandsKey)]),
        )
        return {**live, **roles, **versions}

    async def _live_sessions(self, keys: Sequence[SessionKey]) -> dict[GrantKey, int]:
        if not keys:
            return {}
        live = await self._sessions.live_sessions([key.session_id for key in keys])
        return {key: int(key.session_id in live) for key in keys}

    async def _member_roles(self, keys: Sequence[MemberKey]) -> dict[GrantKey, int]:
        roles = await self._members.roles(keys) if keys else ()
        return dict(zip(keys, map(int, roles), strict=True))

    async def _versions(self, keys: Sequence[DemandsKey]) -> dict[GrantKey, int]:
        found = await self._book.ask([key.org_id for key in keys]) if keys else {}
        return {key: found[key.org_id].version for key in keys}

    async def remember(self, levels: Mapping[GrantKey, int], run: str) -> None:
        """Add what an owner said, where nothing newer is there; refusals are not kept, so that
        nobody fills Redis by asking for what does not exist.
        """
        granted = {key: level for key, level in levels.items() if level > 0}
        if not granted:
            return
        arguments = [
            value for key, level in granted.items() for value in (int(level), _seconds(key))
        ]
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                await self._redis.eval(REMEMBER, len(granted), *map(str, granted), run, *arguments)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis does not answer; a grant is not kept", error=repr(error))

    def _set_alarm(self, on: bool) -> None:
        if on and not self._alarm:
            log.error("neither redis nor the owner answers; reads go by what was known lately")
        self._alarm = on
        NOBODY_KNOWS.set(on)


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
                    pipe.eval(SETTLE, 1, str(key), mark, number, seconds, MARK_SECONDS)
                async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                    await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis does not answer; the marks stay until they expire", error=str(error))


def read_level(value: bytes | str | None, run: str = "") -> int | None:
    """Read a hot copy; None if the owner must be asked.

    With `run`, what another run of Redis has left is not believed.
    """
    if value is None:
        return None
    text = value.decode() if isinstance(value, bytes) else value
    level, _, written = text.partition("@")
    return int(level) if level.isdigit() and written.startswith(run) else None


def _seconds(key: GrantKey) -> int:
    return LIVE_SECONDS if isinstance(key, SessionKey) else MEMBER_SECONDS

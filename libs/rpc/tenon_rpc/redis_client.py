"""Redis `state` as every process asks it."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_SECONDS = 0.5


def open_redis(url: str, *, read_seconds: float | None = None) -> Redis:
    """Make a client; a command that finds its idle connection closed is repeated once, at once.

    `read_seconds` bounds the wait for a reply where whoever asks does not.
    """
    pool: ConnectionPool = ConnectionPool.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=read_seconds,
        retry=Retry(NoBackoff(), 1),
    )
    pool.connection_class = _telling(pool.connection_class)
    return Redis(connection_pool=pool)


def _telling(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return a kind of connection that tells a lost one as such: uvloop says RuntimeError when
    something is written to a transport that was closed, which nobody would take for that.
    """

    class Telling(kind):  # type: ignore[valid-type,misc] # TCP, TLS or a socket file, by the URL
        async def send_packed_command(self, *args: Any, **options: Any) -> None:
            try:
                await super().send_packed_command(*args, **options)
            except RuntimeError as error:
                raise RedisConnectionError(str(error)) from error

    return Telling

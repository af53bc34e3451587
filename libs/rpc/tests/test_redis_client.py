"""The client of Redis, on the event loop that the processes have."""

import asyncio

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from tenon_rpc.redis_client import open_redis
from tenon_testing.servers import Servers


def test_a_lost_connection_is_told_as_an_error_of_redis(servers: Servers) -> None:
    """Uvloop says RuntimeError, which nobody who can do without Redis expects."""

    async def write_to_a_lost_connection() -> None:
        redis = open_redis(servers.valkey.url())
        connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(RedisConnectionError):
            await connection.send_command("PING", check_health=False)
        await connection.disconnect()
        await redis.aclose(close_connection_pool=True)

    uvloop.run(write_to_a_lost_connection())

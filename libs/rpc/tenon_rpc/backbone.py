"""What every process of a service stands on, opened together and closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from redis.asyncio import Redis

from tenon_core.settings import ServiceSettings
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_policy.grants import GrantChanges
from tenon_rpc.channel import open_channel
from tenon_rpc.redis_client import open_redis

S = TypeVar("S", bound=ServiceSettings)

READ_SECONDS = 5.0
"""For the doorbell, which notices so that a connection has gone dead."""


@dataclass(frozen=True)
class Backbone(Generic[S]):
    """The connections of one process; `channels` by the name of the service at the other end."""

    service: str
    settings: S
    redis: Redis
    doorbell: Doorbell
    database: Database
    channels: dict[str, grpc.aio.Channel]
    grant_changes: GrantChanges


@asynccontextmanager
async def open_backbone(service: str, settings: S) -> AsyncIterator[Backbone[S]]:
    """Open the connections of a service's process; nothing is asked of anybody yet."""
    async with AsyncExitStack() as stack:
        redis = open_redis(settings.redis_url.get_secret_value(), read_seconds=READ_SECONDS)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        doorbell = Doorbell(redis)
        stack.push_async_callback(doorbell.close)
        database = Database(
            settings.database_url.get_secret_value(),
            schema=service,
            doorbell=doorbell,
            pool_size=settings.database_pool_size,
        )
        stack.push_async_callback(database.close)
        channels = {peer: open_channel(settings, peer) for peer in settings.peers}
        for channel in channels.values():
            stack.push_async_callback(channel.close, None)
        yield Backbone(service, settings, redis, doorbell, database, channels, GrantChanges(redis))

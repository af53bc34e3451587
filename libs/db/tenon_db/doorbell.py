"""A hint over Redis that there is something to do. It may be lost: everybody also polls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Doorbell:
    """Rings by name, and wakes those who wait for that name in any process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ringing: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, name: str) -> None:
        """Ring soon; nobody waits for it, and rings of one moment are one."""
        if name in self._ringing:
            return
        self._ringing.add(name)
        task = asyncio.get_running_loop().create_task(self._publish(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for rings on their way, so that none finds the connection closed."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _publish(self, name: str) -> None:
        self._ringing.discard(name)
        try:
            await self._redis.publish(_channel(name), "")
        except (RedisError, OSError) as error:
            log.warning("doorbell not rung; the poll will do", bell=name, error=str(error))

    @asynccontextmanager
    async def listening(self, *names: str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set whenever one of these bells rings; clear it after waking."""
        rung = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._listen(names, rung))
        try:
            yield rung
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, names: tuple[str, ...], rung: asyncio.Event) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(*map(_channel, names))
                    rung.set()
                    async for _ in pubsub.listen():
                        rung.set()
            except (RedisError, OSError) as error:
                log.warning("doorbell is not heard; polling", bells=names, error=str(error))
            await asyncio.sleep(RETRY_SECONDS)


async def heard(rung: asyncio.Event, within: float) -> None:
    """Wait until the bell rings or `within` seconds have passed, and make it ready again."""
    try:
        async with asyncio.timeout(within):
            await rung.wait()
    except TimeoutError:
        pass
    rung.clear()


def _channel(name: str) -> str:
    return f"bell:{name}"

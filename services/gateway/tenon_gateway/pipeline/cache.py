"""Replies kept in process memory, each under the versions of the tags that it depends on.

A writer gives its tags new versions before it answers, and every request asks for the versions
anew: so what was written is seen by the next read, in every process, and nothing is removed here.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

from tenon_gateway.metrics import CACHE_LOOKUPS
from tenon_gateway.pipeline.reply import OK, Reply

SECONDS = 300.0
MAX_BYTES = 64 * 1024 * 1024
ENTRY_BYTES = 1_024
"""What an entry takes besides its body: key, headers, dictionary."""

_HIT = CACHE_LOOKUPS.labels("hit")
_MISS = CACHE_LOOKUPS.labels("miss")
_JOINED = CACHE_LOOKUPS.labels("joined")


class ReplyCache:
    """The least recently used goes first; one request at a time makes a missing reply."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._replies: OrderedDict[Hashable, tuple[float, Reply]] = OrderedDict()
        self._making: dict[Hashable, asyncio.Future[Reply | None]] = {}

    def find(self, key: Hashable) -> Reply | None:
        kept = self._replies.get(key)
        if kept is None:
            return None
        if kept[0] <= time.monotonic():
            self._drop(key)
            return None
        self._replies.move_to_end(key)
        _HIT.inc()
        return kept[1]

    async def make(self, key: Hashable, answer: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return the reply that somebody else is making already, or else make it; only a 200 is
        kept and shared, what fails is everybody's own affair.
        """
        making = self._making.get(key)
        if making is not None and (shared := await asyncio.shield(making)) is not None:
            _JOINED.inc()
            return shared
        return await self._lead(key, answer)

    async def _lead(self, key: Hashable, answer: Callable[[], Awaitable[Reply]]) -> Reply:
        _MISS.inc()
        future: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._making[key] = future
        shared = None
        try:
            reply = await answer()
            if reply.status == OK:
                shared = reply
                self._keep(key, reply)
            return reply
        finally:
            if self._making.get(key) is future:
                del self._making[key]
            future.set_result(shared)

    def _keep(self, key: Hashable, reply: Reply) -> None:
        if key in self._replies:
            self._drop(key)
        self._replies[key] = (time.monotonic() + SECONDS, reply)
        self._bytes += len(reply.body) + ENTRY_BYTES
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._replies)))

    def _drop(self, key: Hashable) -> None:
        _, reply = self._replies.pop(key)
        self._bytes -= len(reply.body) + ENTRY_BYTES

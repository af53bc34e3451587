"""A channel that connects anew when a server says that it is about to stop.

gRPC itself tells a client when the server stops, and then kills what is on its way meanwhile: some
calls of every restart would fail. So a server announces it with its replies for a while before.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

STOPPING = "x-tenon-stopping"
"""In the trailing metadata of replies of a server that will stop soon."""
AGAIN_SECONDS = 1.0
"""How long a new connection is kept, though it has led to a server that is stopping, too."""
FINISH_SECONDS = 60.0
"""What calls on the old connection are given: more than any but streams may take."""


class _Bound:
    """A method on whatever connection is the newest."""

    def __init__(self, make: Callable[[grpc.aio.Channel], Callable[..., Any]]) -> None:
        self.make = make
        self.call: Callable[..., Any]


class RenewableChannel:
    """All of a channel that stubs need."""

    def __init__(self, connect: Callable[[], grpc.aio.Channel]) -> None:
        self._connect = connect
        self._channel = connect()
        self._renewed_at = float("-inf")
        self._bound: list[_Bound] = []
        self._old: dict[asyncio.Task[None], grpc.aio.Channel] = {}

    def unary_unary(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        bound = self._bind(lambda channel: channel.unary_unary(*contract, **coding))

        async def call(request: Any, **options: Any) -> Any:
            calling = bound.call(request, **options)
            reply = await calling
            if STOPPING in dict(await calling.trailing_metadata()):
                self._renew()
            return reply

        return call

    def stream_unary(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return self._newest(lambda channel: channel.stream_unary(*contract, **coding))

    def unary_stream(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return self._newest(lambda channel: channel.unary_stream(*contract, **coding))

    def stream_stream(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return self._newest(lambda channel: channel.stream_stream(*contract, **coding))

    async def close(self, grace: float | None) -> None:
        for closing in self._old:
            closing.cancel()
        for channel in (self._channel, *self._old.values()):
            await channel.close(grace)

    def _newest(self, make: Callable[[grpc.aio.Channel], Callable[..., Any]]) -> Callable[..., Any]:
        bound = self._bind(make)

        def call(*arguments: Any, **options: Any) -> Any:
            return bound.call(*arguments, **options)  # which may be another one by then

        return call

    def _bind(self, make: Callable[[grpc.aio.Channel], Callable[..., Any]]) -> _Bound:
        bound = _Bound(make)
        bound.call = make(self._channel)
        self._bound.append(bound)
        return bound

    def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._renewed_at + AGAIN_SECONDS:
            return
        self._renewed_at = loop.time()
        old, self._channel = self._channel, self._connect()
        for bound in self._bound:
            bound.call = bound.make(self._channel)
        closing = loop.create_task(old.close(FINISH_SECONDS))
        self._old[closing] = old
        closing.add_done_callback(self._old.pop)

"""Channels to other services: mTLS, a deadline on every call, errors as ours."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import grpc

from tenon_core import deadlines
from tenon_core.settings import ProcessSettings
from tenon_rpc.status import unpacked
from tenon_rpc.tls import channel_credentials

DEFAULT_SECONDS = 5.0
MARGIN_SECONDS = 0.05
"""What the caller keeps of its own deadline, to answer in time itself."""
MAX_MESSAGE_BYTES = 32 * 1024 * 1024

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
]


def open_channel(settings: ProcessSettings, service: str) -> grpc.aio.Channel:
    """Open a channel to a service; what answers must prove by its certificate that it is that."""
    channel = grpc.aio.secure_channel(
        settings.peers[service],
        channel_credentials(settings),
        options=[*OPTIONS, ("grpc.ssl_target_name_override", service)],
    )
    return peer_channel(channel)


def peer_channel(channel: grpc.aio.Channel) -> grpc.aio.Channel:
    """Give a channel deadlines and errors of ours.

    A call without a timeout of its own gets what its caller has left; what fails is raised as
    TenonError.
    """
    return cast("grpc.aio.Channel", _PeerChannel(channel))  # all of one that stubs need


def seconds_left() -> float:
    """Return how long a call to a peer may take: what the caller has left, less a margin."""
    left = deadlines.remaining()
    return DEFAULT_SECONDS if left is None else max(0.0, left - MARGIN_SECONDS)


class _PeerChannel:
    """Wraps the callables of a channel once, where an interceptor would cost a task per call."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def unary_unary(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return _one_reply(self._channel.unary_unary(*contract, **coding))

    def stream_unary(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return _one_reply(self._channel.stream_unary(*contract, **coding))

    def unary_stream(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return _many_replies(self._channel.unary_stream(*contract, **coding))

    def stream_stream(self, *contract: Any, **coding: Any) -> Callable[..., Any]:
        return _many_replies(self._channel.stream_stream(*contract, **coding))

    async def close(self, grace: float | None) -> None:
        await self._channel.close(grace)


def _one_reply(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, *, timeout: float | None = None, metadata: Any = None) -> Any:  # noqa: ASYNC109 # gRPC's: it travels along as the deadline
        seconds = seconds_left() if timeout is None else timeout
        try:
            return await method(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise unpacked(error) from error

    return call


def _many_replies(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 # as above
        metadata: Any = None,
    ) -> AsyncIterator[Any]:
        seconds = seconds_left() if timeout is None else timeout
        try:
            async for reply in method(request, timeout=seconds, metadata=metadata):
                yield reply
        except grpc.aio.AioRpcError as error:
            raise unpacked(error) from error

    return call

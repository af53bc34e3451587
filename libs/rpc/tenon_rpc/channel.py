"""Channels to other services: mTLS, a deadline on every call, errors as ours."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import grpc

from tenon_core import deadlines
from tenon_core.settings import ProcessSettings
from tenon_rpc.renewal import RenewableChannel
from tenon_rpc.retries import RETRIES, RetryBudget, is_repeatable, never_arrived, pause
from tenon_rpc.status import unpacked
from tenon_rpc.tls import channel_credentials

DEFAULT_SECONDS = 5.0
MARGIN_SECONDS = 0.05
"""What the caller keeps of its own deadline, to answer in time itself."""
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
MAX_METADATA_BYTES = 64 * 1024
"""Of a reply. Errors travel in it (`tenon_rpc.status`)."""
KEEPALIVE_MS = 4_000
KEEPALIVE_TIMEOUT_MS = 3_000

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    # A connection that has gone dead without a word is found within 7 s, idle or not. Servers must
    # allow as many pings (`tenon_rpc.server`), or they end the connection for too many.
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # 60 s otherwise, whatever stands above
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # also how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.use_local_subchannel_pool", 1),
]


def open_channel(settings: ProcessSettings, service: str) -> grpc.aio.Channel:
    """Open a channel to a service; what answers must prove by its certificate that it is that.

    Its address may name several replicas (`dns:///auth:5000`, `ipv4:10.0.0.1:5000,10.0.0.2:5000`):
    calls go to each in turn.
    """
    credentials = channel_credentials(settings)
    options = [*OPTIONS, ("grpc.ssl_target_name_override", service)]

    def connect() -> grpc.aio.Channel:
        return grpc.aio.secure_channel(settings.peers[service], credentials, options)

    return peer_channel(RenewableChannel(connect))


def peer_channel(channel: grpc.aio.Channel | RenewableChannel) -> grpc.aio.Channel:
    """Give a channel deadlines and errors of ours.

    A call without a timeout of its own gets what its caller has left. One that may be repeated and
    did not arrive is tried once more in that time, as far as the channel's budget goes. What fails
    is raised as TenonError.
    """
    return cast("grpc.aio.Channel", _PeerChannel(channel))  # all of one that stubs need


def seconds_left() -> float:
    """Return how long a call to a peer may take: what the caller has left, less a margin."""
    left = deadlines.remaining()
    return DEFAULT_SECONDS if left is None else max(0.0, left - MARGIN_SECONDS)


class _PeerChannel:
    """Wraps the callables of a channel once, where an interceptor would cost a task per call."""

    def __init__(self, channel: grpc.aio.Channel | RenewableChannel) -> None:
        self._channel = channel
        self._budget = RetryBudget()

    def unary_unary(self, method: str, *contract: Any, **coding: Any) -> Callable[..., Any]:
        call: Callable[..., Any] = self._channel.unary_unary(method, *contract, **coding)
        if is_repeatable(method):
            call = _tried_twice(call, method, self._budget)
        return _one_reply(call)

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


def _tried_twice(call: Callable[..., Any], method: str, budget: RetryBudget) -> Callable[..., Any]:
    retries = RETRIES.labels(method)

    async def try_twice(request: Any, *, timeout: float, metadata: Any) -> Any:  # noqa: ASYNC109 # as below
        budget.earn()
        started = asyncio.get_running_loop().time()
        try:
            return await call(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            if not never_arrived(error) or not budget.spend():
                raise
        await asyncio.sleep(pause())
        retries.inc()
        left = timeout - (asyncio.get_running_loop().time() - started)
        return await call(request, timeout=max(0.0, left), metadata=metadata)

    return try_twice


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

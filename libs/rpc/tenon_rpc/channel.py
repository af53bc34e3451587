"""Channels to other services: mTLS, a deadline on every call, errors as ours."""

from collections.abc import Callable
from typing import Any

import grpc
from grpc.aio import (
    ClientCallDetails,
    Metadata,
    UnaryUnaryClientInterceptor,
)

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
    return grpc.aio.secure_channel(
        settings.peers[service],
        channel_credentials(settings),
        options=[*OPTIONS, ("grpc.ssl_target_name_override", service)],
        interceptors=[_PeerCalls()],
    )


def seconds_left() -> float:
    """Return how long a call to a peer may take: what the caller has left, less a margin."""
    left = deadlines.remaining()
    return DEFAULT_SECONDS if left is None else max(0.0, left - MARGIN_SECONDS)


class _PeerCalls(UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self,
        continuation: Callable[[ClientCallDetails, Any], Any],
        client_call_details: ClientCallDetails,
        request: Any,
    ) -> Any:
        details = client_call_details
        if details.timeout is None:
            details = ClientCallDetails(
                method=details.method,
                timeout=seconds_left(),
                metadata=details.metadata or Metadata(),
                credentials=details.credentials,
                wait_for_ready=details.wait_for_ready,
            )
        call = await continuation(details, request)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise unpacked(error) from error

"""A gRPC server as every service runs it."""

import asyncio
from collections.abc import Sequence

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from tenon_core.settings import ServiceSettings
from tenon_rpc.channel import KEEPALIVE_MS, MAX_MESSAGE_BYTES
from tenon_rpc.guard import Guard
from tenon_rpc.methods import Registration, guarded_handlers
from tenon_rpc.tls import server_credentials

MAX_METADATA_BYTES = 16 * 1024

OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    # Pings at a client's pace (`tenon_rpc.channel`) are welcome, and some jitter of theirs, too.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    # Calls of a client that is gone without a word end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.so_reuseport", 0),
]

log = structlog.get_logger()


class RpcServer:
    """Serves registered servicers behind the guard, with health and reflection beside them."""

    def __init__(
        self, settings: ServiceSettings, registrations: Sequence[Registration], guard: Guard
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._server = grpc.aio.server(options=[*OPTIONS, *_ages(settings)])
        self._health = HealthServicer()
        handlers = guarded_handlers(registrations, guard)
        for service, methods in handlers.items():
            self._server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service, dict(methods))]
            )
        self._names = [*handlers, ""]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        enable_server_reflection(
            [*handlers, REFLECTION, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name],
            self._server,
        )

    async def start(self) -> int:
        """Listen, say so, and return the port."""
        port = self._server.add_secure_port(
            self._settings.listen, server_credentials(self._settings)
        )
        await self._server.start()
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        log.info("serving", listen=self._settings.listen, port=port)
        return port

    async def drain(self) -> None:
        """Say that no new calls are wanted, finish those in flight, and stop."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._guard.stopping = True
        await asyncio.sleep(self._settings.notice_seconds)
        await self._server.stop(self._settings.drain_seconds)
        log.info("stopped")

    async def _say(self, status: int) -> None:
        await asyncio.gather(*(self._health.set(name, status) for name in self._names))


def _ages(settings: ServiceSettings) -> list[tuple[str, int]]:
    """Let clients connect anew now and then, so that they come to know new replicas."""
    return [
        ("grpc.max_connection_age_ms", int(settings.connection_age_seconds * 1_000)),
        ("grpc.max_connection_age_grace_ms", int(settings.connection_grace_seconds * 1_000)),
    ]

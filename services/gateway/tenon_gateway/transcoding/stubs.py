"""Calls to the services, by the RPC's path."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tenon_gateway.transcoding.routes import Route, rpc_path, service_name

Headers = Sequence[tuple[str, str | bytes]]


class Stubs:
    """Every RPC of the services that there is a channel to; failures are raised as TenonError.

    An RPC is named by its route, or by its path: `/tenon.auth.v1.SessionService/LogIn`.
    """

    def __init__(
        self, channels: Mapping[str, grpc.aio.Channel], services: Iterable[ServiceDescriptor]
    ) -> None:
        """Take the channels (of `tenon_rpc.channel`) by the services' names, e.g. `auth`."""
        self._calls: dict[str, Any] = {
            rpc_path(method): _multicallable(channels[service_name(service.full_name)], method)
            for service in services
            if service_name(service.full_name) in channels
            for method in service.methods
        }

    async def call(
        self,
        rpc: Route | str,
        message: Message,
        *,
        timeout: float,  # noqa: ASYNC109 - gRPC's: it travels to the service as its deadline
        metadata: Headers = (),
    ) -> Any:
        """Call a unary RPC and return its response message; `timeout` is in seconds."""
        return await self._find(rpc)(message, timeout=timeout, metadata=tuple(metadata))

    async def send(
        self,
        rpc: str,
        messages: AsyncIterator[Message],
        *,
        timeout: float,  # noqa: ASYNC109 - gRPC's, as above
        metadata: Headers = (),
    ) -> Any:
        """Call an RPC that takes a stream, and return its response message."""
        return await self._find(rpc)(messages, timeout=timeout, metadata=tuple(metadata))

    async def receive(
        self,
        rpc: str,
        message: Message,
        *,
        timeout: float,  # noqa: ASYNC109 - gRPC's, as above
        metadata: Headers = (),
    ) -> AsyncIterator[Any]:
        """Call an RPC that returns a stream, and yield its messages."""
        async for reply in self._find(rpc)(message, timeout=timeout, metadata=tuple(metadata)):
            yield reply

    def _find(self, rpc: Route | str) -> Any:
        return self._calls[rpc if isinstance(rpc, str) else rpc.rpc]


def _multicallable(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    streams = (method.client_streaming, method.server_streaming)
    make = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }[streams]
    return make(
        rpc_path(method),
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )

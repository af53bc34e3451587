"""Stubs against a real gRPC server, which stands in for the services."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor

from tenon.auth.v1.signing_key_service_pb2 import (
    JsonWebKey,
    ListSigningKeysRequest,
    ListSigningKeysResponse,
)
from tenon.auth.v1.signing_key_service_pb2_grpc import (
    SigningKeyServiceServicer,
    add_SigningKeyServiceServicer_to_server,
)
from tenon.reports.v1.upload_pb2 import Upload
from tenon.reports.v1.upload_service_pb2 import (
    CreateUploadRequest,
    CreateUploadResponse,
    GetUploadRequest,
    GetUploadResponse,
    ReadRejectedRowsRequest,
    ReadRejectedRowsResponse,
)
from tenon.reports.v1.upload_service_pb2_grpc import (
    UploadServiceServicer,
    add_UploadServiceServicer_to_server,
)
from tenon_core.errors import Code, DeadlineExceeded, NotFound, TenonError, Unavailable
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import compile_routes
from tenon_gateway.transcoding.stubs import Stubs
from tenon_rpc.channel import peer_channel
from tenon_rpc.status import abort

KEYS = "/tenon.auth.v1.SigningKeyService/ListSigningKeys"
UPLOADS = "/tenon.reports.v1.UploadService"


Context = grpc.aio.ServicerContext[Any, Any]


class Keys(SigningKeyServiceServicer):
    async def ListSigningKeys(
        self, _: ListSigningKeysRequest, context: Context
    ) -> ListSigningKeysResponse:
        metadata = dict(context.invocation_metadata() or ())
        if "x-request-id" not in metadata:
            await asyncio.Event().wait()  # until the deadline
        return ListSigningKeysResponse(keys=[JsonWebKey(kid=str(metadata["x-request-id"]))])


class Uploads(UploadServiceServicer):
    async def CreateUpload(
        self, requests: AsyncIterator[CreateUploadRequest], _: Context
    ) -> CreateUploadResponse:
        reply = CreateUploadResponse()
        async for request in requests:
            reply.upload.size_bytes += len(request.chunk)
        return reply

    async def GetUpload(self, request: GetUploadRequest, _: Context) -> GetUploadResponse:
        return GetUploadResponse(upload=Upload(id=request.upload_id))

    async def ReadRejectedRows(
        self, request: ReadRejectedRowsRequest, context: Context
    ) -> AsyncIterator[ReadRejectedRowsResponse]:
        yield ReadRejectedRowsResponse(chunk=b"line,reason,row\n")
        if not request.upload_id:
            await abort(context, NotFound())


@pytest.fixture
async def stubs() -> AsyncIterator[Stubs]:
    server = grpc.aio.server()
    add_SigningKeyServiceServicer_to_server(Keys(), server)
    add_UploadServiceServicer_to_server(Uploads(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        peer = peer_channel(channel)
        yield Stubs({"auth": peer, "reports": peer}, load_services())
    await server.stop(None)


async def test_a_route_s_rpc_is_called_with_its_metadata(stubs: Stubs) -> None:
    (route,) = [route for route in compile_routes(load_services()) if route.rpc == KEYS]
    reply = await stubs.call(
        route, ListSigningKeysRequest(), timeout=5, metadata=[("x-request-id", "r1")]
    )
    assert [key.kid for key in reply.keys] == ["r1"]


async def test_a_stream_is_sent(stubs: Stubs) -> None:
    async def chunks() -> AsyncIterator[CreateUploadRequest]:
        for chunk in (b"ab", b"cde"):
            yield CreateUploadRequest(chunk=chunk)

    reply = await stubs.send(f"{UPLOADS}/CreateUpload", chunks(), timeout=5)
    assert reply.upload.size_bytes == 5


async def test_a_stream_is_received(stubs: Stubs) -> None:
    request = ReadRejectedRowsRequest(upload_id="u")
    chunks = [
        reply.chunk
        async for reply in stubs.receive(f"{UPLOADS}/ReadRejectedRows", request, timeout=5)
    ]
    assert chunks == [b"line,reason,row\n"]


async def test_a_failure_has_the_service_s_code_and_reason(stubs: Stubs) -> None:
    replies = stubs.receive(f"{UPLOADS}/ReadRejectedRows", ReadRejectedRowsRequest(), timeout=5)
    with pytest.raises(TenonError) as raised:
        _ = [reply async for reply in replies]
    assert (raised.value.code, raised.value.reason) == (Code.NOT_FOUND, "not_found")


async def test_a_deadline_that_passes_is_told(stubs: Stubs) -> None:
    with pytest.raises(DeadlineExceeded):
        await stubs.call(KEYS, ListSigningKeysRequest(), timeout=0.05)


async def test_a_service_that_does_not_answer_is_unavailable() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        stubs = Stubs({"auth": peer_channel(channel)}, load_services())
        with pytest.raises(Unavailable):
            await stubs.call(KEYS, ListSigningKeysRequest(), timeout=5)


def test_only_services_with_a_channel_are_known() -> None:
    services: list[ServiceDescriptor] = load_services()
    assert Stubs({}, services)._calls == {}

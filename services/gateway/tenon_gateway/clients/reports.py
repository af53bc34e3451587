"""Uploads and exported files."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tenon.reports.v1.run_service_pb2 import GetRunFileRequest
from tenon.reports.v1.upload_pb2 import Upload
from tenon.reports.v1.upload_service_pb2 import (
    CreateUploadRequest,
    CreateUploadResponse,
    ReadRejectedRowsRequest,
    UploadHeader,
)
from tenon_gateway.clients.rpcs import (
    CREATE_UPLOAD,
    GET_RUN_FILE,
    READ_REJECTED_ROWS,
    Caller,
    routeless,
)
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.encoders import Encoders
from tenon_gateway.transcoding.stubs import Headers, Stubs
from tenon_policy.policies import MethodPolicy


class ReportsClient:
    def __init__(
        self,
        caller: Caller,
        stubs: Stubs,
        encoders: Encoders,
        policies: Mapping[str, MethodPolicy],
        stream_seconds: float,
    ) -> None:
        self._caller = caller
        self._stubs = stubs
        self._stream_seconds = stream_seconds
        self._upload = encoders.message(Upload.DESCRIPTOR)
        in_path = ("dataset_id", "gzip")  # no query says how the body is packed: its bytes do
        route = routeless(CREATE_UPLOAD, policies, UploadHeader, parameters=in_path)
        self._decode_header = Decoder(route)

    def upload_header(self, dataset_id: str, query: bytes) -> UploadHeader:
        """Read what a query string says of a file; InvalidArgument."""
        header = self._decode_header({"dataset_id": dataset_id}, query, b"")
        assert isinstance(header, UploadHeader)
        return header

    async def create_upload(
        self, org_id: str, header: UploadHeader, pieces: AsyncIterator[bytes], metadata: Headers
    ) -> dict[str, Any]:
        """Send a file while it arrives and return the upload; what `pieces` raises gets out."""
        stream = _UploadStream(org_id, header, pieces)
        try:
            reply: CreateUploadResponse = await self._stubs.send(
                CREATE_UPLOAD.path,
                stream.messages(),
                timeout=self._stream_seconds,
                metadata=metadata,
            )
        except asyncio.CancelledError:
            if stream.failure is None:
                raise
            raise stream.failure from None  # grpc cancels a call whose stream fails
        upload: dict[str, Any] = self._upload(reply.upload)
        return upload

    async def rejected_rows(
        self, org_id: str, upload_id: str, metadata: Headers
    ) -> AsyncIterator[bytes]:
        """Yield the CSV of an upload's rejected rows."""
        request = ReadRejectedRowsRequest(org_id=org_id, upload_id=upload_id)
        async for reply in self._stubs.receive(
            READ_REJECTED_ROWS.path, request, timeout=self._stream_seconds, metadata=metadata
        ):
            yield reply.chunk

    async def run_file_url(self, org_id: str, run_id: str, metadata: Headers) -> str:
        request = GetRunFileRequest(org_id=org_id, run_id=run_id)
        return (await self._caller.call(GET_RUN_FILE, request, metadata)).url


class _UploadStream:
    """An upload as the messages of its call; keeps what went wrong with the file."""

    def __init__(self, org_id: str, header: UploadHeader, pieces: AsyncIterator[bytes]) -> None:
        self._org_id = org_id
        self._header = header
        self._pieces = pieces
        self.failure: Exception | None = None

    async def messages(self) -> AsyncIterator[CreateUploadRequest]:
        yield CreateUploadRequest(org_id=self._org_id, header=self._header)
        try:
            async for piece in self._pieces:
                yield CreateUploadRequest(org_id=self._org_id, chunk=piece)
        except Exception as error:
            self.failure = error
            raise

from collections.abc import AsyncIterator

from tenon.reports.v1.upload_pb2 import Upload as PackedUpload
from tenon.reports.v1.upload_service_pb2 import (
    CreateUploadRequest,
    CreateUploadResponse,
    GetUploadRequest,
    GetUploadResponse,
    ReadRejectedRowsRequest,
    ReadRejectedRowsResponse,
    UploadHeader,
)
from tenon.reports.v1.upload_service_pb2_grpc import UploadServiceServicer
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import parse_id
from tenon_reports.uploads.models import Header, Upload
from tenon_reports.uploads.service import UploadService
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class UploadServicer(UploadServiceServicer):
    def __init__(self, uploads: UploadService) -> None:
        self._uploads = uploads

    async def CreateUpload(
        self, requests: AsyncIterator[CreateUploadRequest], context: object
    ) -> CreateUploadResponse:
        header = (await anext(requests)).header
        upload = await self._uploads.create(
            current_call(), parse_id(header.dataset_id), _unpacked(header), _chunks(requests)
        )
        return CreateUploadResponse(upload=_packed(upload))

    async def GetUpload(self, request: GetUploadRequest, context: object) -> GetUploadResponse:
        upload = await self._uploads.get(current_call(), parse_id(request.upload_id))
        return GetUploadResponse(upload=_packed(upload))

    async def ReadRejectedRows(
        self, request: ReadRejectedRowsRequest, context: object
    ) -> AsyncIterator[ReadRejectedRowsResponse]:
        chunks = self._uploads.read_rejected(current_call(), parse_id(request.upload_id))
        async for chunk in chunks:
            yield ReadRejectedRowsResponse(chunk=chunk)


async def _chunks(requests: AsyncIterator[CreateUploadRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            message = "comes first and once; chunks follow"
            raise InvalidArgument(fields=[FieldError("/header", message)])
        yield request.chunk


def _unpacked(header: UploadHeader) -> Header:
    return Header(
        time_column=header.time_column,
        id_column=header.id_column,
        time_zone=header.time_zone,
        null_text=header.null,
        gzip=header.gzip,
    )


def _packed(upload: Upload) -> PackedUpload:
    return PackedUpload(
        id=str(upload.id),
        dataset_id=str(upload.dataset_id),
        state=PackedUpload.State.Value(f"STATE_{upload.state.name}"),
        accepted=upload.counts.accepted,
        duplicates=upload.counts.duplicates,
        conflicts=upload.counts.conflicts,
        rejected=upload.counts.rejected,
        size_bytes=upload.size_bytes,
        failure=upload.failure,
        create_time=packed_time(upload.create_time),
        finish_time=packed_time(upload.finish_time),
        missing_columns=upload.missing_columns,
        waiting_reason=upload.waiting_reason,
    )

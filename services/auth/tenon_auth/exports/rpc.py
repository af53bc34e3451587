from tenon.auth.v1 import export_pb2
from tenon.auth.v1.export_service_pb2 import (
    GetExportFileRequest,
    GetExportFileResponse,
    GetExportRequest,
    GetExportResponse,
    StartExportRequest,
    StartExportResponse,
)
from tenon.auth.v1.export_service_pb2_grpc import ExportServiceServicer
from tenon_auth.exports.models import Export
from tenon_auth.exports.service import ExportService
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class ExportServicer(ExportServiceServicer):
    def __init__(self, exports: ExportService) -> None:
        self._exports = exports

    async def StartExport(
        self, request: StartExportRequest, context: object
    ) -> StartExportResponse:
        return StartExportResponse(export=_packed(await self._exports.start(current_call())))

    async def GetExport(self, request: GetExportRequest, context: object) -> GetExportResponse:
        export = await self._exports.get(current_call(), parse_id(request.export_id))
        return GetExportResponse(export=_packed(export))

    async def GetExportFile(
        self, request: GetExportFileRequest, context: object
    ) -> GetExportFileResponse:
        document = await self._exports.read(current_call(), parse_id(request.export_id))
        return GetExportFileResponse(document=document)


def _packed(export: Export) -> export_pb2.Export:
    return export_pb2.Export(
        id=str(export.id),
        state=export_pb2.Export.State.Value(f"STATE_{export.state.name}"),
        create_time=packed_time(export.create_time),
        finish_time=packed_time(export.finish_time),
        expire_time=packed_time(export.expire_time),
        size_bytes=export.size_bytes,
    )

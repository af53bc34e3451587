from tenon.tenancy.v1 import audit_export_pb2
from tenon.tenancy.v1.audit_export_service_pb2 import (
    GetAuditExportFilesRequest,
    GetAuditExportFilesResponse,
    GetAuditExportRequest,
    GetAuditExportResponse,
    ListAuditExportsRequest,
    ListAuditExportsResponse,
    StartAuditExportRequest,
    StartAuditExportResponse,
)
from tenon.tenancy.v1.audit_export_service_pb2_grpc import AuditExportServiceServicer
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time, unpacked_time
from tenon_tenancy.audit_events.filters import Filters
from tenon_tenancy.audit_exports.models import AuditExport, ExportFormat
from tenon_tenancy.audit_exports.service import AuditExportService

Packed = audit_export_pb2.AuditExport
FORMATS = {Packed.FORMAT_CSV: ExportFormat.CSV, Packed.FORMAT_JSONL: ExportFormat.JSONL}


class AuditExportServicer(AuditExportServiceServicer):
    def __init__(self, exports: AuditExportService, public_url: str) -> None:
        self._exports = exports
        self._public_url = public_url.rstrip("/")

    async def StartAuditExport(
        self, request: StartAuditExportRequest, context: object
    ) -> StartAuditExportResponse:
        filters = Filters(
            start_time=unpacked_time(request, "start_time"),
            end_time=unpacked_time(request, "end_time"),
        )
        file_format = FORMATS.get(request.format)
        export = await self._exports.start(current_call(), file_format, filters)
        return StartAuditExportResponse(export=self._packed(export))

    async def ListAuditExports(
        self, request: ListAuditExportsRequest, context: object
    ) -> ListAuditExportsResponse:
        page = await self._exports.list(current_call(), request.page_size, request.page_token)
        return ListAuditExportsResponse(
            items=map(self._packed, page.items), next_page_token=page.next_page_token
        )

    async def GetAuditExport(
        self, request: GetAuditExportRequest, context: object
    ) -> GetAuditExportResponse:
        export = await self._exports.get(current_call(), parse_id(request.audit_export_id))
        return GetAuditExportResponse(export=self._packed(export))

    async def GetAuditExportFiles(
        self, request: GetAuditExportFilesRequest, context: object
    ) -> GetAuditExportFilesResponse:
        log, checkpoints = await self._exports.links(
            current_call(), parse_id(request.audit_export_id)
        )
        return GetAuditExportFilesResponse(log_url=log, checkpoints_url=checkpoints)

    def _packed(self, export: AuditExport) -> Packed:
        url = f"{self._public_url}/api/orgs/{export.org_id}/audit-exports/{export.id}"
        return Packed(
            id=str(export.id),
            state=Packed.State.Value(f"STATE_{export.state.name}"),
            format=Packed.Format.Value(f"FORMAT_{export.format.name}"),
            start_time=packed_time(export.start_time),
            end_time=packed_time(export.end_time),
            lines=export.lines,
            total=export.total,
            size_bytes=export.size_bytes,
            file_url=f"{url}/file",
            checkpoints_url=f"{url}/checkpoints",
            failure=export.failure,
            create_time=packed_time(export.create_time),
            finish_time=packed_time(export.finish_time),
            expire_time=packed_time(export.expire_time),
        )

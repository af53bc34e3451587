"""Exported files: the stable links of exports, and the signed links of the file driver."""

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from tenon_core.errors import NotFound
from tenon_gateway.clients.reports import ReportsClient
from tenon_gateway.clients.rpcs import GET_AUDIT_EXPORT_FILES, GET_RUN_FILE
from tenon_gateway.clients.tenancy import TenancyClient
from tenon_gateway.routers.endpoints import GATEWAY_TAG, READ, Endpoint, exchange_of
from tenon_gateway.transcoding.manual import Content, ManualOperation
from tenon_storage.errors import ObjectNotFound
from tenon_storage.links import attachment, verify_link

GET_RUN_FILE_OPERATION = ManualOperation(
    "GET", "/api/orgs/{org_id}/runs/{run_id}/file", rpcs=(GET_RUN_FILE.path,), status=302
)
AUDIT_EXPORT = "/api/orgs/{org_id}/audit-exports/{audit_export_id}"
GET_AUDIT_LOG_OPERATION = ManualOperation(
    "GET",
    f"{AUDIT_EXPORT}/file",
    rpcs=(GET_AUDIT_EXPORT_FILES.path,),
    name="GetAuditExportFile",
    status=302,
)
GET_CHECKPOINTS_OPERATION = ManualOperation(
    "GET",
    f"{AUDIT_EXPORT}/checkpoints",
    rpcs=(GET_AUDIT_EXPORT_FILES.path,),
    name="GetAuditExportCheckpoints",
    status=302,
)
GET_FILE_OPERATION = ManualOperation(
    "GET",
    "/api/files/{token}",
    name="GetFile",
    tag=GATEWAY_TAG,
    summary="Returns the file that a signed link leads to. Whoever has the link may.",
    reply=Content(schema={"type": "string"}, media_type="application/octet-stream"),
)
OPERATIONS = (
    GET_RUN_FILE_OPERATION,
    GET_AUDIT_LOG_OPERATION,
    GET_CHECKPOINTS_OPERATION,
    GET_FILE_OPERATION,
)


class FilesRouter:
    def __init__(
        self,
        reports: ReportsClient,
        tenancy: TenancyClient,
        directory: Path | None,
        link_key: bytes,
    ) -> None:
        """Serve signed links to files below `directory`; None if another driver serves them."""
        self._reports = reports
        self._tenancy = tenancy
        self._directory = directory
        self._link_key = link_key

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(GET_RUN_FILE_OPERATION, self.get_run_file),
            Endpoint(GET_AUDIT_LOG_OPERATION, self.get_audit_log),
            Endpoint(GET_CHECKPOINTS_OPERATION, self.get_checkpoints),
            Endpoint(GET_FILE_OPERATION, self.get_file, rate=READ),
        ]

    async def get_run_file(self, request: Request) -> Response:
        exchange = exchange_of(request)
        parameters = exchange.parameters
        url = await self._reports.run_file_url(
            parameters["org_id"], parameters["run_id"], exchange.metadata()
        )
        return RedirectResponse(url, 302)

    async def get_audit_log(self, request: Request) -> Response:
        log, _ = await self._audit_export_urls(request)
        return RedirectResponse(log, 302)

    async def get_checkpoints(self, request: Request) -> Response:
        _, checkpoints = await self._audit_export_urls(request)
        return RedirectResponse(checkpoints, 302)

    async def _audit_export_urls(self, request: Request) -> tuple[str, str]:
        exchange = exchange_of(request)
        parameters = exchange.parameters
        return await self._tenancy.audit_export_urls(
            parameters["org_id"], parameters["audit_export_id"], exchange.metadata()
        )

    async def get_file(self, request: Request) -> Response:
        if self._directory is None:
            raise NotFound
        grant = verify_link(exchange_of(request).parameters["token"], self._link_key)
        path = self._directory / grant.path
        if not path.is_file():
            raise ObjectNotFound
        return FileResponse(path, headers={"content-disposition": attachment(grant.filename)})

"""Exported files: the stable link of a run, and the signed links of the file driver."""

from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from tenon_core.errors import NotFound
from tenon_gateway.clients.reports import ReportsClient
from tenon_gateway.clients.rpcs import GET_RUN_FILE
from tenon_gateway.routers.endpoints import GATEWAY_TAG, READ, Endpoint, exchange_of
from tenon_gateway.transcoding.manual import Content, ManualOperation
from tenon_storage.errors import ObjectNotFound
from tenon_storage.links import attachment, verify_link

GET_RUN_FILE_OPERATION = ManualOperation(
    "GET", "/api/orgs/{org_id}/runs/{run_id}/file", rpcs=(GET_RUN_FILE.path,), status=302
)
GET_FILE_OPERATION = ManualOperation(
    "GET",
    "/api/files/{token}",
    name="GetFile",
    tag=GATEWAY_TAG,
    summary="Returns the file that a signed link leads to. Whoever has the link may.",
    reply=Content(schema={"type": "string"}, media_type="application/octet-stream"),
)
OPERATIONS = (GET_RUN_FILE_OPERATION, GET_FILE_OPERATION)


class FilesRouter:
    def __init__(self, reports: ReportsClient, directory: Path | None, link_key: bytes) -> None:
        """Serve signed links to files below `directory`; None if another driver serves them."""
        self._reports = reports
        self._directory = directory
        self._link_key = link_key

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(GET_RUN_FILE_OPERATION, self.get_run_file),
            Endpoint(GET_FILE_OPERATION, self.get_file, rate=READ),
        ]

    async def get_run_file(self, request: Request) -> Response:
        exchange = exchange_of(request)
        parameters = exchange.parameters
        url = await self._reports.run_file_url(
            parameters["org_id"], parameters["run_id"], exchange.metadata()
        )
        return RedirectResponse(url, 302)

    async def get_file(self, request: Request) -> Response:
        if self._directory is None:
            raise NotFound
        grant = verify_link(exchange_of(request).parameters["token"], self._link_key)
        path = self._directory / grant.path
        if not path.is_file():
            raise ObjectNotFound
        return FileResponse(path, headers={"content-disposition": attachment(grant.filename)})

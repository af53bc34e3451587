"""CSV in and out: files stream through, and are never held whole."""

from collections.abc import AsyncIterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from tenon_gateway.clients.reports import ReportsClient
from tenon_gateway.clients.rpcs import CREATE_UPLOAD, READ_REJECTED_ROWS
from tenon_gateway.errors import UploadTooLarge, unsupported_media_type
from tenon_gateway.pipeline.body import content_type, declared_bytes, stream_body
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.routers.endpoints import Endpoint, exchange_of
from tenon_gateway.settings import GatewaySettings
from tenon_gateway.transcoding.encoders import to_json
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation

CSV = "text/csv"
GZIP_TYPES = frozenset({"application/gzip", "application/x-gzip"})
GZIP_MAGIC = b"\x1f\x8b"
PIECE_BYTES = 128 * 1024
"""An upload that brings less than this in `body_seconds` is given up."""

_TEXT = {"type": "string"}
CREATE_OPERATION = ManualOperation(
    "POST",
    "/api/orgs/{org_id}/datasets/{dataset_id}/uploads",
    rpcs=(CREATE_UPLOAD.path,),
    query={"time_column": _TEXT, "id_column": _TEXT, "time_zone": _TEXT, "null": _TEXT},
    body=Content(schema=_TEXT, media_type=CSV),
    status=202,
    reply=Content(CREATE_UPLOAD.shown),
)
READ_REJECTED_OPERATION = ManualOperation(
    "GET",
    "/api/orgs/{org_id}/uploads/{upload_id}/rejected",
    rpcs=(READ_REJECTED_ROWS.path,),
    reply=Content(schema=_TEXT, media_type=CSV),
)
OPERATIONS = (CREATE_OPERATION, READ_REJECTED_OPERATION)


class UploadsRouter:
    def __init__(self, reports: ReportsClient, settings: GatewaySettings) -> None:
        self._reports = reports
        self._settings = settings

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(CREATE_OPERATION, self.create),
            Endpoint(READ_REJECTED_OPERATION, self.read_rejected),
        ]

    async def create(self, request: Request) -> Response:
        exchange = exchange_of(request)
        parameters = exchange.parameters
        header = self._reports.upload_header(
            parameters["dataset_id"], exchange.scope["query_string"]
        )
        announced_gzip = _is_gzip(exchange)
        pieces = self._pieces(exchange)
        first = await anext(pieces, b"")
        header.gzip = announced_gzip or first.startswith(GZIP_MAGIC)
        upload = await self._reports.create_upload(
            parameters["org_id"], header, _chain(first, pieces), exchange.metadata()
        )
        return Response(to_json(upload), 202, media_type=JSON)

    async def read_rejected(self, request: Request) -> Response:
        exchange = exchange_of(request)
        parameters = exchange.parameters
        rows = self._reports.rejected_rows(
            parameters["org_id"], parameters["upload_id"], exchange.metadata()
        )
        first = await anext(rows, b"")  # so that a refusal comes before the reply begins
        return StreamingResponse(_chain(first, rows), media_type=CSV)

    async def _pieces(self, exchange: Exchange) -> AsyncIterator[bytes]:
        settings = self._settings
        if declared_bytes(exchange) > settings.max_upload_bytes:
            raise UploadTooLarge
        size = 0
        async for piece in stream_body(
            exchange, piece_bytes=PIECE_BYTES, seconds=settings.body_seconds
        ):
            size += len(piece)
            if size > settings.max_upload_bytes:
                raise UploadTooLarge
            yield piece


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


def _is_gzip(exchange: Exchange) -> bool:
    """Say whether the headers announce gzip; Refusal for a type or coding that is not taken."""
    kind = content_type(exchange)
    coding = exchange.header(b"content-encoding").strip().lower()
    if (kind != CSV and kind not in GZIP_TYPES) or coding not in ("", "identity", "gzip"):
        raise unsupported_media_type(f"{CSV}, optionally compressed by gzip")
    return kind in GZIP_TYPES or coding == "gzip"

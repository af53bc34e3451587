"""The API's description: openapi.json, and Swagger UI to read and try it, with its own assets."""

from collections.abc import Mapping
from importlib.resources import files

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from tenon_core.errors import NotFound
from tenon_gateway.routers.endpoints import GATEWAY_TAG, READ, Endpoint, exchange_of
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation

ROOT_OPERATION = ManualOperation(
    "GET",
    "/",
    name="ShowRoot",
    tag=GATEWAY_TAG,
    summary="Leads to the account page, or to the documentation.",
    status=302,
)
OPENAPI_OPERATION = ManualOperation(
    "GET",
    "/api/openapi.json",
    name="GetOpenapi",
    tag=GATEWAY_TAG,
    summary="Returns this document.",
    reply=Content(schema={"type": "object"}),
)
PAGE_OPERATION = ManualOperation(
    "GET",
    "/api/docs",
    name="ShowDocs",
    tag=GATEWAY_TAG,
    summary="Shows this document as a page.",
    reply=Content(schema={"type": "string"}, media_type="text/html"),
)
ASSET_OPERATION = ManualOperation(
    "GET",
    "/api/docs/{name}",
    name="GetDocsAsset",
    tag=GATEWAY_TAG,
    summary="Returns what the page is made of.",
    reply=Content(schema={"type": "string"}, media_type="application/octet-stream"),
)
OPERATIONS = (ROOT_OPERATION, OPENAPI_OPERATION, PAGE_OPERATION, ASSET_OPERATION)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tenon API</title>
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</html>
"""
START = 'SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#swagger-ui"});\n'
# Swagger UI styles its elements by attributes, and draws icons from data URLs.
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
}
ASSET_HEADERS = {"cache-control": "public, max-age=86400"}
BUNDLED = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


class DocsRouter:
    def __init__(self, document: bytes, *, root: str) -> None:
        """Show an OpenAPI document; `/` leads to `root`."""
        self._document = document
        self._root = root
        self._assets = _read_assets()

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(ROOT_OPERATION, self.root, rate=READ),
            Endpoint(OPENAPI_OPERATION, self.openapi, rate=READ),
            Endpoint(PAGE_OPERATION, self.page, rate=READ),
            Endpoint(ASSET_OPERATION, self.asset, rate=READ),
        ]

    async def root(self, request: Request) -> Response:  # noqa: ARG002 # a handler's form
        return RedirectResponse(self._root, 302)

    async def openapi(self, request: Request) -> Response:  # noqa: ARG002 # a handler's form
        return Response(self._document, media_type=JSON)

    async def page(self, request: Request) -> Response:  # noqa: ARG002 # a handler's form
        return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)

    async def asset(self, request: Request) -> Response:
        name = exchange_of(request).parameters["name"]
        if name not in self._assets:
            raise NotFound
        body, media_type = self._assets[name]
        return Response(body, media_type=media_type, headers=ASSET_HEADERS)


def _read_assets() -> Mapping[str, tuple[bytes, str]]:
    """Return the assets by name; Swagger UI itself comes with the package fastapi-offline."""
    static = files("fastapi_offline") / "static"
    assets = {name: ((static / name).read_bytes(), kind) for name, kind in BUNDLED.items()}
    return {**assets, "start.js": (START.encode(), "text/javascript")}

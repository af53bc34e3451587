"""Built-in pages for the links of mails, until a front end serves these paths."""

from importlib.resources import files

from fastapi import Request, Response

from tenon_core.errors import NotFound
from tenon_gateway.pages.rendering import ASSETS, account_page, form_page
from tenon_gateway.pages.table import ACCOUNT_PATHS, FORMS
from tenon_gateway.routers.endpoints import GATEWAY_TAG, READ, Endpoint, exchange_of
from tenon_gateway.transcoding.manual import Content, ManualOperation

HTML = Content(schema={"type": "string"}, media_type="text/html")
PAGES = {
    **{page.path: form_page(page) for page in FORMS},
    **dict.fromkeys(ACCOUNT_PATHS, account_page()),
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
ASSET_TYPES = {"pages.js": "text/javascript", "pages.css": "text/css"}


def _operation(path: str) -> ManualOperation:
    words = path.replace("/", "-").strip("-").split("-")
    return ManualOperation(
        "GET",
        path,
        name=f"Show{''.join(word.capitalize() for word in words)}Page",
        tag=GATEWAY_TAG,
        summary="Shows the built-in page for links in mails.",
        reply=HTML,
    )


PAGE_OPERATIONS = tuple(_operation(path) for path in PAGES)
ASSET_OPERATION = ManualOperation(
    "GET",
    f"{ASSETS}/{{name}}",
    name="GetPageAsset",
    tag=GATEWAY_TAG,
    summary="Returns the script or the style sheet of the built-in pages.",
    reply=Content(schema={"type": "string"}, media_type="application/octet-stream"),
)
OPERATIONS = (*PAGE_OPERATIONS, ASSET_OPERATION)


class PagesRouter:
    def __init__(self, *, enabled: bool) -> None:
        """Without `enabled`, a front end serves these paths, and the gateway has no pages."""
        self._enabled = enabled
        folder = files("tenon_gateway.pages")
        self._assets = {name: (folder / name).read_bytes() for name in ASSET_TYPES}

    def endpoints(self) -> list[Endpoint]:
        pages = [Endpoint(operation, self.page, rate=READ) for operation in PAGE_OPERATIONS]
        return [*pages, Endpoint(ASSET_OPERATION, self.asset, rate=READ)]

    async def page(self, request: Request) -> Response:
        if not self._enabled:
            raise NotFound
        return Response(PAGES[request.url.path], media_type="text/html", headers=HEADERS)

    async def asset(self, request: Request) -> Response:
        name = exchange_of(request).parameters["name"]
        if not self._enabled or name not in self._assets:
            raise NotFound
        return Response(self._assets[name], media_type=ASSET_TYPES[name], headers=HEADERS)

"""Every link of every mail leads to a page, whose form calls a route that takes what it sends."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from services.gateway.tests.browsing import Gateway, Serve
from tenon_gateway.pages.table import ACCOUNT_PATHS, FORMS
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.document import compile_document
from tenon_gateway.transcoding.routes import compile_routes

TEMPLATES = Path(__file__).parents[3] / "notifications/tenon_notifications/emails/templates"
LINK = re.compile(r'public_url(?: ~ "| \}\})(/[a-z/-]*)?')
PATHS = [*(page.path for page in FORMS), *ACCOUNT_PATHS]


def linked_paths() -> set[str]:
    """Return the paths of this site that the templates of mails lead to."""
    texts = [path.read_text() for path in TEMPLATES.iterdir()]
    return {path or "/" for text in texts for path in LINK.findall(text)}


class Forms(HTMLParser):
    """The forms of a page: route, member for the token, and the names of the inputs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []
        self.scripts: list[dict[str, str | None]] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes |= values.keys()
        if tag == "form":
            self.found.append((values["data-route"] or "", {values["data-token"] or ""} - {""}))
        elif tag == "input":
            self.found[-1][1].add(values["name"] or "")
        elif tag == "script":
            self.scripts.append(values)


def test_the_templates_have_links() -> None:
    assert {"/", "/verify-email", "/reset-password", "/accept-invitation"} <= linked_paths()


@pytest.mark.parametrize("path", sorted({*linked_paths(), *PATHS}))
async def test_a_link_of_a_mail_leads_to_a_page(gateway: Gateway, path: str) -> None:
    reply = await gateway.client.get(path)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_runs_no_script_but_its_own(gateway: Gateway, path: str) -> None:
    reply = await gateway.client.get(path)
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert reply.headers["referrer-policy"] == "no-referrer"
    page = await reply.text()
    assert [script["src"] for script in Forms(page).scripts] == ["/api/pages/pages.js"]
    assert "style=" not in page
    assert not [name for name in Forms(page).attributes if name.startswith("on")]
    for name in ("pages.js", "pages.css"):
        assert (await gateway.client.get(f"/api/pages/{name}")).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_form_sends_what_its_route_takes(gateway: Gateway, path: str) -> None:
    document = compile_document(compile_routes(load_services()), OPERATIONS)
    forms = Forms(await (await gateway.client.get(path)).text()).found
    assert forms
    for route, names in forms:
        body = document["paths"][route]["post"]["requestBody"]["content"]["application/json"]
        schema = body["schema"]
        while "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert names <= set(schema["properties"])
        assert set(schema.get("required", ())) <= names


async def test_a_front_end_can_take_the_pages_over(serve: Serve) -> None:
    async with serve(pages=False) as gateway:
        for path in [*PATHS, "/api/pages/pages.js"]:
            assert (await gateway.client.get(path)).status == 404
        assert (await gateway.client.get("/")).url.path == "/api/docs"

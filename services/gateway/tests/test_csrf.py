"""B6: whether a browser could be led into it: unsafe methods with a cookie. The routes are those of
the compiled table and of the hand-written operations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from uuid import uuid4

import pytest

from services.gateway.tests.browsing import Gateway, Serve, bearer, problem
from tenon_gateway.pipeline.credentials import Credentials
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import PARAMETER, compile_routes
from tenon_gateway.transcoding.table import Routable
from tenon_testing.callers import PASSWORD, Caller, Callers

OWN = "http://127.0.0.1:{port}"
SAME = "same-origin"
SITES = (None, SAME, "same-site", "cross-site", "none", "", "Same-Origin", "same-origin, none")
ORIGINS = (
    None,
    OWN,
    "",
    "null",
    "https://evil.example",
    "http://evil.example:{port}",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example#http://127.0.0.1:{port}",
    "http://127.0.0.1:{port}, https://evil.example",
)
TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/csv",
)
COOKIES = ("access", "refresh", "both", "none")
READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Page:
    """What a browser says of the page that sends a request, and which cookies it adds."""

    site: str | None
    origin: str | None
    kind: str
    cookies: str

    @property
    def is_ours(self) -> bool:
        return self.site == SAME or self.origin == OWN

    @property
    def is_no_browser(self) -> bool:
        """A client that neither names a page nor has cookies is led by nobody."""
        return self.cookies == "none" and not self.site and not self.origin

    def headers(self, gateway: Gateway, caller: Caller) -> dict[str, str]:
        headers = {"content-type": self.kind}
        if self.site is not None:
            headers["sec-fetch-site"] = self.site
        if self.origin is not None:
            headers["origin"] = self.origin.format(port=gateway.port)
        if self.cookies != "none":
            headers["cookie"] = _cookies(gateway, caller, self.cookies)
        return headers


def _cookies(gateway: Gateway, caller: Caller, which: str) -> str:
    both: list[str] = gateway.cookies(caller)["cookie"].split("; ")
    return "; ".join(pair for pair in both if which == "both" or f"_{which}_" in pair)


PAGES = [Page(*said) for said in product(SITES, ORIGINS, TYPES, COOKIES)]
FOREIGN = [page for page in PAGES if not page.is_ours and not page.is_no_browser]
OURS = [
    Page(site, origin, kind, "both")
    for site, origin in ((SAME, None), (None, OWN), (SAME, OWN), ("none", OWN))
    for kind in TYPES
]


def unsafe_routes() -> list[tuple[str, str]]:
    routes: list[Routable] = [*compile_routes(load_services()), *OPERATIONS]
    return sorted((route.method, route.path) for route in routes if route.method not in READING)


async def taken(
    gateway: Gateway, caller: Caller, routes: Iterable[tuple[str, str]], pages: Sequence[Page]
) -> list[tuple[str, str, Page]]:
    """Return what was not refused as coming from a foreign page."""
    found = []
    for (method, template), page in product(routes, pages):
        path = PARAMETER.sub(str(uuid4()), template)
        headers = page.headers(gateway, caller)
        response = await gateway.client.request(method, path, headers=headers, data=b"{}")
        if response.status != 403 or (await problem(response))["code"] != "csrf_refused":
            found.append((method, template, page))
    return found


async def test_a_foreign_page_is_refused_at_every_route(gateway: Gateway, callers: Callers) -> None:
    """With other pages for each route, so that all of them come."""
    caller = await callers.user()
    routes = unsafe_routes()
    assert len(routes) >= 20
    for number, route in enumerate(routes):
        pages = FOREIGN[number % len(routes) :: len(routes)]
        assert await taken(gateway, caller, [route], pages) == []


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_every_foreign_page_is_refused_at_every_route(
    gateway: Gateway, callers: Callers
) -> None:
    routes = unsafe_routes()
    assert await taken(gateway, await callers.user(), routes, FOREIGN) == []
    print(f"{len(routes) * len(FOREIGN)} requests at {len(routes)} routes")  # noqa: T201 # the figure


async def test_our_own_pages_are_refused_at_no_route(gateway: Gateway, callers: Callers) -> None:
    caller = await callers.user()
    routes = unsafe_routes()
    assert len(await taken(gateway, caller, routes, OURS)) == len(routes) * len(OURS)


async def test_the_control_without_the_guard_lets_foreign_pages_in(
    gateway: Gateway, callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Credentials, "_require_same_site", lambda *_, **__: None)
    caller, routes, pages = await callers.user(), unsafe_routes(), FOREIGN[::101]
    assert len(await taken(gateway, caller, routes, pages)) == len(routes) * len(pages)


@pytest.mark.parametrize(
    "origin", ["http://localhost:{port}", "http://[::1]:{port}", "http://127.0.0.1:{port}"]
)
async def test_any_name_of_loopback_is_our_own_in_development(
    gateway: Gateway, callers: Callers, origin: str
) -> None:
    headers = {
        "cookie": gateway.cookies(await callers.user())["cookie"],
        "origin": origin.format(port=gateway.port),
    }
    response = await gateway.client.post("/api/orgs", json={"name": "Acme"}, headers=headers)
    assert response.status == 201


async def test_in_production_only_the_public_url_is_our_own(serve: Serve, callers: Callers) -> None:
    caller = await callers.user()
    async with serve(environment="production") as gateway:
        for name, status in (("localhost", 403), ("127.0.0.1", 201)):
            headers = {
                "cookie": gateway.cookies(caller)["cookie"],
                "origin": f"http://{name}:{gateway.port}",
            }
            body = {"name": "Acme"}
            response = await gateway.client.post("/api/orgs", json=body, headers=headers)
            assert response.status == status


async def test_reading_needs_no_origin(gateway: Gateway, callers: Callers) -> None:
    headers = {"cookie": gateway.cookies(await callers.user())["cookie"]}
    assert (await gateway.client.get("/api/orgs", headers=headers)).status == 200


async def test_a_bearer_needs_no_origin(gateway: Gateway, callers: Callers) -> None:
    headers = bearer(await callers.user())
    response = await gateway.client.post("/api/orgs", json={"name": "Acme"}, headers=headers)
    assert response.status == 201


async def test_cookie_and_bearer_together_are_refused(gateway: Gateway, callers: Callers) -> None:
    caller = await callers.user()
    headers = {**gateway.cookies(caller), **bearer(caller)}
    response = await gateway.client.get("/api/orgs", headers=headers)
    assert (response.status, (await problem(response))["code"]) == (400, "two_credentials")


async def test_a_client_that_is_no_browser_logs_in(gateway: Gateway, callers: Callers) -> None:
    credentials = {"email": (await callers.user()).email, "password": PASSWORD}
    response = await gateway.client.post("/api/auth/login", json=credentials)
    assert response.status == 200


async def test_a_foreign_page_logs_nobody_in(gateway: Gateway, callers: Callers) -> None:
    credentials = {"email": (await callers.user()).email, "password": PASSWORD}
    headers = {"origin": "https://evil.example"}
    response = await gateway.client.post("/api/auth/login", json=credentials, headers=headers)
    assert response.status == 403


async def test_cookies_of_another_port_are_not_ours(gateway: Gateway) -> None:
    headers = {"cookie": "tenon_access_1=x; tenon_refresh_1=y"}
    response = await gateway.client.post("/api/orgs", json={}, headers=headers)
    assert (response.status, (await problem(response))["code"]) == (401, "unauthenticated")


async def test_a_refusal_names_the_origin_that_is_needed(
    gateway: Gateway, callers: Callers
) -> None:
    headers = {"cookie": gateway.cookies(await callers.user())["cookie"]}
    response = await gateway.client.post("/api/orgs", json={"name": "Acme"}, headers=headers)
    detail = (await problem(response))["detail"]
    assert f"Origin: http://127.0.0.1:{gateway.port}," in detail

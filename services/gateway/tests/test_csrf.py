"""Whether a browser could be led into it: unsafe methods with a cookie."""

from itertools import product

import pytest

from services.gateway.tests.browsing import Gateway, Serve, bearer, problem
from tenon_testing.callers import PASSWORD, Callers

SITES = (None, "same-origin", "same-site", "cross-site", "none")
ORIGINS = (None, "own", "null", "https://evil.example", "http://127.0.0.1:1", "http://evil:{port}")
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded")
UNSAFE = (
    ("POST", "/api/orgs"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("DELETE", "/api/orgs/x/members/y"),
    ("PATCH", "/api/orgs/x/datasets/y"),
)


def page_headers(gateway: Gateway, site: str | None, origin: str | None) -> dict[str, str]:
    headers = {}
    if site:
        headers["sec-fetch-site"] = site
    if origin:
        own = f"http://127.0.0.1:{gateway.port}"
        headers["origin"] = own if origin == "own" else origin.format(port=gateway.port)
    return headers


@pytest.mark.parametrize(("method", "path"), UNSAFE)
async def test_a_foreign_page_is_refused(
    gateway: Gateway, callers: Callers, method: str, path: str
) -> None:
    cookie = gateway.cookies(await callers.user())["cookie"]
    accepted = []
    for site, origin, kind in product(SITES, ORIGINS, TYPES):
        headers = {"cookie": cookie, "content-type": kind, **page_headers(gateway, site, origin)}
        response = await gateway.client.request(method, path, headers=headers, data=b"{}")
        if response.status != 403 or (await problem(response))["code"] != "csrf_refused":
            accepted.append((site, origin))
    assert {pair for pair in accepted if pair[0] != "same-origin" and pair[1] != "own"} == set()


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

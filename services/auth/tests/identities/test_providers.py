"""A provider that is slow, large or not what it says it is holds nothing up, and leads nowhere."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from services.auth.tests.identities.conftest import fresh
from services.auth.tests.identities.hostile_provider import Hostile, Reply, serving
from services.auth.tests.identities.visitor import Visitor
from tenon_auth.providers import fetching, service
from tenon_rpc.status import PeerError
from tenon_testing.system import System


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1_000):
        await response.write(b" " * 65_536)
    return response


async def elsewhere(request: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect(f"{request.url.origin()}/elsewhere")


async def packed(_: web.Request) -> web.StreamResponse:
    response = web.json_response({"id_token": " " * 10_000_000})
    response.enable_compression(web.ContentCoding.gzip)
    return response


def saying(body: str, status: int = 200) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status)

    return reply


BAD: dict[str, tuple[Reply, str]] = {
    "slow": (slow, "provider_unavailable"),
    "drip by drip": (drip, "provider_unavailable"),
    "huge": (huge, "provider_unavailable"),
    "packed": (packed, "provider_unavailable"),
    "redirecting": (elsewhere, "provider_unavailable"),
    "failing": (saying("{}", 503), "provider_unavailable"),
    "no JSON": (saying("hello"), "provider_unavailable"),
    "no object": (saying("[]"), "provider_unavailable"),
    "deep": (saying("[" * 100_000), "provider_unavailable"),
    "empty": (saying(""), "provider_unavailable"),
    "no token": (saying("{}"), "id_token_invalid"),
    "token of another kind": (saying('{"id_token": {"alg": "none"}}'), "id_token_invalid"),
    "refusing in half characters": (saying('{"error": "\\ud800"}', 400), "provider_refused"),
    "giving half a token": (saying('{"id_token": "\\ud800"}'), "id_token_invalid"),
    "refusing": (saying('{"error": "invalid_grant"}', 400), "provider_refused"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_token_endpoint_logs_nobody_in(
    visitor: Visitor, hostile: Hostile, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    """And whoever comes next, with the endpoint well again, is not in its way."""
    monkeypatch.setattr(fetching, "SECONDS", 0.5)
    hostile.token, reason = BAD[bad]
    assert await visitor.refused() == reason
    assert "/elsewhere" not in hostile.fetched
    hostile.token = None
    assert await visitor.refused() == ""


async def test_all_that_is_asked_at_once_has_one_bound(
    visitor: Visitor, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.2)
    hostile.token = slow
    assert await visitor.refused() == "provider_unavailable"


async def test_discovery_is_asked_once_for_many(system: System) -> None:
    async with serving(Hostile()) as hostile, fresh(system, hostile) as visitor:
        await asyncio.gather(*(visitor.start() for _ in range(20)))
        assert await visitor.refused() == ""
        assert await visitor.refused() == ""
        assert hostile.fetched.count("/.well-known/openid-configuration") == 1
        assert hostile.fetched.count("/keys") == 1


async def test_a_provider_that_is_not_well_is_told_and_asked_again(system: System) -> None:
    async with serving(Hostile()) as hostile, fresh(system, hostile) as visitor:
        hostile.discovery = {"issuer": "https://evil.example"}
        assert await refused(visitor.start) == "provider_unavailable"
        hostile.reset()
        assert await visitor.refused() == ""


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"token_endpoint": "http://127.0.0.1.evil.example/token"},
        {"token_endpoint": "https://user@evil.example/token"},
        {"token_endpoint": "https:///token"},
        {"token_endpoint": ""},
        {"token_endpoint": 7},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "https://acme.example/é"},
        {"authorization_endpoint": "https://acme.example/ a"},
        {"authorization_endpoint": "https://acme.example/\r\nset-cookie: a=b"},
        {"authorization_endpoint": "https://acme.example:99999/"},
        {"userinfo_endpoint": "http://10.0.0.1/"},
    ],
)
async def test_a_document_that_leads_astray_is_not_followed(
    system: System, document: dict[str, Any]
) -> None:
    async with serving(Hostile()) as hostile, fresh(system, hostile) as visitor:
        hostile.discovery = document
        assert await refused(visitor.start) == "provider_unavailable"


async def test_a_provider_without_basic_gets_the_secret_in_the_form(system: System) -> None:
    forms: list[dict[str, Any]] = []

    async def noting(request: web.Request) -> web.StreamResponse:
        assert "authorization" not in request.headers
        forms.append(dict(await request.post()))
        return web.json_response({"error": "invalid_grant"}, status=400)

    async with serving(Hostile()) as hostile, fresh(system, hostile) as visitor:
        hostile.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        hostile.token = noting
        assert await visitor.refused() == "provider_refused"
    assert (forms[0]["client_id"], forms[0]["client_secret"]) == ("tenon", "of a test: +/%")


async def test_a_provider_that_says_that_it_names_itself_must(system: System) -> None:
    async with serving(Hostile()) as hostile, fresh(system, hostile) as visitor:
        hostile.discovery = {"authorization_response_iss_parameter_supported": True}
        assert await visitor.refused() == "provider_refused"
        assert hostile.exchanged == []
        begun = await visitor.start()
        assert await visitor.told(begun, hostile.code(begun.url), iss=hostile.issuer) == ""
        begun = await visitor.start()
        assert await visitor.told(begun, "", error="access_denied") == "provider_denied"


async def refused(act: Callable[[], Awaitable[object]]) -> str:
    try:
        await act()
    except PeerError as error:
        return error.reason
    return ""

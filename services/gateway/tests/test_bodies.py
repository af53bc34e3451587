"""Request bodies, and what is no request of ours."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from services.gateway.tests.browsing import Gateway, Serve, bearer, problem
from tenon_testing.callers import Callers

KIB = 1024


async def chunks(count: int, size: int = 64 * KIB) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * size


async def refusal(
    gateway: Gateway, callers: Callers, data: object, **headers: str
) -> tuple[int, str]:
    given = {**bearer(await callers.user()), "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    response = await gateway.client.post("/api/orgs", data=data, headers=given)
    return response.status, (await problem(response))["code"]


async def test_a_large_body_is_refused(gateway: Gateway, callers: Callers) -> None:
    body = b" " * (1024 * KIB + 1)
    assert await refusal(gateway, callers, BytesIO(body)) == (413, "body_too_large")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"name": ' * 100_000])
async def test_a_deep_body_is_refused_by_its_size(
    gateway: Gateway, callers: Callers, body: bytes
) -> None:
    assert await refusal(gateway, callers, body) == (413, "body_too_large")


async def test_a_large_body_of_unknown_length_is_refused(
    gateway: Gateway, callers: Callers
) -> None:
    assert await refusal(gateway, callers, chunks(64)) == (413, "body_too_large")


async def test_ingest_takes_larger_bodies(gateway: Gateway, callers: Callers) -> None:
    tenant = await callers.tenant()
    path = f"/api/orgs/{tenant.org_id}/datasets/x/events"
    headers = {**bearer(tenant.owner), "content-type": "application/json"}
    for mebibytes, status in ((15, 422), (17, 413)):
        body = b'"' + b" " * (mebibytes * KIB * KIB) + b'"'
        response = await gateway.client.post(path, data=BytesIO(body), headers=headers)
        assert response.status == status


async def test_a_body_that_does_not_arrive_is_given_up(serve: Serve, callers: Callers) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with serve(body_seconds=0.2) as gateway:
        assert await refusal(gateway, callers, stalled()) == (408, "body_timeout")


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_encoding": "gzip"},
    ],
    ids=str,
)
async def test_only_plain_json_is_taken(
    gateway: Gateway, callers: Callers, headers: dict[str, str]
) -> None:
    told = await refusal(gateway, callers, b'{"name": "Acme"}', **headers)
    assert told == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"name": "\xc3\x28"}',
        b'{"name": "\\u0000"}',
        b"[" * 10_000,
        b'{"name": ' * 1_000,
        b'{"nick": "x"}',
        b'{"name": 7}',
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_a_hostile_body_is_refused(gateway: Gateway, callers: Callers, body: bytes) -> None:
    assert await refusal(gateway, callers, body) == (422, "invalid_argument")


async def test_the_charset_of_json_may_be_named(gateway: Gateway, callers: Callers) -> None:
    headers = {**bearer(await callers.user()), "content-type": "Application/JSON; charset=utf-8"}
    response = await gateway.client.post("/api/orgs", data=b'{"name": "Acme"}', headers=headers)
    assert response.status == 201


@pytest.mark.parametrize(
    "path", ["/x", "/api", "/api/", "/api/orgs/", "/api//orgs", "/api/orgs/x/y"]
)
async def test_an_unknown_path_is_told_as_a_problem(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(path)
    assert (response.status, (await problem(response))["code"]) == (404, "not_found")


async def test_another_method_is_told_what_the_path_knows(gateway: Gateway) -> None:
    response = await gateway.client.put("/api/orgs")
    assert (response.status, (await problem(response))["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


async def test_an_escaped_slash_stays_in_its_parameter(gateway: Gateway, callers: Callers) -> None:
    headers = bearer(await callers.user())
    response = await gateway.client.get("/api/orgs/a%2Fb", headers=headers)
    assert response.status == 404
    await problem(response)


async def test_head_is_get_without_the_body(gateway: Gateway, callers: Callers) -> None:
    headers = bearer(await callers.user())
    for path in ("/api/orgs", "/api/auth/session", "/healthz"):
        got = await gateway.client.get(path, headers=headers)
        headed = await gateway.client.head(path, headers=headers)
        assert (headed.status, await headed.read()) == (200, b"")
        assert headed.headers["content-length"] == got.headers["content-length"]

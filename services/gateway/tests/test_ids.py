"""Ids in paths are parsed before anything is made of them: what is no id is an unknown id, and no
key in Redis has a part that a client chose.
"""

from uuid import uuid4

import pytest
from aiohttp import ClientResponse
from redis.asyncio import Redis

from services.gateway.tests.browsing import Gateway, bearer, problem
from tenon_gateway.routers.operations import OPERATIONS
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import PARAMETER, compile_routes
from tenon_policy.tags import tag_key
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System

LONG = "x" * 20_000
MAX_KEY_BYTES = 200
NO_IDS = {"token", "name", "provider"}


def routes() -> list[tuple[str, str]]:
    """Return method and path of each route that has an id besides the organization's."""
    found = [(route.method, route.path) for route in compile_routes(load_services())]
    found += [(operation.method, operation.path) for operation in OPERATIONS]
    return [
        (method, path)
        for method, path in found
        if set(PARAMETER.findall(path)) - NO_IDS - {"org_id"}
    ]


async def call(
    gateway: Gateway, tenant: Tenant, method: str, path: str, value: str
) -> ClientResponse:
    path = PARAMETER.sub(value, path.replace("{org_id}", str(tenant.org_id)))
    headers = {**bearer(tenant.owner), "content-type": "application/json"}
    return await gateway.client.request(method, path, headers=headers, data=b"{}")


@pytest.fixture(scope="module")
def _reports(system: System) -> None:
    system.start("reports")


@pytest.mark.usefixtures("_reports")
async def test_what_is_no_id_is_an_unknown_id(
    gateway: Gateway, callers: Callers, redis: Redis
) -> None:
    tenant = await callers.tenant()
    for method, path in routes():
        unknown = await call(gateway, tenant, method, path, str(uuid4()))
        malformed = await call(gateway, tenant, method, path, LONG)
        assert 400 <= malformed.status < 500, (method, path, malformed.status)
        assert await problem(malformed) == await problem(unknown), (method, path)
    keys = [key async for key in redis.scan_iter(count=1_000)]
    assert keys
    assert max(map(len, keys)) <= MAX_KEY_BYTES


async def test_a_long_organization_id_is_an_unknown_organization(
    gateway: Gateway, callers: Callers, redis: Redis
) -> None:
    headers = bearer(await callers.user())
    for org_id in (LONG, str(uuid4())):
        response = await gateway.client.get(f"/api/orgs/{org_id}/members", headers=headers)
        assert (response.status, (await problem(response))["code"]) == (404, "not_found")
    keys = [key async for key in redis.scan_iter(count=1_000)]
    assert max(map(len, keys)) <= MAX_KEY_BYTES


async def test_unknown_ids_leave_nothing_in_redis(
    gateway: Gateway, callers: Callers, redis: Redis
) -> None:
    tenant, user_id = await callers.tenant(), str(uuid4())
    path = "/api/orgs/{org_id}/members/{user_id}"
    assert (await call(gateway, tenant, "DELETE", path, user_id)).status == 404
    assert not await redis.exists(tag_key(f"users/{user_id}"))


def test_the_routes_are_found() -> None:
    assert len(routes()) >= 25

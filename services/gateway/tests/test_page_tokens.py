"""A page token belongs to its list: every other list refuses it, and says so."""

import pytest
from aiohttp import ClientResponse

from services.gateway.tests.browsing import Gateway, bearer, problem
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.routes import PARAMETER, compile_routes
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System

REFUSED = (422, "invalid_page_token")


def lists() -> list[str]:
    """Return the paths of all lists that have pages and need no id but the organization's."""
    return [
        route.path
        for route in compile_routes(load_services())
        if "page_token" in route.request.DESCRIPTOR.fields_by_name
        and set(PARAMETER.findall(route.path)) <= {"org_id"}
    ]


async def get(gateway: Gateway, tenant: Tenant, path: str, **query: str) -> ClientResponse:
    path = path.replace("{org_id}", str(tenant.org_id))
    return await gateway.client.get(path, params=query, headers=bearer(tenant.owner))


async def outcome(response: ClientResponse) -> tuple[int, str]:
    return response.status, (await problem(response))["code"]


async def a_token(gateway: Gateway, tenant: Tenant, path: str, **query: str) -> str:
    page = await (await get(gateway, tenant, path, page_size="1", **query)).json()
    token: str = page["next_page_token"]
    assert token
    return token


@pytest.fixture
async def tenant(gateway: Gateway, callers: Callers) -> Tenant:
    """The owner of two organizations; the first has two API keys, and events in its log."""
    tenant = await callers.tenant()
    headers = bearer(tenant.owner)
    assert (
        await gateway.client.post("/api/orgs", json={"name": "Other"}, headers=headers)
    ).status == 201
    for _ in range(2):
        await callers.api_key(tenant)
    return tenant


async def test_another_list_refuses_it(system: System, gateway: Gateway, tenant: Tenant) -> None:
    system.start("reports")
    token = await a_token(gateway, tenant, "/api/orgs")
    assert (await get(gateway, tenant, "/api/orgs", page_token=token)).status == 200
    for path in set(lists()) - {"/api/orgs"}:
        response = await get(gateway, tenant, path, page_token=token)
        assert await outcome(response) == REFUSED, path


@pytest.mark.parametrize("token", ["x", "AAAA", "a" * 200, "ä", "bnVsbA", "%00"])
async def test_every_list_refuses_a_forged_one(
    system: System, gateway: Gateway, tenant: Tenant, token: str
) -> None:
    system.start("reports")
    for path in lists():
        response = await get(gateway, tenant, path, page_token=token)
        assert await outcome(response) == REFUSED, path


async def test_another_organization_refuses_it(
    gateway: Gateway, callers: Callers, tenant: Tenant
) -> None:
    path = "/api/orgs/{org_id}/api-keys"
    token = await a_token(gateway, tenant, path)
    assert (await get(gateway, tenant, path, page_token=token)).status == 200
    response = await get(gateway, await callers.tenant(), path, page_token=token)
    assert await outcome(response) == REFUSED


async def test_another_user_refuses_it(gateway: Gateway, callers: Callers, tenant: Tenant) -> None:
    token = await a_token(gateway, tenant, "/api/orgs")
    response = await get(gateway, await callers.tenant(), "/api/orgs", page_token=token)
    assert await outcome(response) == REFUSED


async def test_the_size_of_a_page_may_change(gateway: Gateway, tenant: Tenant) -> None:
    token = await a_token(gateway, tenant, "/api/orgs")
    response = await get(gateway, tenant, "/api/orgs", page_token=token, page_size="7")
    assert response.status == 200
    assert len((await response.json())["items"]) == 1


def test_the_lists_are_found() -> None:
    assert len(lists()) >= 10


async def test_a_patch_without_a_body_is_refused(gateway: Gateway, tenant: Tenant) -> None:
    path, headers = f"/api/orgs/{tenant.org_id}", bearer(tenant.owner)
    headers["content-type"] = "application/json"
    for body in (b"", b" "):
        response = await gateway.client.request("PATCH", path, headers=headers, data=body)
        assert await outcome(response) == (422, "invalid_argument")
    response = await gateway.client.request("PATCH", path, headers=headers, data=b"{}")
    assert response.status == 200

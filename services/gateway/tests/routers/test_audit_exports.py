"""An organization's own audit log over HTTP: searched, exported, downloaded, and on record."""

import json
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.gateway.tests.browsing import Gateway, Join, problem
from tenon_policy.policies import Role
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually


@pytest.fixture
async def tenant(callers: Callers, system: System) -> Tenant:
    system.start("tenancy", "worker")
    return await callers.tenant()


async def log(gateway: Gateway, tenant: Tenant, **filters: str) -> list[dict[str, Any]]:
    path, cookies = f"/api/orgs/{tenant.org_id}/audit-events", gateway.cookies(tenant.owner)
    response = await gateway.client.get(path, params=filters, headers=cookies)
    assert response.status == 200
    items: list[dict[str, Any]] = (await response.json())["items"]
    return items


async def test_a_log_is_exported_and_both_are_on_record(gateway: Gateway, tenant: Tenant) -> None:
    org, cookies = f"/api/orgs/{tenant.org_id}", gateway.cookies(tenant.owner)
    assert await eventually(partial(log, gateway, tenant, action="tenancy.organizations.create"))
    started = await gateway.client.post(
        f"{org}/audit-events:export", json={"format": "jsonl"}, headers=cookies
    )
    assert started.status == 202, await started.text()
    path = f"{org}/audit-exports/{(await started.json())['id']}"

    async def ended() -> dict[str, Any] | None:
        export: dict[str, Any] = await (await gateway.client.get(path, headers=cookies)).json()
        return export if export["state"] == "succeeded" else None

    export = await eventually(ended, within=30)
    assert export is not None
    assert urlsplit(export["file_url"]).path == f"{path}/file"
    for link, first in (("file_url", "tenancy.organizations.create"), ("checkpoints_url", None)):
        redirect = await gateway.client.get(
            urlsplit(export[link]).path, headers=cookies, allow_redirects=False
        )
        assert redirect.status == 302
        downloaded = await gateway.client.get(urlsplit(redirect.headers["location"]).path)
        lines = [json.loads(line) for line in (await downloaded.read()).splitlines()]
        assert lines[0].get("action") == first
        assert lines[0]["owner"] == f"orgs/{tenant.org_id}"
    for action in ("tenancy.audit_exports.start", "tenancy.audit_exports.get_files"):
        found = await eventually(partial(log, gateway, tenant, action=action))
        assert found
        assert found[0]["resource"] == f"audit_exports/{export['id']}"


async def test_filters_that_mean_nothing_are_named(gateway: Gateway, tenant: Tenant) -> None:
    wanted = {"actor": "ada", "action": "A", "start_time": "2026-01-02T00:00:00Z"}
    refused = await gateway.client.get(
        f"/api/orgs/{tenant.org_id}/audit-events",
        params={**wanted, "end_time": "2026-01-01T00:00:00Z"},
        headers=gateway.cookies(tenant.owner),
    )
    document = await problem(refused)
    assert (refused.status, document["code"]) == (422, "invalid_argument")
    assert [error["pointer"] for error in document["errors"]] == ["/actor", "/action", "/end_time"]


async def test_members_may_export_nothing(gateway: Gateway, tenant: Tenant, join: Join) -> None:
    member = await join(tenant, Role.MEMBER)
    refused = await gateway.client.post(
        f"/api/orgs/{tenant.org_id}/audit-events:export",
        json={"format": "csv"},
        headers=gateway.cookies(member),
    )
    assert (refused.status, (await problem(refused))["code"]) == (403, "role_too_low")

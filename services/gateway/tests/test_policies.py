"""What an organization demands, as its people and machines meet it over HTTP."""

from typing import Any

import psycopg
from redis.asyncio import Redis

from services.auth.tests.second_factors.enrolled import code_of
from services.gateway.tests.browsing import Gateway, Join, Serve, bearer, problem
from services.gateway.tests.routers.test_auth import sign_up
from services.gateway.tests.routers.test_mfa import Browser, enrolled
from tenon_policy.policies import Role
from tenon_testing.callers import PASSWORD, Callers, Tenant

HERE = ["127.0.0.0/8", "2001:db8::/32"]
ELSEWHERE = "198.51.100.7"
PROXIES = {"trusted_proxies": ["127.0.0.1"]}


def org(tenant: Tenant) -> str:
    return f"/api/orgs/{tenant.org_id}"


async def change(gateway: Gateway, tenant: Tenant, **policies: Any) -> dict[str, Any]:
    """Change policies as the owner, and return them all."""
    reply = await gateway.client.request(
        "PATCH", f"{org(tenant)}/policies", json=policies, headers=bearer(tenant.owner)
    )
    assert reply.status == 200, await reply.text()
    changed: dict[str, Any] = await reply.json()
    return changed


async def code(gateway: Gateway, path: str, headers: dict[str, str]) -> str:
    """Return why a request is refused; empty if it is not."""
    reply = await gateway.client.get(path, headers=headers)
    return "" if reply.status == 200 else str((await problem(reply))["code"])


async def test_policies_are_shown_to_admins_and_changed_by_owners(
    gateway: Gateway, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    none = {
        "mfa_required": False,
        "session_hours": 0,
        "allowed_networks": [],
        "allowed_mail_domains": [],
        "audit_retention_days": 0,
    }
    admin = bearer(await join(tenant, Role.ADMIN))
    reply = await gateway.client.get(f"{org(tenant)}/policies", headers=admin)
    assert await reply.json() == none
    changed = await change(gateway, tenant, session_hours=8, allowed_networks=HERE)
    assert changed == none | {"session_hours": 8, "allowed_networks": HERE}
    assert await change(gateway, tenant, allowed_networks=None) == none | {"session_hours": 8}
    refused = await gateway.client.request(
        "PATCH", f"{org(tenant)}/policies", json={}, headers=admin
    )
    assert (await problem(refused))["code"] == "role_too_low"


async def test_a_policy_that_its_author_does_not_meet_is_refused(
    gateway: Gateway, callers: Callers
) -> None:
    tenant = await callers.tenant()
    reply = await gateway.client.request(
        "PATCH",
        f"{org(tenant)}/policies",
        json={"mfa_required": True, "allowed_networks": [f"{ELSEWHERE}/32"]},
        headers=bearer(tenant.owner),
    )
    told = await problem(reply)
    assert (reply.status, told["code"]) == (409, "would_lock_you_out")
    assert [error["pointer"] for error in told["errors"]] == ["/mfa_required", "/allowed_networks"]


async def test_networks_bind_people_and_keys_and_are_told_by_a_trusted_proxy_alone(
    gateway: Gateway, serve: Serve, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    person = bearer(await join(tenant, Role.MEMBER))
    key = (await callers.api_key(tenant)).bearer
    await change(gateway, tenant, allowed_networks=HERE)
    outside = {"x-forwarded-for": ELSEWHERE, "x-tenon-client-address": ELSEWHERE}
    async with serve(**PROXIES) as proxied:
        for headers in (person, key):
            assert await code(gateway, org(tenant), headers) == ""
            assert await code(gateway, org(tenant), {**headers, **outside}) == ""
            refused = await code(proxied, org(tenant), {**headers, **outside})
            assert refused == "network_not_allowed"
            inside = {**headers, "x-forwarded-for": "2001:db8::1"}
            assert await code(proxied, org(tenant), inside) == ""
        owner = {**bearer(tenant.owner), **outside}
        assert await code(proxied, org(tenant), owner) == "network_not_allowed"
        assert await code(proxied, f"{org(tenant)}/policies", owner) == ""
        assert await code(proxied, "/api/orgs", owner) == ""


async def test_an_organization_that_demands_a_second_factor(
    gateway: Gateway, admin: psycopg.AsyncConnection
) -> None:
    """Its owner needs one to say so; its members get in once they have one, and have shown it."""
    owner, _, secret, _ = await enrolled(gateway)
    _, made = await owner.send("POST", "/api/orgs", {"name": "Acme"})
    path = f"/api/orgs/{made['id']}"
    demand = ("PATCH", f"{path}/policies", {"mfa_required": True})
    assert await owner.send(*demand) == (409, "would_lock_you_out")
    confirmation = {"code": code_of(secret, 1)}
    assert (await owner.send("POST", "/api/auth/session:confirm", confirmation))[0] == 200
    assert (await owner.send(*demand))[0] == 200
    assert (await owner.send("GET", path))[0] == 200

    _, user, cookie = await sign_up(gateway)
    await admin.execute(
        "INSERT INTO tenancy.memberships (org_id, user_id, role, create_time)"
        " VALUES (%s, %s, %s, now())",
        [made["id"], user["user"]["id"], int(Role.MEMBER)],
    )
    member = Browser(gateway, cookie)
    assert await member.send("GET", path) == (403, "mfa_required")
    password = {"password": PASSWORD}
    assert (await member.send("POST", "/api/auth/session:confirm", password))[0] == 200
    assert await member.send("GET", path) == (403, "mfa_required")
    _, started = await member.send("POST", "/api/auth/mfa/totp", {})
    code = {"code": code_of(started["secret"])}
    assert (await member.send("POST", "/api/auth/mfa/totp:confirm", code))[0] == 200
    assert await member.send("GET", path) == (403, "mfa_required")
    code = {"code": code_of(started["secret"], 1)}
    assert (await member.send("POST", "/api/auth/session:confirm", code))[0] == 200
    assert (await member.send("GET", path))[0] == 200


async def test_an_organization_that_demands_a_log_in_of_late(
    gateway: Gateway, admin: psycopg.AsyncConnection
) -> None:
    """Who has logged in before that confirms that it is them, and goes on."""
    _, user, cookie = await sign_up(gateway)
    browser = Browser(gateway, cookie)
    _, made = await browser.send("POST", "/api/orgs", {"name": "Acme"})
    path = f"/api/orgs/{made['id']}"
    assert (await browser.send("PATCH", f"{path}/policies", {"session_hours": 1}))[0] == 200
    assert (await browser.send("GET", path))[0] == 200
    await admin.execute(
        "UPDATE auth.sessions SET auth_time = now() - interval '61 minutes' WHERE id = %s",
        [user["session"]["id"]],
    )
    assert (await browser.send("POST", "/api/auth/refresh"))[0] == 200
    assert await browser.send("GET", path) == (403, "session_too_old")
    password = {"password": PASSWORD}
    assert (await browser.send("POST", "/api/auth/session:confirm", password))[0] == 200
    assert (await browser.send("GET", path))[0] == 200


async def test_policies_outlive_redis(
    gateway: Gateway, serve: Serve, callers: Callers, redis: Redis
) -> None:
    """Flushed, or away."""
    tenant = await callers.tenant()
    owner = {**bearer(tenant.owner), "x-forwarded-for": ELSEWHERE}
    await change(gateway, tenant, allowed_networks=HERE)
    away = serve(redis_url="redis://127.0.0.1:1/0", **PROXIES)
    async with serve(**PROXIES) as proxied, away as without_redis:
        await redis.flushall()
        for one in (proxied, without_redis):
            assert await code(one, org(tenant), owner) == "network_not_allowed"
            assert await code(one, org(tenant), bearer(tenant.owner)) == ""


async def test_a_new_name_is_seen_by_every_member_at_once(
    gateway: Gateway, callers: Callers, join: Join
) -> None:
    """Past the caches of their lists."""
    tenant = await callers.tenant("Acme")
    people = [tenant.owner, await join(tenant, Role.VIEWER)]

    async def names() -> list[list[str]]:
        replies = [await gateway.client.get("/api/orgs", headers=bearer(one)) for one in people]
        return [[item["name"] for item in (await reply.json())["items"]] for reply in replies]

    assert await names() == await names() == [["Acme"]] * 2
    await gateway.client.request(
        "PATCH", org(tenant), json={"name": "Emca"}, headers=bearer(tenant.owner)
    )
    assert await names() == [["Emca"]] * 2

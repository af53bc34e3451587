"""Who is let in, and how soon nobody is any more."""

from uuid import uuid4

import pytest
from redis.asyncio import Redis

from services.gateway.tests.browsing import Gateway, Join, Serve, bearer, problem
from tenon.auth.v1.session_service_pb2 import LogOutRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_policy.policies import Role
from tenon_testing.callers import Callers
from tenon_testing.system import System
from tenon_testing.waiting import eventually


@pytest.mark.parametrize("path", ["/api/orgs", "/api/auth/session", f"/api/orgs/{uuid4()}"])
async def test_nobody_is_let_in_without_a_session(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(path)
    assert (response.status, (await problem(response))["code"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_foreign_an_unknown_and_a_malformed_organization_are_the_same(
    gateway: Gateway, callers: Callers
) -> None:
    foreign = (await callers.tenant()).org_id
    headers = gateway.cookies(await callers.user())
    replies = []
    for org_id in (foreign, uuid4(), "x", "%00", str(foreign).upper(), f"{{{foreign}}}"):
        response = await gateway.client.get(f"/api/orgs/{org_id}", headers=headers)
        limited = response.headers["ratelimit-policy"]
        replies.append((response.status, limited, await problem(response)))
    assert all(reply == replies[0] for reply in replies)
    assert (replies[0][0], replies[0][2]["code"]) == (404, "not_found")


async def test_a_foreign_organization_is_refused_before_the_body_is_looked_at(
    gateway: Gateway, callers: Callers
) -> None:
    headers = gateway.cookies(await callers.user())
    path = f"/api/orgs/{(await callers.tenant()).org_id}/datasets"
    response = await gateway.client.post(path, data=b"no JSON", headers=headers)
    assert response.status == 404


async def test_a_member_is_let_in_and_counted_for_the_organization(
    gateway: Gateway, callers: Callers
) -> None:
    tenant = await callers.tenant()
    path, headers = f"/api/orgs/{tenant.org_id}", gateway.cookies(tenant.owner)
    for _ in range(2):
        response = await gateway.client.get(path, headers=headers)
        assert response.status == 200
        assert (await response.json())["role"] == "owner"
    assert '"read-org";' in response.headers["ratelimit-policy"]
    assert (
        "read-org" in response.headers["ratelimit-policy"]
        or "read-user" in response.headers["ratelimit-policy"]
    )


async def test_a_role_too_low_is_told(gateway: Gateway, callers: Callers, join: Join) -> None:
    tenant = await callers.tenant()
    viewer = await join(tenant, Role.VIEWER)
    path = f"/api/orgs/{tenant.org_id}/members/{tenant.owner.user_id}"
    response = await gateway.client.delete(path, headers=gateway.cookies(viewer))
    assert (response.status, (await problem(response))["code"]) == (403, "role_too_low")


async def test_a_removed_member_is_out_within_a_second(
    gateway: Gateway, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    member = await join(tenant, Role.MEMBER)
    path, headers = f"/api/orgs/{tenant.org_id}", gateway.cookies(member)
    assert (await gateway.client.get(path, headers=headers)).status == 200
    removal = f"{path}/members/{member.user_id}"
    removed = await gateway.client.delete(removal, headers=gateway.cookies(tenant.owner))
    assert removed.status == 204

    async def is_out() -> bool:
        return (await gateway.client.get(path, headers=headers)).status == 404

    assert await eventually(is_out, within=1)


async def test_a_session_that_ended_elsewhere_is_out_within_a_second(
    gateway: Gateway, callers: Callers, system: System
) -> None:
    caller = await callers.user()
    headers = bearer(caller)
    assert (await gateway.client.get("/api/orgs", headers=headers)).status == 200
    channel = system.channel("auth")
    request = LogOutRequest(refresh_token=caller.refresh_token)
    await SessionServiceStub(channel).LogOut(request)
    await channel.close(None)

    async def is_out() -> bool:
        return (await gateway.client.get("/api/orgs", headers=headers)).status == 401

    assert await eventually(is_out, within=1)


async def test_nobody_is_logged_out_or_revived_when_redis_forgets_all(
    gateway: Gateway, callers: Callers, redis: Redis
) -> None:
    live, ended = gateway.cookies(await callers.user()), gateway.cookies(await callers.user())
    await gateway.client.post("/api/auth/logout", headers=ended)
    await redis.flushall()
    assert (await gateway.client.get("/api/orgs", headers=live)).status == 200
    assert (await gateway.client.get("/api/orgs", headers=ended)).status == 401


async def test_without_redis_the_owners_are_asked(serve: Serve, callers: Callers) -> None:
    tenant = await callers.tenant()
    async with serve(redis_url="redis://127.0.0.1:1/0") as gateway:
        headers = gateway.cookies(tenant.owner)
        for path, status in (
            ("/api/auth/session", 200),
            (f"/api/orgs/{tenant.org_id}", 200),
            (f"/api/orgs/{uuid4()}", 404),
        ):
            assert (await gateway.client.get(path, headers=headers)).status == status


async def test_without_redis_an_ended_session_stays_ended(serve: Serve, callers: Callers) -> None:
    async with serve(redis_url="redis://127.0.0.1:1/0") as away, serve() as usual:
        caller = await callers.user()
        await usual.client.post("/api/auth/logout", headers=usual.cookies(caller))
        assert (await away.client.get("/api/orgs", headers=bearer(caller))).status == 401


async def test_without_redis_and_owners_it_is_unavailable(serve: Serve, callers: Callers) -> None:
    caller = await callers.user()
    peers = dict.fromkeys(("auth", "tenancy", "reports", "notifications"), "127.0.0.1:1")
    async with serve(redis_url="redis://127.0.0.1:1/0", peers=peers) as gateway:
        response = await gateway.client.get("/api/orgs", headers=bearer(caller))
        assert (response.status, (await problem(response))["code"]) == (503, "unavailable")
        assert response.headers["retry-after"]

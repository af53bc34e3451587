"""What a machine can do with an API key alone, and how soon it no longer can."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from services.gateway.tests.browsing import Gateway, Join, Serve, problem
from tenon_gateway.pipeline.api_keys import ApiKeys, Exchanged
from tenon_policy.api_keys import new_secret
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Callers, Key, Tenant
from tenon_testing.servers import Servers
from tenon_testing.system import System
from tenon_testing.waiting import eventually

ENDED = ("succeeded", "failed")
CSV = b"id,at,carrier\nc,2026-01-01T00:00:00Z,DL\n"
FEW = {"ip": {"count": 3, "seconds": 3_600}, "user": {"count": 5, "seconds": 3_600}}


@pytest.fixture
async def tenant(callers: Callers) -> Tenant:
    return await callers.tenant()


@pytest.fixture
async def own_redis(servers: Servers) -> AsyncIterator[str]:
    """A Redis database whose counters no other test has used."""
    url = servers.valkey.url(database=3)
    client = Redis.from_url(url)
    await client.flushdb()
    yield url
    await client.aclose()


def org(tenant: Tenant) -> str:
    return f"/api/orgs/{tenant.org_id}"


async def sent(gateway: Gateway, key: Key, method: str, path: str, **options: Any) -> Any:
    """Send what must succeed with a key; return the reply's body."""
    headers = {**key.bearer, **options.pop("headers", {})}
    reply = await gateway.client.request(method, path, headers=headers, **options)
    assert reply.status < 400, await reply.text()
    return await reply.json() if reply.status != 302 else reply.headers["location"]


async def code(gateway: Gateway, key: Key, path: str, method: str = "GET") -> str:
    """Return what a request is refused with; empty if it is not."""
    reply = await gateway.client.request(method, path, headers=key.bearer)
    return "" if reply.status < 400 else str((await problem(reply))["code"])


async def finished(gateway: Gateway, key: Key, path: str) -> Any:
    async def ended() -> Any:
        found = await sent(gateway, key, "GET", path)
        return found if found["state"] in ENDED else None

    return await eventually(ended, within=30)


async def test_a_machine_lives_by_its_key_alone(
    gateway: Gateway, tenant: Tenant, system: System
) -> None:
    """Dataset, events, upload, query, export, file; a person makes the key, and revokes it."""
    system.start("reports")
    system.start("reports", "worker")
    base, person = org(tenant), gateway.cookies(tenant.owner)
    wish = {"name": "Nightly", "role": "member"}
    made = await gateway.client.post(f"{base}/api-keys", json=wish, headers=person)
    assert made.status == 201
    shown = await made.json()
    key = Key(shown["id"], shown["secret"])
    columns = {"name": "Flights", "dimensions": ["carrier"]}
    dataset = (await sent(gateway, key, "POST", f"{base}/datasets", json=columns))["id"]
    events = [
        {"id": name, "time": "2026-01-01T00:00:00Z", "dimensions": {"carrier": "AA"}}
        for name in "ab"
    ]
    path = f"{base}/datasets/{dataset}"
    taken = await sent(gateway, key, "POST", f"{path}/events", json={"events": events})
    assert taken["accepted"] == 2
    upload = await sent(
        gateway,
        key,
        "POST",
        f"{path}/uploads",
        params={"time_column": "at", "id_column": "id"},
        data=CSV,
        headers={"content-type": "text/csv"},
    )
    loaded = await finished(gateway, key, f"{base}/uploads/{upload['id']}")
    assert (loaded["state"], loaded["accepted"]) == ("succeeded", 1)
    question = {"dataset_id": dataset, "metrics": [{"name": "n", "op": "count"}]}
    answer = await sent(gateway, key, "POST", f"{base}/queries", json=question)
    assert answer["rows"] == [[3]]
    export = {"events": {"dataset_id": dataset}, "format": "csv"}
    run = await sent(gateway, key, "POST", f"{base}/runs", json=export)
    assert (await finished(gateway, key, f"{base}/runs/{run['id']}"))["state"] == "succeeded"
    link = await sent(gateway, key, "GET", f"{base}/runs/{run['id']}/file", allow_redirects=False)
    file = await gateway.client.get("/api/files/" + link.rpartition("/api/files/")[2])
    rows = (await file.text()).splitlines()
    assert [row.split(",")[0] for row in rows] == ["id", "a", "b", "c"]
    listed = await (await gateway.client.get(f"{base}/api-keys", headers=person)).json()
    used = shown | {"secret": None, "last_used_time": listed["items"][0]["last_used_time"]}
    assert listed["items"] == [used]
    gone = await gateway.client.delete(f"{base}/api-keys/{key.id}", headers=person)
    assert gone.status == 204


async def test_it_is_on_record_as_the_key(
    gateway: Gateway, callers: Callers, tenant: Tenant, system: System
) -> None:
    system.start("tenancy", "worker")
    key = await callers.api_key(tenant, Role.ADMIN)
    await sent(gateway, key, "GET", f"{org(tenant)}/members")

    async def seen() -> set[str]:
        events = (await sent(gateway, key, "GET", f"{org(tenant)}/audit-events"))["items"]
        return {event["action"] for event in events if event["actor"] == f"api-keys/{key.id}"}

    async def recorded() -> bool:
        return {"auth.api_keys.exchange", "tenancy.members.list"} <= await seen()

    await eventually(recorded, within=30)


async def test_a_key_of_an_owner_still_is_no_person(
    gateway: Gateway, callers: Callers, tenant: Tenant
) -> None:
    key = await callers.api_key(tenant, Role.OWNER)
    for method, path in (
        ("GET", "/api/orgs"),
        ("GET", "/api/auth/session"),
        ("DELETE", "/api/auth/sessions"),
        ("GET", f"{org(tenant)}/api-keys"),
        ("POST", f"{org(tenant)}/api-keys"),
        ("DELETE", f"{org(tenant)}/members/{tenant.owner.user_id}"),
    ):
        assert await code(gateway, key, path, method) == "user_required", path


async def test_a_key_finds_out_what_it_is(
    gateway: Gateway, callers: Callers, tenant: Tenant
) -> None:
    permissions = ["tenancy.members.list"]
    key = await callers.api_key(tenant, Role.ADMIN, permissions=permissions)
    told = await sent(gateway, key, "GET", "/api/auth/key")
    assert (told["id"], told["org_id"], told["name"]) == (key.id, str(tenant.org_id), "Machine")
    assert (told["role"], told["permissions"]) == ("admin", permissions)
    assert told["expire_time"]
    assert not told.get("secret")


async def created_by_an_admin(gateway: Gateway, tenant: Tenant, admin: Caller) -> Key:
    request = {"name": "Theirs", "role": "member"}
    reply = await gateway.client.post(
        f"{org(tenant)}/api-keys", json=request, headers=gateway.cookies(admin)
    )
    assert reply.status == 201, await reply.text()
    made = await reply.json()
    return Key(made["id"], made["secret"])


async def test_keys_are_listed_by_who_created_them(
    gateway: Gateway, callers: Callers, tenant: Tenant, join: Join
) -> None:
    admin = await join(tenant, Role.ADMIN)
    theirs = await created_by_an_admin(gateway, tenant, admin)
    await callers.api_key(tenant)
    headers = gateway.cookies(tenant.owner)
    path = f"{org(tenant)}/api-keys"
    listed = await gateway.client.get(f"{path}?creator={admin.user_id}", headers=headers)
    assert [item["id"] for item in (await listed.json())["items"]] == [theirs.id]
    refused = await gateway.client.get(f"{path}?creator=x", headers=headers)
    assert refused.status == 422


@pytest.mark.parametrize("change", ["DELETE", "PATCH", "leave"])
async def test_a_members_keys_are_revoked_with_their_right(
    gateway: Gateway, system: System, tenant: Tenant, join: Join, change: str
) -> None:
    """On request; other keys go on."""
    system.start("auth", "worker")
    admin, other = await join(tenant, Role.ADMIN), await join(tenant, Role.ADMIN)
    key = await created_by_an_admin(gateway, tenant, admin)
    kept = await created_by_an_admin(gateway, tenant, other)
    member = f"{org(tenant)}/members/{admin.user_id}"
    owner, own = gateway.cookies(tenant.owner), gateway.cookies(admin)
    wanted: dict[str, Any] = {"revoke_api_keys": True}
    match change:
        case "DELETE":
            reply = await gateway.client.delete(f"{member}?revoke_api_keys=true", headers=owner)
        case "PATCH":
            body = {"role": "viewer", **wanted}
            reply = await gateway.client.request("PATCH", member, json=body, headers=owner)
        case _:
            reply = await gateway.client.post(f"{org(tenant)}:leave", json=wanted, headers=own)
    assert reply.status < 300, await reply.text()

    async def is_refused() -> bool:
        return await code(gateway, key, "/api/auth/key") == "invalid_api_key"

    await eventually(is_refused, within=10)
    assert await code(gateway, kept, "/api/auth/key") == ""


async def test_a_members_keys_go_on_unless_they_are_revoked(
    gateway: Gateway, tenant: Tenant, join: Join
) -> None:
    admin = await join(tenant, Role.ADMIN)
    key = await created_by_an_admin(gateway, tenant, admin)
    path = f"{org(tenant)}/members/{admin.user_id}"
    reply = await gateway.client.delete(path, headers=gateway.cookies(tenant.owner))
    assert reply.status < 300
    assert await code(gateway, key, "/api/auth/key") == ""


async def test_only_a_key_is_asked_what_it_is(gateway: Gateway, tenant: Tenant) -> None:
    reply = await gateway.client.get("/api/auth/key", headers=gateway.cookies(tenant.owner))
    assert (reply.status, (await problem(reply))["code"]) == (403, "api_key_required")
    reply = await gateway.client.get("/api/auth/key")
    assert (reply.status, (await problem(reply))["code"]) == (401, "unauthenticated")


async def test_it_may_no_more_than_its_role_and_its_permissions(
    gateway: Gateway, callers: Callers, tenant: Tenant
) -> None:
    viewer = await callers.api_key(tenant, Role.VIEWER)
    assert await code(gateway, viewer, org(tenant)) == ""
    assert await code(gateway, viewer, f"{org(tenant)}/datasets", "POST") == "role_too_low"
    lister = await callers.api_key(tenant, Role.ADMIN, permissions=["tenancy.members.list"])
    assert await code(gateway, lister, f"{org(tenant)}/members") == ""
    assert await code(gateway, lister, org(tenant)) == "permission_not_granted"


async def test_another_organization_is_as_unknown_to_it_as_none(
    gateway: Gateway, callers: Callers, tenant: Tenant
) -> None:
    key = await callers.api_key(tenant, Role.OWNER)
    told = []
    for org_id in ((await callers.tenant()).org_id, uuid4(), "x"):
        for rest in ("", "/members", "/api-keys"):
            reply = await gateway.client.get(f"/api/orgs/{org_id}{rest}", headers=key.bearer)
            told.append((reply.status, await problem(reply)))
    assert all(one == told[0] for one in told)
    assert told[0][1]["code"] == "not_found"


async def test_a_key_beside_a_cookie_is_refused(
    gateway: Gateway, callers: Callers, tenant: Tenant
) -> None:
    key = await callers.api_key(tenant)
    headers = {**gateway.cookies(tenant.owner), **key.bearer}
    assert (await gateway.client.get(org(tenant), headers=headers)).status == 400


async def test_a_revoked_key_is_out_within_a_second(
    gateway: Gateway, callers: Callers, tenant: Tenant, redis: Redis
) -> None:
    """Also when Redis forgets all; and nobody else is."""
    key, other = await callers.api_key(tenant), await callers.api_key(tenant)
    assert await code(gateway, key, org(tenant)) == ""
    await callers.revoke(tenant, key)

    async def is_out() -> bool:
        return await code(gateway, key, org(tenant)) == "invalid_api_key"

    assert await eventually(is_out, within=1)
    await redis.flushall()
    assert await eventually(is_out, within=1.2)
    assert await code(gateway, other, org(tenant)) == ""


async def test_without_redis_auth_is_asked(serve: Serve, callers: Callers, tenant: Tenant) -> None:
    key = await callers.api_key(tenant)
    async with serve(redis_url="redis://127.0.0.1:1/0") as gateway:
        assert await code(gateway, key, org(tenant)) == ""
        await callers.revoke(tenant, key)

        async def is_out() -> bool:
            return await code(gateway, key, org(tenant)) == "invalid_api_key"

        assert await eventually(is_out, within=1.2)


async def test_wrong_keys_count_for_the_address_and_a_right_one_for_itself(
    serve: Serve, own_redis: str, callers: Callers, tenant: Tenant
) -> None:
    limits = {"rate_limit_mode": "enforce", "rate_classes": {"read": FEW}}
    key, other = await callers.api_key(tenant), await callers.api_key(tenant)
    async with serve(redis_url=own_redis, **limits) as gateway:
        right = [await code(gateway, key, org(tenant)) for _ in range(6)]
        assert right == [*[""] * 5, "rate_limited"]
        assert await code(gateway, other, org(tenant)) == ""
        wrong = [await code(gateway, Key("", new_secret()), org(tenant)) for _ in range(3)]
        assert wrong == ["invalid_api_key", "rate_limited", "rate_limited"]


class Auth:
    """Counts how often it is asked, and takes one secret."""

    def __init__(self, *taken: str) -> None:
        self.taken = taken
        self.asked: list[str] = []

    async def exchange(self, secret: str) -> Exchanged | None:
        self.asked.append(secret)
        await asyncio.sleep(0)
        return Exchanged("token", 4e9) if secret in self.taken else None


async def test_auth_is_asked_once_about_a_key_right_or_wrong() -> None:
    right, wrong = new_secret(), new_secret()
    auth = Auth(right)
    keys = ApiKeys(auth.exchange)
    asked = [keys.exchange(secret) for secret in (right, wrong) for _ in range(20)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert told[:20] == ["token"] * 20
    assert all(isinstance(error, Exception) for error in told[20:])
    assert keys.find(right) == "token"
    assert keys.find(wrong) is None
    assert await asyncio.gather(keys.exchange(wrong), return_exceptions=True)
    assert sorted(auth.asked) == sorted([right, wrong])


async def test_auth_is_not_asked_about_what_it_cannot_have_made() -> None:
    auth = Auth()
    keys = ApiKeys(auth.exchange)
    malformed = new_secret()[:-1] + "é"
    assert [
        type(error).__name__
        for error in await asyncio.gather(
            keys.exchange(malformed), keys.exchange("tnk_" + "x" * 10_000), return_exceptions=True
        )
    ] == ["InvalidApiKey"] * 2
    assert auth.asked == []

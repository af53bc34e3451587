"""What an organization does with its keys."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from services.auth.tests.api_keys.conftest import Join
from services.auth.tests.api_keys.keys_client import KeysClient, bearer
from tenon.auth.v1.session_service_pb2 import (
    GetSessionRequest,
    LogOutRequest,
    RefreshSessionRequest,
)
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.tenancy.v1 import role_pb2
from tenon.tenancy.v1.organization_service_pb2 import GetOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_auth.api_keys import service
from tenon_auth.app import APP
from tenon_auth.limits import API_KEYS
from tenon_core.errors import TenonError
from tenon_crypto.file_keyring import INDEX, add_key, create_keyring
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers
from tenon_testing.system import System
from tenon_testing.waiting import eventually


async def reason(call: Any) -> str:
    """Return what a call fails with; empty if it does not."""
    try:
        await call
    except TenonError as error:
        return error.reason
    return ""


@pytest.fixture
async def tenancy(system: System) -> Any:
    channel = system.channel("tenancy")
    yield OrganizationServiceStub(channel)
    await channel.close(None)


async def refusal(tenancy: Any, keys: KeysClient, token: str) -> str:
    """Return what the key's own organization says to a token; empty if it lets it in."""
    request = GetOrganizationRequest(org_id=str(keys.tenant.org_id))
    return await reason(tenancy.GetOrganization(request, metadata=bearer(token)))


async def test_a_secret_is_shown_once_and_stored_nowhere(keys: KeysClient, system: System) -> None:
    key = await keys.create(name="Nightly export")
    assert key.secret.startswith(key.prefix)
    (listed,) = (await keys.list()).items
    assert (listed.name, listed.prefix, listed.HasField("secret")) == (
        "Nightly export",
        key.prefix,
        False,
    )
    assert listed.creator_id == str(keys.tenant.owner.user_id)
    async with await psycopg.AsyncConnection.connect(system.admin_url()) as admin:
        for table in ("api_keys", "api_key_secrets", "outbox", "jobs"):
            query = f"SELECT count(*) FROM auth.{table} AS t WHERE t::text LIKE %s"  # noqa: S608 # names of ours
            found = await (
                await admin.execute(query.encode(), [f"%{key.secret[12:40]}%"])
            ).fetchone()
            assert found == (0,)


async def test_it_is_good_for_90_days_unless_said(keys: KeysClient) -> None:
    key = await keys.create()
    life = key.expire_time.ToDatetime() - key.create_time.ToDatetime()
    assert life == timedelta(days=90)
    assert not key.HasField("last_used_time")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"role": role_pb2.ROLE_UNSPECIFIED}, "/role"),
        ({"role": 77}, "/role"),
        ({"permissions": ["reports.runs.start", "reports.runs.stare"]}, "/permissions/1"),
        ({"permissions": ["tenancy.members.remove"]}, "/permissions/0"),
        ({"permissions": ["auth.api_keys.create"]}, "/permissions/0"),
        ({"permissions": ["reports.runs.start"] * 51}, "/permissions"),
        ({"expire_time": datetime.now(UTC) - timedelta(seconds=1)}, "/expire_time"),
        ({"expire_time": datetime.now(UTC) + timedelta(days=366)}, "/expire_time"),
    ],
)
async def test_what_is_wrong_with_a_key_is_told(
    keys: KeysClient, fields: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(PeerError) as refused:
        await keys.create(**fields)
    assert [field.pointer for field in refused.value.fields] == [pointer]


async def test_nobody_makes_or_touches_a_key_above_their_own_role(
    keys: KeysClient, join: Join
) -> None:
    """Or an admin would rotate an owner's key, and be an owner by its new secret."""
    admin = (await join(Role.ADMIN)).metadata
    owners = await keys.create(role=role_pb2.ROLE_OWNER)
    assert await reason(keys.create(admin, role=role_pb2.ROLE_OWNER)) == "role_above_own"
    assert await reason(keys.rotate(owners, metadata=admin)) == "role_above_own"
    assert await reason(keys.revoke(owners.id, admin)) == "role_above_own"
    assert await reason(keys.create(admin, role=role_pb2.ROLE_ADMIN)) == ""


async def test_making_and_rotating_needs_a_recent_log_in(keys: KeysClient, system: System) -> None:
    key = await keys.create()
    old = await _long_logged_in(system, keys.tenant.owner)
    assert await reason(keys.create(old)) == "recent_auth_required"
    assert await reason(keys.rotate(key, metadata=old)) == "recent_auth_required"
    assert await reason(keys.revoke(key.id, old)) == ""


async def _long_logged_in(system: System, caller: Caller) -> Any:
    """Let a session be one that was logged in to an hour ago."""
    async with await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as admin:
        await admin.execute(
            "UPDATE auth.sessions SET auth_time = auth_time - interval '1 hour' WHERE id = %s",
            [caller.session_id],
        )
    channel = system.channel("auth")
    request = RefreshSessionRequest(refresh_token=caller.refresh_token)
    reply = await SessionServiceStub(channel).RefreshSession(request)
    await channel.close(None)
    return bearer(reply.tokens.access_token)


async def test_another_organizations_key_is_as_unknown_as_one_that_nobody_has(
    keys: KeysClient, callers: Callers
) -> None:
    foreign = await KeysClient(keys.channel, await callers.tenant()).create()
    for key_id in (foreign.id, str(uuid4()), "x"):
        assert await reason(keys.revoke(key_id)) == "api_key_not_found"
    await keys.exchange(foreign.secret)


async def test_an_organization_has_at_most_so_many_keys(
    keys: KeysClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the last ones are made at once."""
    monkeypatch.setattr(service, "MAX_KEYS", 3)
    told = await asyncio.gather(*(reason(keys.create()) for _ in range(6)))
    assert sorted(told) == ["", "", "", *["too_many_api_keys"] * 3]


async def test_keys_that_are_mailed_to_the_owners_are_limited(
    keys: KeysClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Creating and revoking, or rotating, again and again cannot flood the owners' mailboxes."""
    monkeypatch.setattr(service, "API_KEYS", replace(API_KEYS, count=2))
    key = await keys.create()
    rotated = await keys.rotate(key)
    assert await reason(keys.create()) == "too_many_mails"
    assert await reason(keys.rotate(key)) == "too_many_mails"
    assert [item.id for item in (await keys.list()).items] == [key.id]
    await keys.exchange(rotated.secret)


async def test_a_key_acts_for_its_organization(keys: KeysClient, tenancy: Any) -> None:
    key = await keys.create()
    token = await keys.exchange(key.secret)
    request = GetOrganizationRequest(org_id=str(keys.tenant.org_id))
    reply = await tenancy.GetOrganization(request, metadata=bearer(token))
    assert reply.organization.role == role_pb2.ROLE_MEMBER
    (listed,) = (await keys.list()).items
    assert listed.HasField("last_used_time")


async def test_a_key_has_no_session_of_its_own(keys: KeysClient, auth: grpc.aio.Channel) -> None:
    token = await keys.exchange((await keys.create()).secret)
    sessions = SessionServiceStub(auth)
    told = await reason(sessions.GetSession(GetSessionRequest(), metadata=bearer(token)))
    assert told == "user_required"
    assert await reason(sessions.LogOut(LogOutRequest(access_token=token))) == "invalid_token"


async def test_its_use_is_noted_once_a_minute(keys: KeysClient) -> None:
    key = await keys.create()
    await keys.exchange(key.secret)
    first = (await keys.list()).items[0].last_used_time
    await keys.exchange(key.secret)
    assert (await keys.list()).items[0].last_used_time == first


async def test_a_revoked_key_is_refused_with_the_tokens_it_was_exchanged_for(
    keys: KeysClient, tenancy: Any
) -> None:
    key = await keys.create()
    token = await keys.exchange(key.secret)
    assert await refusal(tenancy, keys, token) == ""
    await keys.revoke(key.id)
    assert await reason(keys.exchange(key.secret)) == "invalid_api_key"

    async def refused() -> bool:
        return await refusal(tenancy, keys, token) == "invalid_api_key"

    await eventually(refused, within=1.2)
    assert list((await keys.list()).items) == []


async def test_revoking_while_it_is_exchanged_leaves_no_token_that_works(
    keys: KeysClient, tenancy: Any
) -> None:
    for _ in range(5):
        key = await keys.create()
        exchanges = [asyncio.create_task(keys.exchange(key.secret)) for _ in range(10)]
        await keys.revoke(key.id)
        done = await asyncio.gather(*exchanges, return_exceptions=True)
        tokens = [token for token in done if isinstance(token, str)]
        for token in tokens:

            async def refused(token: str = token) -> bool:
                return await refusal(tenancy, keys, token) == "invalid_api_key"

            await eventually(refused, within=1.2)


async def test_an_expired_key_is_refused_and_not_rotated(keys: KeysClient, tenancy: Any) -> None:
    key = await keys.create(expire_time=datetime.now(UTC) + timedelta(seconds=2))
    token = await keys.exchange(key.secret)
    assert await refusal(tenancy, keys, token) == ""

    async def refused() -> bool:
        return await reason(keys.exchange(key.secret)) == "invalid_api_key"

    await eventually(refused, within=5)
    assert await refusal(tenancy, keys, token) == "invalid_token"
    assert await reason(keys.rotate(key)) == "api_key_expired"


async def test_a_rotated_secret_stops_at_once_without_grace(keys: KeysClient, tenancy: Any) -> None:
    key = await keys.create()
    token = await keys.exchange(key.secret)
    assert await refusal(tenancy, keys, token) == ""
    rotated = await keys.rotate(key)
    assert await reason(keys.exchange(key.secret)) == "invalid_api_key"

    async def refused() -> bool:
        return await refusal(tenancy, keys, token) == "invalid_api_key"

    await eventually(refused, within=1.2)
    assert await refusal(tenancy, keys, await keys.exchange(rotated.secret)) == ""


async def test_the_secret_before_works_in_its_grace(keys: KeysClient, tenancy: Any) -> None:
    key = await keys.create()
    rotated = await keys.rotate(key, grace_seconds=300)
    assert rotated.id == key.id
    for secret in (key.secret, rotated.secret):
        assert await refusal(tenancy, keys, await keys.exchange(secret)) == ""
    (listed,) = (await keys.list()).items
    assert listed.prefix == rotated.prefix


@pytest.mark.parametrize("grace", [-1, 1, 299, 86_401])
async def test_a_grace_is_none_or_from_5_minutes_to_a_day(keys: KeysClient, grace: int) -> None:
    key = await keys.create()
    assert await reason(keys.rotate(key, grace_seconds=grace)) == "invalid_argument"


async def test_of_two_rotations_at_once_both_secrets_work_with_a_grace(keys: KeysClient) -> None:
    """And the one before both; without a grace only the last one does."""
    key = await keys.create()
    both = await asyncio.gather(*(keys.rotate(key, grace_seconds=600) for _ in range(2)))
    for secret in (key.secret, *(rotated.secret for rotated in both)):
        await keys.exchange(secret)
    again = await asyncio.gather(*(keys.rotate(key) for _ in range(4)))
    old = [key.secret, *(rotated.secret for rotated in both)]
    told = [await reason(keys.exchange(one)) for one in old]
    assert told == ["invalid_api_key"] * 3
    assert sorted([await reason(keys.exchange(one.secret)) for one in again]) == [
        "",
        *["invalid_api_key"] * 3,
    ]


async def test_a_later_rotation_does_not_lengthen_a_grace(keys: KeysClient, system: System) -> None:
    key = await keys.create()
    await keys.rotate(key, grace_seconds=300)
    await keys.rotate(key, grace_seconds=86_400)
    query = "SELECT max(expire_time) - now() FROM auth.api_key_secrets WHERE key_id = %s"
    first = " AND id = (SELECT min(id::text)::uuid FROM auth.api_key_secrets WHERE key_id = %s)"
    async with await psycopg.AsyncConnection.connect(system.admin_url()) as admin:
        row = await (await admin.execute((query + first).encode(), [key.id, key.id])).fetchone()
    assert row is not None
    assert row[0] <= timedelta(seconds=300)


async def test_a_key_goes_on_when_who_made_it_has_left(
    keys: KeysClient, join: Join, tenancy: Any, system: System
) -> None:
    admin = await join(Role.ADMIN)
    key = await keys.create(admin.metadata)
    async with await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as sql:
        await sql.execute("DELETE FROM tenancy.memberships WHERE user_id = %s", [admin.user_id])
    assert await refusal(tenancy, keys, await keys.exchange(key.secret)) == ""


async def test_a_key_in_use_outlives_the_index_key_it_was_made_under(
    system: System, callers: Callers, tmp_path: Path
) -> None:
    """While a new one is beside it, an exchange is enough."""
    create_keyring(tmp_path)
    tenant = await callers.tenant()
    keyring = tmp_path.as_uri()
    async with system.serving(APP, keyring_url=keyring) as channel:
        key = await KeysClient(channel, tenant).create()
        unused = await KeysClient(channel, tenant).create()
    (old,) = tmp_path.glob("*.index")  # noqa: ASYNC240 # nobody else waits
    add_key(tmp_path, INDEX)
    async with system.serving(APP, keyring_url=keyring) as channel:
        keys = KeysClient(channel, tenant)
        await asyncio.gather(*(keys.exchange(key.secret) for _ in range(5)))
    old.unlink()
    async with system.serving(APP, keyring_url=keyring) as channel:
        keys = KeysClient(channel, tenant)
        assert await reason(keys.exchange(key.secret)) == ""
        assert await reason(keys.exchange(unused.secret)) == "invalid_api_key"
        await keys.revoke(key.id)
        assert await reason(keys.exchange(key.secret)) == "invalid_api_key"

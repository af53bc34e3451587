"""Owners get a mail about each API key that somebody creates or rotates."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.notifications.tests.mail_bench import MailBench
from tenon.auth.v1.api_key_service_pb2 import CreateApiKeyRequest, RotateApiKeyRequest
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER
from tenon_policy.policies import Role
from tenon_testing.callers import Caller, Callers, Tenant

CREATED = "An API key was created in Acme & Sons"
ROTATED = "An API key of Acme & Sons has a new secret"


@pytest.fixture
async def api_keys(bench: MailBench, callers: Callers) -> AsyncIterator[Any]:  # noqa: ARG001 # starts auth
    channel = bench.system.channel("auth")
    yield ApiKeyServiceStub(channel)
    await channel.close(None)


async def join(bench: MailBench, tenant: Tenant, caller: Caller, role: Role) -> Caller:
    """Make a verified user a member, as an accepted invitation would."""
    bench.system.verify_email(caller.user_id)
    await bench.admin.execute(
        "INSERT INTO tenancy.memberships VALUES (%s, %s, %s, now())",
        [tenant.org_id, caller.user_id, int(role)],
    )
    return caller


async def create(api_keys: Any, tenant: Tenant, caller: Caller) -> str:
    request = CreateApiKeyRequest(org_id=str(tenant.org_id), name="Nightly", role=ROLE_MEMBER)
    reply = await api_keys.CreateApiKey(request, metadata=caller.metadata)
    return str(reply.api_key.id)


async def rows(bench: MailBench, user_id: object) -> list[dict[str, Any]]:
    cursor = await bench.admin.execute(
        "SELECT kind, state, failure FROM notifications.emails"
        " WHERE user_id = %s AND kind LIKE 'api_key_%%'",
        [user_id],
    )
    return await cursor.fetchall()


async def test_all_owners_get_a_mail_about_a_new_key(
    bench: MailBench, callers: Callers, api_keys: Any
) -> None:
    tenant = await callers.tenant("Acme & Sons")
    second = await join(bench, tenant, await callers.user(), Role.OWNER)
    admin = await join(bench, tenant, await callers.user("Grace"), Role.ADMIN)
    key_id = await create(api_keys, tenant, admin)
    async with bench.working():
        mails = [await bench.mail_about(owner.email, CREATED) for owner in (tenant.owner, second)]
    for mail in mails:
        text = bench.text(mail)
        assert "Grace created an API key in Acme & Sons." in text
        assert f"Key: Nightly ({key_id})" in text
        assert "Role: member" in text
        assert "/settings" in text
    assert await rows(bench, admin.user_id) == []


async def test_owners_get_a_mail_about_a_rotated_key(
    bench: MailBench, callers: Callers, api_keys: Any
) -> None:
    """It names who rotated the key, also if somebody else had created it."""
    tenant = await callers.tenant("Acme & Sons")
    admin = await join(bench, tenant, await callers.user("Grace"), Role.ADMIN)
    key_id = await create(api_keys, tenant, tenant.owner)
    request = RotateApiKeyRequest(org_id=str(tenant.org_id), key_id=key_id)
    await api_keys.RotateApiKey(request, metadata=admin.metadata)
    async with bench.working():
        mail = await bench.mail_about(tenant.owner.email, ROTATED)
    assert "Grace gave an API key a new secret in Acme & Sons." in bench.text(mail)


async def test_a_key_that_was_revoked_at_once_is_still_mailed(
    bench: MailBench, callers: Callers
) -> None:
    """It may have been used until then."""
    tenant = await callers.tenant("Acme & Sons")
    key = await callers.api_key(tenant)
    await callers.revoke(tenant, key)
    async with bench.working():
        mail = await bench.mail_about(tenant.owner.email, CREATED)
    text = bench.text(mail)
    assert key.id in text
    assert "It has been revoked since." in text


async def test_an_owner_whose_address_is_not_verified_gets_no_mail_about_keys(
    bench: MailBench, callers: Callers
) -> None:
    tenant = await callers.tenant("Acme & Sons")
    await bench.admin.execute(
        "UPDATE auth.users SET email_verified = false WHERE id = %s", [tenant.owner.user_id]
    )
    await callers.api_key(tenant)
    failed = {
        "kind": "api_key_created",
        "state": "failed",
        "failure": "the address is not verified",
    }

    async def is_recorded() -> bool:
        return await rows(bench, tenant.owner.user_id) == [failed]

    async with bench.working():
        await bench.until(is_recorded)

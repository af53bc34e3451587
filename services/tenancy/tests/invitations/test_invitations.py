import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message

from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.events_pb2 import InvitationRevoked, InvitationSent
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.app import APP
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]


def address() -> str:
    return f"{uuid4()}@example.com"


async def refusal(asked: Awaitable[object]) -> str:
    with pytest.raises(PeerError) as refused:
        await asked
    return refused.value.reason


async def test_an_invitation_is_listed_until_it_is_revoked(
    invitations: InvitationsClient, callers: Callers, published: Published
) -> None:
    tenant, email = await callers.tenant(), address()
    made = await invitations.create(tenant, f"  {email.upper()} ")
    (listed,) = await invitations.pending(tenant)
    assert listed == made
    assert (listed.email.lower(), Role(listed.role)) == (email, Role.MEMBER)
    assert listed.inviter_id == str(tenant.owner.user_id)
    assert (listed.expire_time.seconds - listed.create_time.seconds) == 7 * 24 * 3600
    link_id = await invitations.link_id(made.id)
    await invitations.revoke(tenant, made.id)
    assert await invitations.pending(tenant) == []
    ids = {"org_id": str(tenant.org_id), "invitation_id": made.id}
    (sent,) = await published(tenant.org_id, InvitationSent)
    assert sent.send_time.seconds - made.create_time.seconds <= 1
    assert sent == InvitationSent(**ids, link_id=str(link_id), send_time=sent.send_time)
    assert await published(tenant.org_id, InvitationRevoked) == [InvitationRevoked(**ids)]
    records = await published(tenant.org_id, AccessRecorded)
    written = [record.action for record in records if record.resource == f"invitations/{made.id}"]
    assert written == ["tenancy.invitations.create", "tenancy.invitations.revoke"]


async def test_the_reply_is_the_same_whoever_has_the_address(
    invitations: InvitationsClient, callers: Callers, join: Join
) -> None:
    """Nobody's, somebody's, and a member's."""
    tenant = await callers.tenant()
    stranger, member = await callers.user(), await join(tenant, Role.VIEWER)
    for email in (address(), stranger.email, member.email, tenant.owner.email):
        assert (await invitations.create(tenant, email)).email == email


async def test_an_address_is_invited_once_however_it_is_written(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant, email = await callers.tenant(), address()
    spellings = [email, email.upper(), f" {email}"] * 7
    outcomes = await asyncio.gather(
        *(invitations.create(tenant, spelling) for spelling in spellings), return_exceptions=True
    )
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, PeerError)]
    assert reasons == ["already_invited"] * 20
    (only,) = await invitations.pending(tenant)
    await invitations.revoke(tenant, only.id)
    assert (await invitations.create(tenant, email)).id != only.id


async def test_two_organizations_invite_the_same_address(
    invitations: InvitationsClient, callers: Callers
) -> None:
    one, two, email = await callers.tenant(), await callers.tenant(), address()
    made = [await invitations.create(tenant, email) for tenant in (one, two)]
    assert [await invitations.pending(tenant) for tenant in (one, two)] == [[made[0]], [made[1]]]


async def test_an_organization_has_so_many_at_most(
    system: System,
    invitations: InvitationsClient,
    callers: Callers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenon_tenancy.invitations.service.MAX_INVITATIONS", 2)
    tenant = await callers.tenant()
    async with system.serving(APP) as tenancy:
        here = InvitationsClient(tenancy, tenancy, tenancy, invitations.admin)
        outcomes = await asyncio.gather(
            *(here.create(tenant, address()) for _ in range(5)), return_exceptions=True
        )
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, PeerError)]
    assert reasons == ["too_many_invitations"] * 3


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@example.com", "x@y@example.com"])
async def test_what_is_no_address_is_refused(
    invitations: InvitationsClient, callers: Callers, email: str
) -> None:
    with pytest.raises(PeerError) as refused:
        await invitations.create(await callers.tenant(), email)
    assert refused.value.reason == "invalid_email"
    assert [field.pointer for field in refused.value.fields] == ["/email"]


async def test_nobody_invites_above_their_own_role(
    invitations: InvitationsClient, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admin, member = await join(tenant, Role.ADMIN), await join(tenant, Role.MEMBER)
    await invitations.create(tenant, address(), Role.ADMIN, by=admin)
    owners = await invitations.create(tenant, address(), Role.OWNER)
    assert await refusal(invitations.create(tenant, address(), Role.OWNER, by=admin)) == (
        "role_above_own"
    )
    for asked in (invitations.resend, invitations.revoke):
        assert await refusal(asked(tenant, owners.id, admin)) == "role_above_own"
    assert await refusal(invitations.create(tenant, address(), by=member)) == "role_too_low"


async def test_what_is_another_organizations_is_unknown(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant, other = await callers.tenant(), await callers.tenant()
    theirs = await invitations.create(other, address())
    for invitation_id in (theirs.id, str(uuid4()), "me", ""):
        for asked in (invitations.resend, invitations.revoke):
            assert await refusal(asked(tenant, invitation_id)) == "invitation_not_found"
    assert await invitations.pending(other) == [theirs]


async def test_what_is_long_over_is_forgotten(
    invitations: InvitationsClient, callers: Callers, backbone: Backbone[TenancySettings]
) -> None:
    tenant, email = await callers.tenant(), address()
    old, over = await invitations.create(tenant, email), await invitations.create(tenant, address())
    for invitation, days in ((old, 8), (over, 6)):
        await invitations.admin.execute(
            "UPDATE tenancy.invitations SET expire_time = now() - %s * interval '1 day'"
            " WHERE id = %s",
            [days, invitation.id],
        )
    async with backbone.database.tenant(tenant.org_id) as tx:
        await Foundation(backbone).invitations.forget(tx, tenant.org_id)
    assert [left.id for left in await invitations.pending(tenant)] == [over.id]
    await invitations.create(tenant, email)  # nothing is left of it, its look-up included


async def test_only_notifications_and_auth_may_ask_for_what_is_theirs(
    invitations: InvitationsClient, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    tenant = await callers.tenant()
    made = await invitations.create(tenant, address())
    gateway = InvitationsClient(tenancy, tenancy, tenancy, invitations.admin)
    link_id = await invitations.link_id(made.id)
    for asked in (gateway.notice(tenant, link_id), gateway.check("", made.email)):
        assert await refusal(asked) == "peer_not_allowed"

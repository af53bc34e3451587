import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message

from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from services.tenancy.tests.policies.policies_client import PoliciesClient
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.events_pb2 import InvitationAccepted
from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER, ROLE_VIEWER
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]
Published: TypeAlias = Callable[[UUID, type[Message]], Awaitable[list[Any]]]

SPENT = (
    "invitation_spent",
    "This link is good for nothing any more. Look for a newer mail, or ask to be invited again.",
)


async def refusal(asked: Awaitable[object]) -> str:
    with pytest.raises(PeerError) as refused:
        await asked
    return refused.value.reason


async def is_verified(invitations: InvitationsClient, caller: Caller) -> bool:
    query = "SELECT email_verified FROM auth.users WHERE id = %s"
    return bool(await invitations.scalar(query, caller.user_id))


async def test_the_link_makes_a_member_and_verifies_the_address(
    invitations: InvitationsClient,
    callers: Callers,
    published: Published,
    tenancy: grpc.aio.Channel,
) -> None:
    tenant, ada = await callers.tenant("Acme & Sons"), await callers.user()
    made = await invitations.create(tenant, ada.email.upper(), Role.ADMIN)
    token = await invitations.token(tenant, made.id)
    shown = await invitations.preview(token)
    assert (shown.organization_name, Role(shown.role)) == ("Acme & Sons", Role.ADMIN)
    assert shown.email.lower() == ada.email
    assert not await is_verified(invitations, ada)
    accepted = await invitations.accept(ada, token)
    assert (accepted.org_id, Role(accepted.role)) == (str(tenant.org_id), Role.ADMIN)
    assert await is_verified(invitations, ada)
    assert await invitations.roles(tenant, ada) == [Role.ADMIN]
    assert await invitations.pending(tenant) == []
    request = ListMembersRequest(org_id=str(tenant.org_id))
    members = await MemberServiceStub(tenancy).ListMembers(request, metadata=ada.metadata)
    assert len(members.items) == 2
    (told,) = await published(tenant.org_id, InvitationAccepted)
    assert (told.invitation_id, told.user_id) == (made.id, str(ada.user_id))
    records = await published(tenant.org_id, AccessRecorded)
    actors = {
        record.action.removeprefix("tenancy.invitations."): record.actor
        for record in records
        if record.resource == f"invitations/{made.id}"
    }
    assert actors["accept"] == f"users/{ada.user_id}"
    assert actors["preview"] == "services/gateway"


async def test_of_fifty_at_once_one_makes_a_member(
    invitations: InvitationsClient, callers: Callers, published: Published
) -> None:
    tenant, ada = await callers.tenant(), await callers.user()
    made = await invitations.create(tenant, ada.email)
    token = await invitations.token(tenant, made.id)
    outcomes = await asyncio.gather(
        *(invitations.accept(ada, token) for _ in range(50)), return_exceptions=True
    )
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, PeerError)]
    assert reasons == ["already_member"] * 49
    assert await invitations.roles(tenant, ada) == [Role.MEMBER]
    assert len(await published(tenant.org_id, InvitationAccepted)) == 1
    assert await refusal(invitations.accept(ada, token)) == "already_member"


async def test_it_is_for_its_address_alone(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant, eve = await callers.tenant(), await callers.user()
    made = await invitations.create(tenant, f"{uuid4()}@example.com")
    token = await invitations.token(tenant, made.id)
    with pytest.raises(PeerError) as refused:
        await invitations.accept(eve, token)
    assert refused.value.reason == "invitation_for_another_address"
    assert made.email not in refused.value.detail
    assert await refusal(invitations.check(token, eve.email)) == "invitation_for_another_address"
    assert await invitations.roles(tenant, eve) == []
    assert not await is_verified(invitations, eve)
    await invitations.check(token, made.email.upper())
    assert await invitations.pending(tenant) == [made]


async def test_links_that_are_not_good_are_refused_alike(
    invitations: InvitationsClient, callers: Callers
) -> None:
    """Forged, another organization's, revoked, over, and sent again since."""
    tenant, other, ada = await callers.tenant(), await callers.tenant(), await callers.user()
    made = await invitations.create(tenant, ada.email)
    first = await invitations.token(tenant, made.id)
    raw = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
    forged = [bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]]) for place in (0, 16, 63)]
    forged += [raw[:-1], raw + b"x", other.org_id.bytes + raw[16:]]
    tokens = [base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in forged]
    tokens += [f"{first}!", first[:-1], "é", first.lower()]
    for token in tokens:
        assert await invitations.refusals(ada, token) == {SPENT}
    assert len(await invitations.refusals(other.owner, first)) == 2  # the control: it is good

    link_id = await invitations.link_id(made.id)
    await invitations.resend(tenant, made.id)
    assert await invitations.refusals(ada, first) == {SPENT}
    assert await refusal(invitations.notice(tenant, link_id)) == "invitation_not_found"

    second = await invitations.token(tenant, made.id)
    link_id = await invitations.link_id(made.id)
    over = "UPDATE tenancy.invitations SET expire_time = now() WHERE id = %s"
    await invitations.admin.execute(over, [made.id])
    assert await invitations.refusals(ada, second) == {SPENT}
    assert await refusal(invitations.notice(tenant, link_id)) == "invitation_not_found"

    await invitations.resend(tenant, made.id)
    third = await invitations.token(tenant, made.id)
    await invitations.revoke(tenant, made.id)
    assert await invitations.refusals(ada, third) == {SPENT}
    assert await invitations.roles(tenant, ada) == []


@pytest.mark.parametrize("role", [ROLE_MEMBER, ROLE_VIEWER])
async def test_it_is_good_only_while_its_inviter_may_invite(
    invitations: InvitationsClient,
    callers: Callers,
    join: Join,
    tenancy: grpc.aio.Channel,
    role: Any,
) -> None:
    tenant, ada = await callers.tenant(), await callers.user()
    admin = await join(tenant, Role.ADMIN)
    made = await invitations.create(tenant, ada.email, Role.VIEWER, by=admin)
    token = await invitations.token(tenant, made.id)
    lowered = UpdateMemberRequest(org_id=str(tenant.org_id), user_id=str(admin.user_id), role=role)
    await MemberServiceStub(tenancy).UpdateMember(lowered, metadata=tenant.metadata)
    assert await invitations.refusals(ada, token) == {SPENT}
    await invitations.resend(tenant, made.id)  # in another's name it is good again
    await invitations.accept(ada, await invitations.token(tenant, made.id))
    assert await invitations.roles(tenant, ada) == [Role.VIEWER]


async def test_a_member_is_told_so(
    invitations: InvitationsClient, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    viewer = await join(tenant, Role.VIEWER)
    made = await invitations.create(tenant, viewer.email, Role.OWNER)
    token = await invitations.token(tenant, made.id)
    assert await refusal(invitations.accept(viewer, token)) == "already_member"
    assert await invitations.roles(tenant, viewer) == [Role.VIEWER]


async def test_who_may_be_invited_goes_by_the_policy_also_for_links_that_are_out(
    invitations: InvitationsClient, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    tenant, ada = await callers.tenant(), await callers.user()
    made = await invitations.create(tenant, ada.email)
    token = await invitations.token(tenant, made.id)
    policies = PoliciesClient(tenancy, tenant)
    await policies.update(allowed_mail_domains=["elsewhere.example.org"])
    assert await refusal(invitations.create(tenant, "eve@example.com")) == "mail_domain_not_allowed"
    assert await refusal(invitations.resend(tenant, made.id)) == "mail_domain_not_allowed"
    assert await refusal(invitations.accept(ada, token)) == "mail_domain_not_allowed"
    assert await invitations.roles(tenant, ada) == []
    await policies.update(allowed_mail_domains=[])
    await invitations.accept(ada, token)
    assert await invitations.roles(tenant, ada) == [Role.MEMBER]


async def test_a_link_that_a_mail_program_has_broken_is_read(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant = await callers.tenant()
    made = await invitations.create(tenant, f"{uuid4()}@example.com")
    token = await invitations.token(tenant, made.id)
    assert (await invitations.preview(f" {token[:40]}\r\n {token[40:]}\n")).email == made.email

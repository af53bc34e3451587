"""How many invitations are mailed, by whom and to whom; no organization learns of others."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from services.tenancy.tests.invitations.invitations_client import InvitationsClient
from services.tenancy.tests.invitations.test_invitations import Join, Published, address
from tenon.tenancy.v1.events_pb2 import InvitationSent
from tenon.tenancy.v1.invitation_pb2 import Invitation
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_embedded.ports import free_port
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_tenancy.app import APP
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

PER_MAILBOX_AND_HOUR = 10
PER_ORGANIZATION_AND_RECIPIENT = 5
PER_USER_AND_RECIPIENT = 10
SOON = timedelta(seconds=60)


async def limits_reached(calls: Sequence[Awaitable[object]]) -> list[str]:
    """Make calls at once; return the limits that refused some, or nothing for those that passed."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        assert not isinstance(outcome, PeerError) or outcome.reason == "too_many_mails"
    return [outcome.limit for outcome in outcomes if isinstance(outcome, PeerError)]


async def another_organization(tenancy: grpc.aio.Channel, tenant: Tenant) -> Tenant:
    """Make one more organization of the same owner."""
    reply = await OrganizationServiceStub(tenancy).CreateOrganization(
        CreateOrganizationRequest(name="Acme"), metadata=tenant.metadata
    )
    return Tenant(UUID(reply.organization.id), tenant.owner)


async def delay_of(published: Published, tenant: Tenant, invitation: Invitation) -> timedelta:
    """Return in what time an invitation is mailed."""

    async def events() -> list[Any]:
        sent = await published(tenant.org_id, InvitationSent)
        return [event for event in sent if event.invitation_id == invitation.id]

    (event,) = await eventually(events)
    send_time: datetime = event.send_time.ToDatetime(UTC)
    return send_time - datetime.now(UTC)


async def test_an_invitation_is_sent_again_only_so_often(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant = await callers.tenant()
    made = await invitations.create(tenant, address())
    reached = await limits_reached([invitations.resend(tenant, made.id) for _ in range(9)])
    refused = 1 + 9 - PER_ORGANIZATION_AND_RECIPIENT
    assert reached == ["invitation_mails_per_organization_and_recipient"] * refused
    await invitations.create(tenant, address())  # the control: another address


async def test_a_refusal_says_when_to_try_again(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant = await callers.tenant()
    made = await invitations.create(tenant, address())
    for _ in range(PER_ORGANIZATION_AND_RECIPIENT - 1):
        await invitations.resend(tenant, made.id)
    with pytest.raises(PeerError) as refused:
        await invitations.resend(tenant, made.id)
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 3_600 / PER_ORGANIZATION_AND_RECIPIENT


async def test_tagged_addresses_share_the_limit_of_their_mailbox(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant, name = await callers.tenant(), uuid4()
    tagged = [f"{name}+{number}@example.com" for number in range(9)]
    reached = await limits_reached([invitations.create(tenant, email) for email in tagged])
    refused = 9 - PER_ORGANIZATION_AND_RECIPIENT
    assert reached == ["invitation_mails_per_organization_and_recipient"] * refused
    dotted = [f"{name}.{number}@example.com" for number in range(9)]
    assert await limits_reached([invitations.create(tenant, email) for email in dotted]) == []


async def test_a_refused_invitation_counts_for_no_limit(
    invitations: InvitationsClient, callers: Callers
) -> None:
    tenant, email = await callers.tenant(), address()
    made = await invitations.create(tenant, email)
    for _ in range(PER_ORGANIZATION_AND_RECIPIENT * 2):
        with pytest.raises(PeerError, match="has an invitation already"):
            await invitations.create(tenant, email)
    resends = [invitations.resend(tenant, made.id) for _ in range(4)]
    assert await limits_reached(resends) == []


async def test_the_limits_hold_without_redis(
    system: System, invitations: InvitationsClient, callers: Callers
) -> None:
    tenant = await callers.tenant()
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    async with system.serving(APP, redis_url=nowhere) as tenancy:
        here = InvitationsClient(tenancy, tenancy, tenancy, invitations.admin)
        made = await here.create(tenant, address())
        reached = await limits_reached([here.resend(tenant, made.id) for _ in range(9)])
    assert len(reached) == 1 + 9 - PER_ORGANIZATION_AND_RECIPIENT


async def test_more_organizations_give_a_user_no_more_invitations(
    system: System, invitations: InvitationsClient, callers: Callers
) -> None:
    first = await callers.tenant()
    async with system.serving(APP, invitations_per_user=6) as tenancy:
        here = InvitationsClient(tenancy, tenancy, tenancy, invitations.admin)
        tenants = [first, *[await another_organization(tenancy, first) for _ in range(3)]]
        reached = await limits_reached(
            [here.create(tenant, address()) for tenant in tenants for _ in range(3)]
        )
        assert reached == ["invitation_mails_per_user"] * 6
        await here.create(await callers.tenant(), address())  # the control: another user


async def test_more_admins_give_an_organization_no_more_invitations(
    system: System, invitations: InvitationsClient, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admins = [await join(tenant, Role.ADMIN) for _ in range(3)]
    async with system.serving(APP, invitations_per_organization=6) as tenancy:
        here = InvitationsClient(tenancy, tenancy, tenancy, invitations.admin)
        reached = await limits_reached(
            [here.create(tenant, address(), by=admin) for admin in admins for _ in range(4)]
        )
        assert reached == ["invitation_mails_per_organization"] * 6
        await here.create(await callers.tenant(), address())  # the control: another organization


async def test_more_organizations_give_a_user_no_more_mails_to_one_mailbox(
    invitations: InvitationsClient, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    first, email = await callers.tenant(), address()
    rest = [await another_organization(tenancy, first) for _ in range(PER_USER_AND_RECIPIENT + 3)]
    reached = await limits_reached([invitations.create(tenant, email) for tenant in (first, *rest)])
    assert reached == ["invitation_mails_per_user_and_recipient"] * 4


async def test_others_invitations_to_an_address_refuse_nobody_and_delay_the_mail(
    invitations: InvitationsClient, callers: Callers, published: Published
) -> None:
    name = uuid4()
    tenants = [await callers.tenant() for _ in range(3)]
    for tenant in tenants[:2]:
        for number in range(PER_ORGANIZATION_AND_RECIPIENT):
            made = await invitations.create(tenant, f"{name}+{number}@example.com")
        assert await delay_of(published, tenant, made) < SOON
    quiet, interval = tenants[2], timedelta(hours=1) / PER_MAILBOX_AND_HOUR
    delayed = await invitations.create(quiet, f"{name}@example.com")
    assert SOON < await delay_of(published, quiet, delayed) <= interval
    control = await invitations.create(quiet, address())  # another mailbox
    assert await delay_of(published, quiet, control) < SOON

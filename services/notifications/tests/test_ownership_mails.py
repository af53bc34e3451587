"""Mails of the real tenancy about an organization that is handed over."""

from collections.abc import AsyncIterator

import grpc
import pytest

from services.notifications.tests.mail_bench import MailBench
from tenon.tenancy.v1.ownership_service_pb2 import (
    AcceptOwnershipRequest,
    DeclineOwnershipRequest,
    TransferOwnershipRequest,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System


@pytest.fixture
async def tenancy(system: System) -> AsyncIterator[grpc.aio.Channel]:
    channel = system.channel("tenancy")
    yield channel
    await channel.close(None)


async def join(bench: MailBench, tenant: Tenant, callers: Callers) -> Caller:
    """Let somebody be a member, as an accepted invitation would."""
    caller = await callers.user()
    bench.system.verify_email(caller.user_id)
    await bench.admin.execute(
        "INSERT INTO tenancy.memberships VALUES (%s, %s, 2, now())",
        [tenant.org_id, caller.user_id],
    )
    return caller


async def test_both_learn_of_what_they_have_not_done(
    bench: MailBench, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    ownership = OwnershipServiceStub(tenancy)
    tenant = await callers.tenant("Acme & Sons")
    org_id, heir = str(tenant.org_id), await join(bench, tenant, callers)
    offer = TransferOwnershipRequest(org_id=org_id, user_id=str(heir.user_id))
    async with bench.working():
        await ownership.TransferOwnership(offer, metadata=tenant.metadata)
        offered = await bench.mail_about(heir.email, "Acme & Sons")
        await ownership.AcceptOwnership(
            AcceptOwnershipRequest(org_id=org_id), metadata=heir.metadata
        )
        told = await bench.mail_about(tenant.owner.email, "Acme & Sons")
    assert offered["Subject"] == "Acme & Sons is offered to you"
    assert "You are an admin there now." in bench.text(told)


async def test_an_offer_that_is_void_when_it_is_mailed_is_not(
    bench: MailBench, callers: Callers, tenancy: grpc.aio.Channel
) -> None:
    ownership = OwnershipServiceStub(tenancy)
    tenant = await callers.tenant()
    org_id, heir = str(tenant.org_id), await join(bench, tenant, callers)
    offer = TransferOwnershipRequest(org_id=org_id, user_id=str(heir.user_id))
    await ownership.TransferOwnership(offer, metadata=tenant.metadata)
    await ownership.DeclineOwnership(DeclineOwnershipRequest(org_id=org_id), metadata=heir.metadata)

    async def is_given_up() -> bool:
        rows = await bench.admin.execute(
            "SELECT FROM notifications.emails WHERE user_id = %s AND kind = 'ownership_offered'"
            " AND failure = 'the offer is gone'",
            [heir.user_id],
        )
        return await rows.fetchone() is not None

    async with bench.working():
        await bench.until(is_given_up)

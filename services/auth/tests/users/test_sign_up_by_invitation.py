"""Sign-up by the link of an invitation: where it is closed to others, and where addresses are
verified first.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest

from tenon.auth.v1.user_service_pb2 import SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.tenancy.v1.invitation_service_pb2 import (
    CreateInvitationRequest,
    GetInvitationNoticeRequest,
)
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_VIEWER
from tenon_auth.app import APP
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.system import System

Admin = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def admin(system: System) -> Iterator[Admin]:
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


async def invited(system: System, callers: Callers, admin: Admin, email: str) -> str:
    """Invite an address; return what the mail's link has."""
    tenant = await callers.tenant()
    org_id = str(tenant.org_id)
    tenancy = system.channel("tenancy")
    request = CreateInvitationRequest(org_id=org_id, email=email, role=ROLE_VIEWER)
    made = await InvitationServiceStub(tenancy).CreateInvitation(request, metadata=tenant.metadata)
    await tenancy.close(None)
    query = "SELECT link_id FROM tenancy.invitations WHERE id = %s"
    ((link_id,),) = admin.execute(query, [UUID(made.invitation.id)]).fetchall()
    worker = system.channel("tenancy", caller="notifications-worker")
    notice = await InvitationServiceStub(worker).GetInvitationNotice(
        GetInvitationNoticeRequest(org_id=org_id, link_id=str(link_id))
    )
    await worker.close(None)
    return str(notice.token)


async def sign_up(auth: grpc.aio.Channel, email: str, token: str) -> SignUpResponse:
    request = SignUpRequest(email=email, password=PASSWORD, name="Ada", invitation_token=token)
    reply: SignUpResponse = await UserServiceStub(auth).SignUp(request)
    return reply


async def refusal(auth: grpc.aio.Channel, email: str, token: str) -> str:
    with pytest.raises(PeerError) as refused:
        await sign_up(auth, email, token)
    return refused.value.reason


@pytest.mark.parametrize("mode", ["closed", "verified", "open"])
async def test_whoever_is_invited_has_an_account_at_once(
    system: System, callers: Callers, admin: Admin, mode: str
) -> None:
    email = f"{uuid4()}@example.com"
    token = await invited(system, callers, admin, email)
    async with system.serving(APP, sign_up=mode) as auth:
        reply = await sign_up(auth, email.upper(), token)
        assert reply.session.id
        assert reply.tokens.access_token
        assert reply.user.email_verified
        links = "SELECT count(*) FROM auth.links WHERE user_id = %s"
        assert admin.execute(links, [reply.user.id]).fetchall() == [(0,)]
        assert await refusal(auth, email, token) == "email_taken"


async def test_no_other_token_opens_what_is_closed(
    system: System, callers: Callers, admin: Admin
) -> None:
    email = f"{uuid4()}@example.com"
    token = await invited(system, callers, admin, email)
    async with system.serving(APP, sign_up="closed") as auth:
        assert await refusal(auth, email, "") == "sign_up_closed"
        assert await refusal(auth, email, token[:-2]) == "invitation_spent"
        assert await refusal(auth, f"x{email}", token) == "invitation_for_another_address"
        admin.execute("DELETE FROM tenancy.invitations")
        assert await refusal(auth, email, token) == "invitation_spent"

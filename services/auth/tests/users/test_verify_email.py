"""One's address is verified by the link that was mailed to it, once, by oneself."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.sessions.test_list_sessions import bearer
from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceStub
from tenon.auth.v1.session_service_pb2 import GetSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import (
    SendVerificationRequest,
    SignUpRequest,
    SignUpResponse,
    VerifyEmailRequest,
)
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.links.service import MAILS
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


@pytest.fixture
def admin(system: System) -> "Iterator[psycopg.Connection[Any]]":
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def token(
    auth: grpc.aio.Channel,  # it serves
    system: System,
    admin: "psycopg.Connection[Any]",
    signed_up: SignUpResponse,
) -> str:
    """What the mail would carry."""
    del auth
    found = admin.execute("SELECT id FROM auth.links WHERE user_id = %s", [signed_up.user.id])
    ((link_id,),) = found.fetchall()
    channel = system.channel("auth", caller="notifications-worker")
    notice = await LinkServiceStub(channel).GetLinkNotice(
        GetLinkNoticeRequest(user_id=signed_up.user.id, link_id=str(link_id))
    )
    await channel.close(None)
    made: str = notice.token
    return made


async def verify(auth: grpc.aio.Channel, metadata: Metadata, token: str) -> str:
    """Return the reason of a refusal; empty if the address is verified."""
    try:
        reply = await UserServiceStub(auth).VerifyEmail(
            VerifyEmailRequest(token=token), metadata=metadata
        )
    except PeerError as error:
        return error.reason
    assert reply.user.email_verified
    return ""


async def test_the_mailed_link_verifies_once(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse, token: str
) -> None:
    assert not signed_up.user.email_verified
    assert await verify(auth, metadata, token) == ""
    assert await verify(auth, metadata, token) == "link_spent"
    reply = await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    assert reply.user.email_verified


async def test_anothers_link_verifies_nothing(
    auth: grpc.aio.Channel, metadata: Metadata, token: str
) -> None:
    """Whoever finds one cannot make it theirs, nor use it up."""
    request = SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name="Eve")
    eve = await UserServiceStub(auth).SignUp(request)
    assert await verify(auth, bearer(eve.tokens.access_token), token) == "link_spent"
    assert await verify(auth, metadata, token) == ""


async def test_more_links_are_sent_within_bounds_and_none_when_it_is_verified(
    auth: grpc.aio.Channel,
    metadata: Metadata,
    admin: "psycopg.Connection[Any]",
    signed_up: SignUpResponse,
    token: str,
) -> None:
    def made() -> int:
        row = admin.execute(
            "SELECT count(*) FROM auth.links WHERE user_id = %s", [signed_up.user.id]
        ).fetchone()
        assert row is not None
        return int(row[0])

    async def send() -> None:
        await UserServiceStub(auth).SendVerification(SendVerificationRequest(), metadata=metadata)

    for _ in range(MAILS - made()):
        await send()
    with pytest.raises(PeerError) as refused:
        await send()
    assert refused.value.reason == "too_many_mails"
    assert await verify(auth, metadata, token) == ""
    await send()
    assert made() == MAILS

"""Log-ins by a mailed link: the way in while passwords are not checked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from services.auth.tests.passwords.test_guesses import ALLOWED, guess
from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceStub
from tenon.auth.v1.log_in_link_service_pb2 import (
    LogInWithLinkRequest,
    LogInWithLinkResponse,
    RequestLogInLinkRequest,
)
from tenon.auth.v1.log_in_link_service_pb2_grpc import LogInLinkServiceStub
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.app import APP, worker
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Ask = Callable[[str], Awaitable[None]]
WAITING = (
    "SELECT count(*) FROM auth.jobs WHERE type = 'log_in_links.requested'"
    " AND state IN ('queued', 'running')"
)
LINKS = "SELECT id, purpose FROM auth.links WHERE user_id = %s AND purpose <> 'verify_email'"


@pytest.fixture
async def ask(
    auth: grpc.aio.Channel, system: System, admin: "psycopg.Connection[Any]"
) -> AsyncIterator[Ask]:
    """Ask for a link; the job is finished when this returns."""
    async with worker(system.settings(APP, process="auth-worker")) as work, work.running():

        async def ask(email: str) -> None:
            request = RequestLogInLinkRequest(email=email)
            await LogInLinkServiceStub(auth).RequestLogInLink(request)
            work.wake()

            async def is_finished() -> bool:
                return admin.execute(WAITING).fetchone() == (0,)

            await eventually(is_finished)

        yield ask


@pytest.fixture
async def mailed(
    ask: Ask, system: System, admin: "psycopg.Connection[Any]"
) -> AsyncIterator[Callable[[Any], Awaitable[str]]]:
    """Ask for a link to a user's verified address; returns what the mail would carry."""
    channel = system.channel("auth", caller="notifications-worker")

    async def mailed(user: Any) -> str:
        system.verify_email(user.id)
        await ask(user.email)
        ((link_id, purpose),) = admin.execute(LINKS, [user.id]).fetchall()
        assert purpose == "log_in"
        request = GetLinkNoticeRequest(user_id=user.id, link_id=str(link_id))
        token: str = (await LinkServiceStub(channel).GetLinkNotice(request)).token
        return token

    yield mailed
    await channel.close(None)


Mailed = Callable[[Any], Awaitable[str]]


async def log_in(auth: grpc.aio.Channel, token: str) -> LogInWithLinkResponse:
    request = LogInWithLinkRequest(token=token)
    reply: LogInWithLinkResponse = await LogInLinkServiceStub(auth).LogInWithLink(request)
    return reply


async def refusal(auth: grpc.aio.Channel, token: str) -> str:
    try:
        await log_in(auth, token)
    except PeerError as error:
        return error.reason
    return ""


async def test_logs_in_while_passwords_are_not_checked(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, mailed: Mailed
) -> None:
    email = signed_up.user.email
    for _ in range(ALLOWED):
        await guess(auth, email)
    with pytest.raises(PeerError) as refused:
        await SessionServiceStub(auth).LogIn(LogInRequest(email=email, password=PASSWORD))
    assert refused.value.reason == "too_many_guesses"
    assert "/api/auth/login/link" in refused.value.detail
    reply = await log_in(auth, await mailed(signed_up.user))
    assert (reply.user.id, list(reply.session.methods)) == (signed_up.user.id, ["link"])
    device = reply.tokens.device_token
    assert await guess(auth, email, PASSWORD, token=device) == ""


async def test_works_once(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, mailed: Mailed
) -> None:
    token = await mailed(signed_up.user)
    told = Counter(await asyncio.gather(*(refusal(auth, token) for _ in range(50))))
    assert told == {"": 1, "link_spent": 49}


@pytest.mark.usefixtures("enrolled")
async def test_a_second_factor_is_still_asked_for(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, mailed: Mailed
) -> None:
    reply = await log_in(auth, await mailed(signed_up.user))
    assert reply.mfa_required
    assert not reply.HasField("session")


async def test_an_unverified_account_gets_a_link_for_a_new_password(
    signed_up: SignUpResponse, ask: Ask, admin: "psycopg.Connection[Any]"
) -> None:
    """Whoever made it may know its password, and must not stay in."""
    await ask(signed_up.user.email)
    ((_, purpose),) = admin.execute(LINKS, [signed_up.user.id]).fetchall()
    assert purpose == "reset_password"


async def test_an_unknown_address_is_told_the_same(ask: Ask) -> None:
    await ask(f"{uuid4()}@example.com")

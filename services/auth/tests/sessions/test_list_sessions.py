"""One's sessions: what they were begun on, which is asking, and no other's."""

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.session_pb2 import Device, Session
from tenon.auth.v1.session_service_pb2 import (
    ListSessionsRequest,
    LogInRequest,
    LogInResponse,
    RevokeSessionRequest,
)
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import eventually

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"


async def log_in(auth: grpc.aio.Channel, signed_up: SignUpResponse, **device: str) -> LogInResponse:
    request = LogInRequest(email=signed_up.user.email, password=PASSWORD, device=Device(**device))
    reply: LogInResponse = await SessionServiceStub(auth).LogIn(request)
    return reply


def bearer(access_token: str) -> Metadata:
    return Metadata(("authorization", f"Bearer {access_token}"))


async def listed(auth: grpc.aio.Channel, metadata: Metadata) -> list[Session]:
    reply = await SessionServiceStub(auth).ListSessions(ListSessionsRequest(), metadata=metadata)
    return list(reply.items)


async def test_lists_the_newest_first_and_says_which_one_asks(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    other = await log_in(auth, signed_up, user_agent=FIREFOX, ip_address="192.0.2.7")
    newest, oldest = await listed(auth, metadata)
    assert (newest.id, oldest.id) == (other.session.id, signed_up.session.id)
    assert (newest.current, oldest.current) == (False, True)
    assert (newest.device, newest.ip_address) == ("Firefox on Linux", "192.0.2.7")
    assert (oldest.device, oldest.ip_address) == ("", "")


async def test_an_ended_session_is_not_listed(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    other = await log_in(auth, signed_up)
    await SessionServiceStub(auth).RevokeSession(
        RevokeSessionRequest(session_id=other.session.id), metadata=metadata
    )
    assert [session.id for session in await listed(auth, metadata)] == [signed_up.session.id]


async def test_lists_page_by_page(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    others = [(await log_in(auth, signed_up)).session.id for _ in range(2)]
    shown: list[str] = []
    request = ListSessionsRequest(page_size=2)
    while True:
        page = await SessionServiceStub(auth).ListSessions(request, metadata=metadata)
        shown += [session.id for session in page.items]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert shown == [*reversed(others), signed_up.session.id]


@pytest.mark.parametrize("user_agent", ["", "x" * 10_000, "nobody knows this"])
async def test_any_user_agent_is_taken(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, user_agent: str
) -> None:
    reply = await log_in(auth, signed_up, user_agent=user_agent)
    assert reply.session.device == ""


async def test_what_is_long_over_is_forgotten_at_the_next_log_in(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, system: System
) -> None:
    """Sessions, devices and links, of that user."""
    old = await log_in(auth, signed_up)
    with psycopg.connect(system.admin_url(), autocommit=True) as admin:
        admin.execute(
            "UPDATE auth.sessions SET end_time = now() - interval '31 days' WHERE id = %s",
            [old.session.id],
        )
        admin.execute(
            "UPDATE auth.devices SET last_seen_time = now() - interval '401 days'"
            " WHERE user_id = %s",
            [signed_up.user.id],
        )
        new = await log_in(auth, signed_up)
        kept = admin.execute(
            "SELECT id::text FROM auth.sessions WHERE user_id = %s ORDER BY id",
            [signed_up.user.id],
        ).fetchall()
        known = admin.execute(
            "SELECT count(*) FROM auth.devices WHERE user_id = %s", [signed_up.user.id]
        ).fetchone()
    assert kept == [(signed_up.session.id,), (new.session.id,)]
    assert known == (1,)


async def test_of_too_many_the_oldest_ends(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a password must not make more sessions than can be ended at once."""
    monkeypatch.setattr("tenon_auth.sessions.service.MAX_LIVE", 3)
    begun = [(await log_in(auth, signed_up)) for _ in range(3)]
    kept = await listed(auth, bearer(begun[-1].tokens.access_token))
    assert [session.id for session in kept] == [one.session.id for one in reversed(begun)]
    await eventually(lambda: is_refused(auth, bearer(signed_up.tokens.access_token)), within=1.2)

"""B3: a mailed link replaces a password once, whoever else has it, and however often it is sent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.passwords.test_guesses import ALLOWED, guess
from services.auth.tests.second_factors.enrolled import log_in, register
from services.auth.tests.sessions.test_log_out import is_refused
from services.auth.tests.users.test_addresses import sign_up
from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceStub
from tenon.auth.v1.password_service_pb2 import ForgetPasswordRequest, ResetPasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon.auth.v1.user_service_pb2 import SendVerificationRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.app import APP, worker
from tenon_auth.links.service import MAILS
from tenon_rpc.status import PeerError
from tenon_testing.addresses import PAIRS, Pair
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import eventually

NEW = "tsunami kettle pelican"

Forget = Callable[[str], Awaitable[None]]


@pytest.fixture
def admin(system: System) -> "Iterator[psycopg.Connection[Any]]":
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def forget(
    auth: grpc.aio.Channel, system: System, admin: "psycopg.Connection[Any]"
) -> AsyncIterator[Forget]:
    """Say that one has forgotten a password; it is worked off when this returns."""
    async with worker(system.settings(APP, process="auth-worker")) as work, work.running():

        async def forget(email: str) -> None:
            await PasswordServiceStub(auth).ForgetPassword(ForgetPasswordRequest(email=email))
            work.wake()

            async def worked_off() -> bool:
                waiting = admin.execute(
                    "SELECT count(*) FROM auth.jobs WHERE type = 'passwords.forgotten'"
                    " AND (state = 'running' OR state = 'queued' AND run_at <= now())"
                ).fetchone()
                return waiting == (0,)

            await eventually(worked_off)

        yield forget


def links_of(admin: "psycopg.Connection[Any]", user_id: str) -> list[str]:
    rows = admin.execute(
        "SELECT id FROM auth.links WHERE user_id = %s AND purpose = 'reset_password' ORDER BY id",
        [user_id],
    )
    return [str(row[0]) for row in rows.fetchall()]


@pytest.fixture
async def token(
    system: System, admin: "psycopg.Connection[Any]", forget: Forget, signed_up: SignUpResponse
) -> str:
    """What the mail would carry."""
    await forget(signed_up.user.email)
    (link_id,) = links_of(admin, signed_up.user.id)
    channel = system.channel("auth", caller="notifications-worker")
    notice = await LinkServiceStub(channel).GetLinkNotice(
        GetLinkNoticeRequest(user_id=signed_up.user.id, link_id=link_id)
    )
    await channel.close(None)
    found: str = notice.token
    return found


async def reset(auth: grpc.aio.Channel, token: str, new: str = NEW) -> str:
    """Return the reason of a refusal; empty if it was replaced."""
    request = ResetPasswordRequest(token=token, new_password=new)
    try:
        await PasswordServiceStub(auth).ResetPassword(request)
    except PeerError as error:
        return error.reason
    return ""


async def test_the_new_one_logs_in_and_all_sessions_end(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata, token: str
) -> None:
    assert await reset(auth, token) == ""
    await eventually(lambda: is_refused(auth, metadata), within=1.2)
    assert await guess(auth, signed_up.user.email, PASSWORD) == "invalid_credentials"
    assert await guess(auth, signed_up.user.email, NEW) == ""


async def test_fifty_at_once_replace_it_once(auth: grpc.aio.Channel, token: str) -> None:
    told: Counter[str] = Counter()
    for batch in range(5):  # fewer than wait for a hash at once
        tries = (reset(auth, token, f"{NEW} {batch} {number}") for number in range(10))
        told += Counter(await asyncio.gather(*tries))
    assert told == {"": 1, "link_spent": 49}


async def test_no_older_link_outlives_a_reset(
    auth: grpc.aio.Channel, system: System, forget: Forget, signed_up: SignUpResponse, token: str
) -> None:
    """Whoever has read an earlier mail would have the last word."""
    await forget(signed_up.user.email)
    assert await reset(auth, token) == ""
    with psycopg.connect(system.admin_url()) as admin:
        good = admin.execute(
            "SELECT count(*) FROM auth.links WHERE user_id = %s AND use_time IS NULL"
            " AND purpose = 'reset_password'",
            [signed_up.user.id],
        ).fetchone()
    assert good == (0,)


async def test_a_reset_forgets_the_devices_of_whoever_had_the_password(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, token: str
) -> None:
    for _ in range(ALLOWED):
        await guess(auth, signed_up.user.email)
    assert await reset(auth, token) == ""
    theirs = signed_up.tokens.device_token
    assert await guess(auth, signed_up.user.email, token=theirs) == "too_many_guesses"


async def test_many_links_asked_for_at_once_are_no_more(
    auth: grpc.aio.Channel, metadata: Metadata
) -> None:
    users = UserServiceStub(auth)

    async def send() -> str:
        try:
            await users.SendVerification(SendVerificationRequest(), metadata=metadata)
        except PeerError as error:
            return error.reason
        return ""

    told = Counter(await asyncio.gather(*(send() for _ in range(10))))
    assert told == {"": MAILS - 1, "too_many_mails": 11 - MAILS}  # the welcome had one


async def test_a_weak_password_does_not_use_the_link_up(auth: grpc.aio.Channel, token: str) -> None:
    assert await reset(auth, token, "password1") == "weak_password"
    assert await reset(auth, token) == ""


async def test_a_link_whose_time_is_over_is_refused(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", token: str
) -> None:
    admin.execute("UPDATE auth.links SET expire_time = now()")
    assert await reset(auth, token) == "link_spent"


@pytest.mark.parametrize("forge", [lambda t: t[:-8] + "AAAAAAAA", lambda t: "A" * len(t)])
async def test_a_forged_link_is_refused_like_a_spent_one(
    auth: grpc.aio.Channel, token: str, forge: Callable[[str], str]
) -> None:
    assert await reset(auth, forge(token)) == "link_spent"
    assert await reset(auth, token) == ""


async def test_a_link_for_something_else_is_refused(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", token: str
) -> None:
    """The purpose is in the token's derivation, and in the row."""
    admin.execute("UPDATE auth.links SET purpose = 'verify_email'")
    assert await reset(auth, token) == "link_spent"


async def test_an_address_that_nobody_has_gets_the_same_reply_and_no_link(
    forget: Forget, admin: "psycopg.Connection[Any]"
) -> None:
    before = admin.execute("SELECT count(*) FROM auth.links").fetchone()
    await forget(f"{uuid4()}@example.com")
    assert admin.execute("SELECT count(*) FROM auth.links").fetchone() == before


async def test_nobody_fills_anothers_mailbox(
    forget: Forget, admin: "psycopg.Connection[Any]", signed_up: SignUpResponse
) -> None:
    for _ in range(MAILS + 4):
        await forget(signed_up.user.email)
    assert len(links_of(admin, signed_up.user.id)) == MAILS


async def test_a_flood_of_requests_delays_the_owners_link_and_does_not_prevent_it(
    forget: Forget, admin: "psycopg.Connection[Any]", signed_up: SignUpResponse
) -> None:
    """Of all requests above the limit one waits, and its link is for all of them."""
    waits = (
        "SELECT id FROM auth.jobs WHERE type = 'passwords.forgotten' AND state = 'queued'"
        " AND run_at BETWEEN now() AND now() + interval '20 minutes'"
    )
    before = set(admin.execute(waits).fetchall())
    for _ in range(MAILS + 4):
        await forget(signed_up.user.email)
    ((job_id,),) = set(admin.execute(waits).fetchall()) - before
    admin.execute("UPDATE auth.jobs SET run_at = now() WHERE id = %s", [job_id])
    await forget(signed_up.user.email)
    assert len(links_of(admin, signed_up.user.id)) == MAILS + 1


async def test_who_is_kept_out_by_others_guesses_gets_in_by_a_link(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, token: str
) -> None:
    for _ in range(ALLOWED + 1):
        await guess(auth, signed_up.user.email)
    assert await guess(auth, signed_up.user.email, PASSWORD) == "too_many_guesses"
    reply = await PasswordServiceStub(auth).ResetPassword(
        ResetPasswordRequest(token=token, new_password=NEW)
    )
    assert await guess(auth, signed_up.user.email, NEW, token=reply.device_token) == ""


async def test_the_database_holds_nothing_that_makes_a_link(
    admin: "psycopg.Connection[Any]", token: str, signed_up: SignUpResponse
) -> None:
    row = admin.execute(
        "SELECT string_agg(l::text, ' ') FROM auth.links AS l WHERE user_id = %s",
        [signed_up.user.id],
    ).fetchone()
    assert row is not None
    assert signed_up.user.id in row[0]
    assert token not in row[0]
    assert token[-20:] not in row[0]


async def test_what_is_no_address_is_told(auth: grpc.aio.Channel) -> None:
    with pytest.raises(PeerError) as refused:
        await PasswordServiceStub(auth).ForgetPassword(ForgetPasswordRequest(email="ada"))
    assert refused.value.reason == "invalid_email"


async def test_a_passkey_of_whoever_signed_up_with_anothers_address_is_gone(
    auth: grpc.aio.Channel,
    system: System,
    signed_up: SignUpResponse,
    metadata: Metadata,
    token: str,
) -> None:
    """The owner of the address gets the account, and nobody else has a way in."""
    assert not signed_up.user.email_verified
    await register(auth, metadata, Authenticator(system.url))
    assert await reset(auth, token) == ""
    assert await guess(auth, signed_up.user.email, NEW) == "", "no second factor is asked for"


async def test_a_passkey_of_the_owner_stays(
    auth: grpc.aio.Channel,
    system: System,
    admin: "psycopg.Connection[Any]",
    signed_up: SignUpResponse,
    metadata: Metadata,
    token: str,
) -> None:
    """The control: a reset is no way round a second factor."""
    admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [signed_up.user.id])
    await register(auth, metadata, Authenticator(system.url))
    assert await reset(auth, token) == ""
    assert (await log_in(auth, signed_up.user.email, NEW)).mfa_required


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_a_link_is_mailed_to_the_account_of_the_address_only(
    auth: grpc.aio.Channel, admin: "psycopg.Connection[Any]", forget: Forget, pair: Pair
) -> None:
    first, second = pair.unique()
    account = await sign_up(auth, first)
    await forget(second)
    assert bool(links_of(admin, account.user.id)) is pair.same

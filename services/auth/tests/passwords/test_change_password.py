"""Replacing one's password: by whoever knows it, and for all sessions."""

import asyncio

import bcrypt
import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.passwords.test_guesses import ALLOWED, guess
from services.auth.tests.sessions.test_list_sessions import listed, log_in
from tenon.auth.v1.password_service_pb2 import ChangePasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.passwords import hashing
from tenon_auth.passwords.credentials import Credentials
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System

NEW = "tsunami kettle pelican"


async def change(
    auth: grpc.aio.Channel, metadata: Metadata, current: str = PASSWORD, new: str = NEW
) -> str:
    request = ChangePasswordRequest(current_password=current, new_password=new)
    try:
        await PasswordServiceStub(auth).ChangePassword(request, metadata=metadata)
    except PeerError as error:
        return error.reason
    return ""


async def test_the_new_one_logs_in_and_the_old_one_does_not(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    assert await change(auth, metadata) == ""
    assert await guess(auth, signed_up.user.email, NEW) == ""
    assert await guess(auth, signed_up.user.email, PASSWORD) == "invalid_credentials"


async def test_other_sessions_end(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    await log_in(auth, signed_up)
    await change(auth, metadata)
    assert [session.id for session in await listed(auth, metadata)] == [signed_up.session.id]


async def test_who_does_not_know_the_current_one_changes_nothing(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    """And guesses of it count like others."""
    told = [await change(auth, metadata, current="wrong") for _ in range(ALLOWED + 1)]
    assert told == ["wrong_password"] * ALLOWED + ["too_many_guesses"]
    token = signed_up.tokens.device_token
    assert await guess(auth, signed_up.user.email, PASSWORD, token=token) == ""


async def test_of_two_changes_at_once_one_is_made(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    """The other finds that the password is not the one that it knew; none is in the way of both."""
    told = await asyncio.gather(*(change(auth, metadata, new=f"{NEW} {n}") for n in range(4)))
    assert sorted(told) == ["", *["wrong_password"] * 3]
    (winner,) = (number for number, reason in enumerate(told) if not reason)
    assert await guess(auth, signed_up.user.email, f"{NEW} {winner}") == ""


@pytest.mark.parametrize("new", ["password1", "short"])
async def test_a_weak_one_is_refused(auth: grpc.aio.Channel, metadata: Metadata, new: str) -> None:
    assert await change(auth, metadata, new=new) == "weak_password"


async def test_a_log_in_with_the_old_one_does_not_outlive_the_change(
    auth: grpc.aio.Channel,
    signed_up: SignUpResponse,
    metadata: Metadata,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The race: the old password was right when it was checked."""
    confirm, reached, go_on = Credentials.confirm, asyncio.Event(), asyncio.Event()

    async def late(self: Credentials, *arguments: object) -> None:
        monkeypatch.setattr(Credentials, "confirm", confirm)
        reached.set()
        await go_on.wait()
        await confirm(self, *arguments)  # type: ignore[arg-type] # whatever it takes

    monkeypatch.setattr(Credentials, "confirm", late)
    logging_in = asyncio.create_task(guess(auth, signed_up.user.email, PASSWORD))
    await reached.wait()
    assert await change(auth, metadata) == ""
    go_on.set()
    assert await logging_in == "invalid_credentials"
    assert [session.id for session in await listed(auth, metadata)] == [signed_up.session.id]


async def test_a_hash_of_less_cost_is_made_anew_at_log_in(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, system: System
) -> None:
    def stored() -> str:
        with psycopg.connect(system.admin_url()) as admin:
            row = admin.execute(
                "SELECT password_hash FROM auth.credentials WHERE user_id = %s",
                [signed_up.user.id],
            ).fetchone()
        assert row is not None
        return str(row[0])

    usual = stored().split("$")[2]
    assert usual == "05", "the cost of tests must leave room for a lower one"
    cheap = bcrypt.hashpw(hashing._digest(PASSWORD), bcrypt.gensalt(4)).decode()
    with psycopg.connect(system.admin_url(), autocommit=True) as admin:
        admin.execute(
            "UPDATE auth.credentials SET password_hash = %s WHERE user_id = %s",
            [cheap, signed_up.user.id],
        )
    assert await guess(auth, signed_up.user.email, PASSWORD) == ""
    assert stored().split("$")[2] == usual
    assert await guess(auth, signed_up.user.email, PASSWORD) == ""


async def test_more_than_72_bytes_count(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    long = "tsunami kettle pelican " * 5
    assert await change(auth, metadata, new=f"{long}a") == ""
    assert await guess(auth, signed_up.user.email, f"{long}b") == "invalid_credentials"
    assert await guess(auth, signed_up.user.email, f"{long}a") == ""

"""What is under way while an account is taken back: a log-in, and adding a way in."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToDict
from grpc.aio import Metadata

from services.auth.tests.email_changes.mailbox import Admin, Person, new_address
from services.auth.tests.passkeys import test_passkey_log_in
from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import (
    metadata_of,
    register,
    struct,
)
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.passkey_service_pb2 import AddPasskeyRequest, StartPasskeyRequest
from tenon.auth.v1.passkey_service_pb2_grpc import PasskeyServiceStub
from tenon.auth.v1.password_service_pb2 import ChangePasswordRequest, ResetPasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon.auth.v1.second_factor_service_pb2 import (
    ReplaceRecoveryCodesRequest,
    StartTotpRequest,
)
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon_auth.sessions.service import SessionService
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import eventually

NEW = "tsunami kettle pelican"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database()"
    " AND (query ~ 'auth.(users|credentials|passkeys|sessions)' OR query ~ 'pg_advisory_xact_lock')"
    " AND query !~ '(outbox|jobs|cursors)'"
)
BEFORE = "UPDATE auth.passkeys SET create_time = now() - interval '25 hours' WHERE user_id = %s"
ADDED = (
    "SELECT count(*) FROM auth.passkeys WHERE user_id = %s"
    " AND create_time > now() - interval '1 hour'"
    " UNION ALL SELECT count(*) FROM auth.recovery_codes WHERE user_id = %s"
)

Addition = Callable[[], Awaitable[object]]


def waiting(admin: Admin, number: int) -> Callable[[], Awaitable[bool]]:
    async def are_waiting() -> bool:
        return admin.execute(WAITING).fetchone() == (number,)

    return are_waiting


@contextmanager
def factors_locked(system: System, user_id: str) -> Iterator[None]:
    """Let whoever changes somebody's second factors wait: an undo comes to them late."""
    with psycopg.connect(system.admin_url()) as connection:
        name = f"second_factors/{UUID(user_id)}"
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        yield


async def adding_passkey(system: System, ada: Person) -> Addition:
    passkeys = PasskeyServiceStub(ada.auth)
    started = await passkeys.StartPasskey(StartPasskeyRequest(), metadata=ada.metadata)
    made = Authenticator(system.url).make(MessageToDict(started.options))
    request = AddPasskeyRequest(passkey=struct(made), name="Thief's")
    return lambda: passkeys.AddPasskey(request, metadata=ada.metadata)


async def replacing_codes(system: System, ada: Person) -> Addition:
    await register(ada.auth, ada.metadata, Authenticator(system.url))
    ada.admin.execute(BEFORE, [ada.user_id])
    factors = SecondFactorServiceStub(ada.auth)
    request = ReplaceRecoveryCodesRequest()
    return lambda: factors.ReplaceRecoveryCodes(request, metadata=ada.metadata)


async def logging_in_by_passkey(system: System, ada: Person) -> Addition:
    passkey = Authenticator(system.url)
    await register(ada.auth, ada.metadata, passkey)
    answer = passkey.sign(await test_passkey_log_in.asked(ada.auth))
    return lambda: test_passkey_log_in.log_in(ada.auth, answer)


async def resetting_password(_: System, ada: Person) -> Addition:
    ada.admin.execute(
        "INSERT INTO auth.links VALUES (%s, gen_random_uuid(), 'reset_password', now(),"
        " now() + interval '1 hour')",
        [ada.user_id],
    )
    request = ResetPasswordRequest(token=await ada.mailed("reset_password"), new_password=NEW)
    return lambda: PasswordServiceStub(ada.auth).ResetPassword(request)


async def changing_password(_: System, ada: Person) -> Addition:
    request = ChangePasswordRequest(current_password=PASSWORD, new_password=NEW)
    passwords = PasswordServiceStub(ada.auth)
    return lambda: passwords.ChangePassword(request, metadata=ada.metadata)


async def refusal(addition: Addition) -> str:
    try:
        await addition()
    except PeerError as error:
        return error.reason
    return ""


async def test_a_log_in_under_way_does_not_outlive_it(
    auth: grpc.aio.Channel, system: System, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a passkey of the owner's that a thief has in hand: it has begun, and is not committed."""
    start, reached, go_on = SessionService.start, asyncio.Event(), asyncio.Event()

    async def late(self: SessionService, *arguments: object) -> object:
        log_in = await start(self, *arguments)  # type: ignore[arg-type] # whatever it takes
        reached.set()
        await go_on.wait()
        return log_in

    passkey = Authenticator(system.url)
    await register(auth, ada.metadata, passkey)
    ada.admin.execute(BEFORE, [ada.user_id])
    undo = await ada.change(new_address())
    answer = passkey.sign(await test_passkey_log_in.asked(auth))
    monkeypatch.setattr(SessionService, "start", late)
    logging_in = asyncio.create_task(test_passkey_log_in.log_in(auth, answer))
    await reached.wait()
    undoing = asyncio.create_task(ada.undo(undo))
    await eventually(waiting(ada.admin, 1))
    go_on.set()
    session: Metadata = metadata_of((await logging_in).tokens.access_token)
    assert await undoing == ""
    await eventually(lambda: is_refused(auth, session), within=1.2)


@pytest.mark.parametrize("adding", [adding_passkey, replacing_codes])
async def test_what_a_thief_adds_meanwhile_does_not_stay(
    system: System,
    ada: Person,
    adding: Callable[[System, Person], Awaitable[Addition]],
) -> None:
    """They were let in before their session ended, and come to their turn after the undo."""
    undo, addition = await ada.change(new_address()), await adding(system, ada)
    with factors_locked(system, ada.user_id):
        undoing = asyncio.create_task(ada.undo(undo))
        await eventually(waiting(ada.admin, 1))
        thief = asyncio.create_task(refusal(addition))
        await eventually(waiting(ada.admin, 2))
    assert (await undoing, await thief) == ("", "session_ended")
    assert ada.admin.execute(ADDED, [ada.user_id, ada.user_id]).fetchall() == [(0,), (0,)]


async def test_a_thief_who_is_faster_loses_what_they_added(system: System, ada: Person) -> None:
    """The positive control: it is refused for the session, not for the waiting."""
    undo, addition = await ada.change(new_address()), await adding_passkey(system, ada)
    with factors_locked(system, ada.user_id):
        thief = asyncio.create_task(refusal(addition))
        await eventually(waiting(ada.admin, 1))
        undoing = asyncio.create_task(ada.undo(undo))
        await eventually(waiting(ada.admin, 2))
    assert (await thief, await undoing) == ("", "")
    assert ada.admin.execute(ADDED, [ada.user_id, ada.user_id]).fetchall() == [(0,), (0,)]


async def test_an_app_that_waits_for_its_code_goes_and_nobody_is_told_of_one(ada: Person) -> None:
    undo, factors = await ada.change(new_address()), SecondFactorServiceStub(ada.auth)
    await factors.StartTotp(StartTotpRequest(), metadata=ada.metadata)
    assert await ada.undo(undo) == ""
    query = "SELECT count(*) FROM auth.totp_factors WHERE user_id = %s"
    assert ada.admin.execute(query, [ada.user_id]).fetchone() == (0,)
    told = "SELECT count(*) FROM auth.outbox WHERE user_id = %s AND type LIKE '%%FactorRemoved'"
    assert ada.admin.execute(told, [ada.user_id]).fetchone() == (0,)


@pytest.mark.parametrize(
    ("table", "doing"),
    [
        ("passkeys", logging_in_by_passkey),
        ("credentials", resetting_password),
        ("credentials", changing_password),
        ("sessions", adding_passkey),
        ("sessions", replacing_codes),
    ],
)
async def test_it_waits_for_what_has_begun_and_neither_fails(
    system: System,
    ada: Person,
    table: str,
    doing: Callable[[System, Person], Awaitable[Addition]],
) -> None:
    """They lock in one order: stopped half way, neither has what the other waits for."""
    undo, action = await ada.change(new_address()), await doing(system, ada)
    lock = f"SELECT FROM auth.{table} WHERE user_id = %s FOR UPDATE"
    with psycopg.connect(system.admin_url()) as connection:
        connection.execute(lock.encode(), [ada.user_id])
        acting = asyncio.create_task(refusal(action))
        await eventually(waiting(ada.admin, 1))
        undoing = asyncio.create_task(ada.undo(undo))
        await eventually(waiting(ada.admin, 2))
    assert (await acting, await undoing) == ("", "")

"""The operator's commands for accounts, run as an operator runs them."""

import asyncio
import getpass
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.passwords.test_guesses import guess
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_auth.app import APP
from tenon_embedded.ports import free_port
from tenon_testing.callers import PASSWORD
from tenon_testing.service_process import environment
from tenon_testing.system import System
from tenon_testing.waiting import eventually

NEW = "tsunami kettle pelican"

Admin = psycopg.Connection[tuple[Any, ...]]
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def admin(system: System) -> Iterator[Admin]:
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


@dataclass(frozen=True)
class Operator:
    """Somebody at a command line where auth's settings are."""

    settings: dict[str, str]

    async def __call__(self, *words: str, stdin: str = "", **changes: str) -> Done:
        run = partial(
            subprocess.run,
            [sys.executable, "-m", "tenon_auth", *words],
            env=environment("auth", self.settings | changes),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        return await asyncio.to_thread(run)

    async def create(self, email: str, password: str = PASSWORD, name: str = "Grace") -> Done:
        return await self(
            "users", "create", email, "--name", name, "--password-stdin", stdin=f"{password}\n"
        )


@pytest.fixture
def operator(auth: grpc.aio.Channel, system: System) -> Operator:  # noqa: ARG001 # it has migrated
    return Operator(system.values("auth"))


@pytest.fixture
def email() -> str:
    return f"{uuid4()}@example.com"


def records(admin: Admin, user_id: str) -> list[AccessRecorded]:
    """Return what operators did to somebody, as it goes to their own audit log."""
    rows = admin.execute(
        "SELECT payload FROM auth.outbox WHERE user_id = %s AND org_id IS NULL AND type = %s"
        " ORDER BY id",
        [user_id, AccessRecorded.DESCRIPTOR.full_name],
    ).fetchall()
    found = [AccessRecorded.FromString(row[0]) for row in rows]
    return [record for record in found if record.action.startswith("auth.operators.")]


def told(done: Done) -> str:
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
async def closed(system: System) -> AsyncIterator[grpc.aio.Channel]:
    async with system.serving(APP, sign_up="closed") as channel:
        yield channel


async def test_the_first_user_is_made_where_sign_up_is_closed(
    closed: grpc.aio.Channel, operator: Operator, admin: Admin, email: str
) -> None:
    made = await operator.create(email)
    assert made.returncode == 0, made.stderr
    reply = await SessionServiceStub(closed).LogIn(LogInRequest(email=email, password=PASSWORD))
    assert reply.user.email_verified
    assert made.stdout == f"{email} has an account: users/{reply.user.id}\n"
    (record,) = records(admin, reply.user.id)
    assert record.action == "auth.operators.create_user"
    assert record.actor == f"operators/{getpass.getuser()}"
    assert record.resource == f"users/{reply.user.id}"


async def test_two_at_once_make_one_account(operator: Operator, email: str) -> None:
    both = await asyncio.gather(operator.create(email), operator.create(email))
    assert sorted(done.returncode for done in both) == [0, 1]
    assert "There is an account with this address already" in "".join(d.stderr for d in both)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"password": "password1"}, "The password is too easy to guess"),
        ({"password": "x"}, "The password must have 8 characters"),
        ({"password": ""}, "The password must have 8 characters"),
        ({"email": "ada"}, "The email "),
        ({"name": "\t"}, "The name must have 1 to 100 characters"),
    ],
)
async def test_what_cannot_be_is_told_by_its_field(
    operator: Operator, email: str, given: dict[str, str], expected: str
) -> None:
    assert expected in told(await operator.create(**{"email": email} | given))


async def test_a_new_password_ends_all_sessions_within_a_second(
    auth: grpc.aio.Channel,
    operator: Operator,
    admin: Admin,
    signed_up: SignUpResponse,
    metadata: Metadata,
) -> None:
    address = signed_up.user.email
    assert not await is_refused(auth, metadata)
    words = ("users", "reset-password", address, "--password-stdin")
    done = await operator(*words, stdin=NEW)
    assert done.returncode == 0, done.stderr
    await eventually(lambda: is_refused(auth, metadata), within=1.2)
    assert await guess(auth, address, PASSWORD) == "invalid_credentials"
    assert await guess(auth, address, NEW) == ""
    assert [record.action for record in records(admin, signed_up.user.id)] == [
        "auth.operators.set_password"
    ]


async def test_a_weak_new_password_changes_nothing(
    auth: grpc.aio.Channel, operator: Operator, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    words = ("users", "reset-password", signed_up.user.email, "--password-stdin")
    assert "The password is too easy to guess" in told(await operator(*words, stdin="password1"))
    assert not await is_refused(auth, metadata)
    assert await guess(auth, signed_up.user.email, PASSWORD) == ""


async def test_a_reset_link_is_mailed_and_no_secret_is_shown(
    operator: Operator, admin: Admin, signed_up: SignUpResponse
) -> None:
    done = await operator("users", "reset-password", signed_up.user.email)
    assert done.returncode == 0, done.stderr
    made = admin.execute(
        "SELECT count(*) FROM auth.links l JOIN auth.outbox o ON o.user_id = l.user_id"
        " WHERE l.user_id = %s AND purpose = 'reset_password' AND type LIKE '%%PasswordForgotten'",
        [signed_up.user.id],
    ).fetchone()
    assert made == (1,)
    assert signed_up.user.email in done.stdout
    assert "http" not in done.stdout
    assert [record.action for record in records(admin, signed_up.user.id)] == [
        "auth.operators.mail_reset"
    ]


async def test_sessions_end_within_a_second_and_the_password_stays(
    auth: grpc.aio.Channel,
    operator: Operator,
    admin: Admin,
    signed_up: SignUpResponse,
    metadata: Metadata,
) -> None:
    done = await operator("users", "end-sessions", signed_up.user.email)
    assert done.returncode == 0, done.stderr
    await eventually(lambda: is_refused(auth, metadata), within=1.2)
    assert await guess(auth, signed_up.user.email, PASSWORD) == ""
    assert [record.action for record in records(admin, signed_up.user.id)] == [
        "auth.operators.end_sessions"
    ]


@pytest.mark.parametrize("verb", ["reset-password", "end-sessions"])
async def test_an_unknown_address_is_told(operator: Operator, email: str, verb: str) -> None:
    assert "There is no account with this address" in told(await operator("users", verb, email))


async def test_without_redis_no_session_is_said_to_have_ended(
    auth: grpc.aio.Channel,
    operator: Operator,
    admin: Admin,
    signed_up: SignUpResponse,
    metadata: Metadata,
) -> None:
    """Whoever uses it would be let in by the hot copy."""
    away = f"redis://127.0.0.1:{free_port()}/0"
    done = await operator("users", "end-sessions", signed_up.user.email, redis_url=away)
    assert "does not answer" in told(done)
    assert not await is_refused(auth, metadata)
    assert records(admin, signed_up.user.id) == []


async def test_a_database_that_is_away_is_told(operator: Operator, email: str) -> None:
    away = f"postgresql://nobody:x@127.0.0.1:{free_port()}/x"
    done = await operator("users", "end-sessions", email, database_url=away)
    assert "The database does not answer" in told(done)


async def test_without_a_terminal_a_password_is_not_waited_for(
    operator: Operator, email: str
) -> None:
    done = await operator("users", "create", email, "--name", "Grace")
    assert "--password-stdin" in told(done)


async def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    auth: grpc.aio.Channel, operator: Operator, email: str
) -> None:
    ours, theirs = pty.openpty()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tenon_auth", "users", "create", email, "--name", "Grace"),
        env=environment("auth", operator.settings),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = await asyncio.to_thread(answer, ours, ["Password", "Repeat"], PASSWORD)
    assert await command.wait() == 0, shown
    assert PASSWORD not in shown
    assert await guess(auth, email, PASSWORD) == ""


def answer(terminal: int, prompts: list[str], said: str) -> str:
    """Type the same at each prompt; return all that was shown."""
    shown = ""
    for prompt in prompts:
        while prompt not in shown:
            shown += os.read(terminal, 1024).decode()
        os.write(terminal, f"{said}\n".encode())
    try:
        while more := os.read(terminal, 1024):
            shown += more.decode()
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return shown


@pytest.mark.parametrize("words", [("users", "--help"), ("users", "create", "--help"), ("keys",)])
async def test_help_needs_no_settings(words: tuple[str, ...]) -> None:
    shown = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tenon_auth", *words],
        env=environment("auth", {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Usage: python -m tenon_auth" in shown.stdout + shown.stderr


async def test_missing_settings_are_named(email: str) -> None:
    shown = await Operator({})("users", "end-sessions", email)
    assert "the settings are not valid" in told(shown)

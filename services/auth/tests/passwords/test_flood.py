"""A flood of log-ins: what cannot be checked soon is refused at once, and slows nothing else."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid4

import bcrypt
import grpc
import pytest
from grpc.aio import Metadata

from services.auth.tests.passwords.test_guesses import guess
from tenon.auth.v1.session_service_pb2 import GetSessionRequest, LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.passwords.hashing import NICENESS, WAITING_PER_THREAD, Match, PasswordHasher, cores
from tenon_auth.users.service import UserService
from tenon_rpc.status import PeerError
from tenon_testing.waiting import eventually

ROOM = cores() * (1 + WAITING_PER_THREAD)
AT_ONCE_SECONDS = 0.5
"""Where nobody waits for a hash it is far less; a machine that tests share is slow now and then."""


class Stuck:
    """bcrypt that does not end before it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.niceness: set[int] = set()

    def __call__(self, _digest: bytes, _against: bytes) -> bool:
        thread = threading.get_native_id()
        self.niceness.add(os.getpriority(os.PRIO_PROCESS, thread))
        self.go.wait()
        return True


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    made = Stuck()
    monkeypatch.setattr(bcrypt, "checkpw", made)
    yield made
    made.go.set()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that wait for a thread, or have one."""
    seen: list[str] = []
    matches = PasswordHasher.matches

    async def counted(hasher: PasswordHasher, password: str, against: str | None) -> Match:
        seen.append(password)
        return await matches(hasher, password, against)

    monkeypatch.setattr(PasswordHasher, "matches", counted)
    return seen


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the database was asked about addresses."""
    seen: list[object] = []
    find_id = UserService.find_id

    async def counted(users: UserService, digests: Sequence[bytes]) -> UUID | None:
        seen.append(digests)
        return await find_id(users, digests)

    monkeypatch.setattr(UserService, "find_id", counted)
    return seen


def somebody() -> str:
    return f"{uuid4()}@example.com"


async def test_the_excess_is_refused_at_once_and_nobody_else_waits(
    auth: grpc.aio.Channel,
    stuck: Stuck,
    checked: list[str],
    looked_up: list[object],
    signed_up: SignUpResponse,
    metadata: Metadata,
) -> None:
    admitted = [asyncio.ensure_future(guess(auth, somebody())) for _ in range(ROOM)]

    async def is_full() -> bool:
        return len(checked) == ROOM

    await eventually(is_full)
    looked_up.clear()
    asked_at = time.perf_counter()
    email = signed_up.user.email
    told = await asyncio.gather(*(guess(auth, email) for _ in range(20)))
    assert set(told) == {"too_many_log_ins"}
    with pytest.raises(PeerError) as refused:
        await SessionServiceStub(auth).LogIn(LogInRequest(email=email, password="x"))
    assert refused.value.retry_after
    await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    assert time.perf_counter() - asked_at < AT_ONCE_SECONDS
    assert looked_up == []
    stuck.go.set()
    assert set(await asyncio.gather(*admitted)) == {"invalid_credentials"}
    assert await guess(auth, somebody()) == "invalid_credentials"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_passwords_are_checked_with_what_others_leave_of_the_cores(
    auth: grpc.aio.Channel, stuck: Stuck
) -> None:
    stuck.go.set()
    await guess(auth, somebody())
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert stuck.niceness == {min(19, own + NICENESS)}

"""B5: guessing is bounded, and keeps nobody out for ever."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from statistics import median
from uuid import uuid4

import grpc
import pytest

from tenon.auth.v1.session_pb2 import Device
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.app import APP
from tenon_auth.passwords.hashing import Match, PasswordHasher
from tenon_embedded.ports import free_port
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.system import System

ALLOWED = 10
NETWORK_ALLOWED = 100
COMPARED = 200
ALIKE_SECONDS = 0.005
WRONG = "not the password"
NETWORK = "198.51.100"


async def guess(auth: grpc.aio.Channel, email: str, password: str = WRONG, **device: str) -> str:
    """Return the reason of a refusal; empty for a log-in."""
    request = LogInRequest(email=email, password=password, device=Device(**device))
    try:
        await SessionServiceStub(auth).LogIn(request)
    except PeerError as error:
        return error.reason
    return ""


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were checked."""
    seen: list[str] = []
    matches = PasswordHasher.matches

    async def counted(hasher: PasswordHasher, password: str, against: str | None) -> Match:
        seen.append(password)
        return await matches(hasher, password, against)

    monkeypatch.setattr(PasswordHasher, "matches", counted)
    return seen


@pytest.mark.parametrize("known", [True, False])
async def test_a_hundred_guesses_at_once_are_not_checked(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, checked: list[str], known: bool
) -> None:
    """Whether or not anybody has the address."""
    email = signed_up.user.email if known else f"{uuid4()}@example.com"
    told = Counter(await asyncio.gather(*(guess(auth, email) for _ in range(100))))
    assert len(checked) <= ALLOWED
    assert set(told) == {"invalid_credentials", "too_many_guesses"}
    assert told["invalid_credentials"] == len(checked)


async def test_a_right_password_is_refused_like_a_wrong_one(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    """Or the limit would tell which guess was right."""
    for _ in range(ALLOWED):
        await guess(auth, signed_up.user.email)
    assert await guess(auth, signed_up.user.email, PASSWORD) == "too_many_guesses"


async def test_guesses_of_one_account_from_many_networks_are_bounded(
    auth: grpc.aio.Channel, signed_up: SignUpResponse, checked: list[str]
) -> None:
    email = signed_up.user.email
    addresses = (f"203.{number}.113.1" for number in range(100))
    told = Counter(
        await asyncio.gather(*(guess(auth, email, ip_address=address) for address in addresses))
    )
    assert len(checked) <= ALLOWED
    assert set(told) == {"invalid_credentials", "too_many_guesses"}


async def test_guesses_from_elsewhere_lock_no_owner_out(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    """On a device that the owner has logged in on, guesses count for that device."""
    for _ in range(ALLOWED + 1):
        await guess(auth, signed_up.user.email)
    token = signed_up.tokens.device_token
    assert await guess(auth, signed_up.user.email, PASSWORD, token=token) == ""


async def test_a_stolen_device_is_limited_too(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    token = signed_up.tokens.device_token
    told = [await guess(auth, signed_up.user.email, token=token) for _ in range(ALLOWED + 1)]
    assert told[-1] == "too_many_guesses"


async def test_right_passwords_do_not_count(
    auth: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    told = [await guess(auth, signed_up.user.email, PASSWORD) for _ in range(ALLOWED + 2)]
    assert set(told) == {""}


async def test_a_network_that_tries_many_accounts_is_limited(auth: grpc.aio.Channel) -> None:
    """Whatever address of it the guesses come from."""
    told = [
        await guess(auth, f"{uuid4()}@example.com", ip_address=f"{NETWORK}.{number % 250}")
        for number in range(101)
    ]
    assert told[:100] == ["invalid_credentials"] * 100
    assert told[100] == "too_many_guesses"
    other = await guess(auth, f"{uuid4()}@example.com", ip_address="203.0.113.9")
    assert other == "invalid_credentials"


@pytest.fixture
async def without_redis(system: System) -> AsyncIterator[grpc.aio.Channel]:
    settings = {"redis_url": f"redis://127.0.0.1:{free_port()}/0"}
    async with system.serving(APP, **settings) as channel:
        yield channel


async def test_without_redis_ones_own_log_in_gives_nobody_more_guesses(
    without_redis: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    """A refund takes one guess back, and not the counter of the network."""
    allowed = NETWORK_ALLOWED // 4
    for _ in range(allowed - 1):
        await guess(without_redis, f"{uuid4()}@example.com", ip_address=f"{NETWORK}.1")
    own = await guess(without_redis, signed_up.user.email, PASSWORD, ip_address=f"{NETWORK}.2")
    assert own == ""
    told = [
        await guess(without_redis, f"{uuid4()}@example.com", ip_address=f"{NETWORK}.3")
        for _ in range(2)
    ]
    assert told == ["invalid_credentials", "too_many_guesses"]


async def test_without_redis_fewer_guesses_are_checked(
    without_redis: grpc.aio.Channel, checked: list[str]
) -> None:
    email = f"{uuid4()}@example.com"
    await asyncio.gather(*(guess(without_redis, email) for _ in range(100)))
    assert 1 <= len(checked) <= ALLOWED // 4


@pytest.mark.long
async def test_known_and_unknown_addresses_take_as_long(
    auth: grpc.aio.Channel, system: System
) -> None:
    """The median of many, each of another address, in turn."""
    people = Callers(system)
    known_addresses = [(await people.user()).email for _ in range(COMPARED)]
    times: dict[bool, list[float]] = {True: [], False: []}
    for known in known_addresses:
        for is_known, email in ((True, known), (False, f"{uuid4()}@example.com")):
            asked_at = time.perf_counter()
            assert await guess(auth, email) == "invalid_credentials"
            times[is_known].append(time.perf_counter() - asked_at)
    await people.close()
    difference = abs(median(times[True]) - median(times[False]))
    print(f"medians differ by {difference * 1000:.2f} ms")  # noqa: T201 # the figure
    assert difference < ALIKE_SECONDS

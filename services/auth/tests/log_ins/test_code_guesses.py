"""B5: codes are guessed no oftener than is allowed, and nobody is kept out by that."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from services.auth.tests.second_factors.enrolled import WRONG, Enrolled, log_in, refusal
from tenon_auth.app import APP
from tenon_auth.second_factors.factors import SecondFactors
from tenon_embedded.ports import free_port
from tenon_testing.system import System

ALLOWED = 5


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The proofs that were checked."""
    seen: list[object] = []
    prove = SecondFactors.prove

    async def counted(factors: SecondFactors, tx: Any, user: Any, proof: Any, purpose: Any) -> Any:
        seen.append(proof)
        return await prove(factors, tx, user, proof, purpose)

    monkeypatch.setattr(SecondFactors, "prove", counted)
    return seen


async def test_a_hundred_wrong_codes_at_once_are_not_checked(
    auth: grpc.aio.Channel, enrolled: Enrolled, checked: list[object]
) -> None:
    step = await log_in(auth, enrolled.email)
    told = Counter(await asyncio.gather(*(refusal(auth, step, code=WRONG) for _ in range(100))))
    assert len(checked) <= ALLOWED
    assert told == {"invalid_code": len(checked), "too_many_guesses": 100 - len(checked)}


async def test_another_log_in_gives_no_more_guesses(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    """And a right code is refused like a wrong one, or the limit would tell which was right."""
    for _ in range(ALLOWED):
        await refusal(auth, await log_in(auth, enrolled.email), code=WRONG)
    step = await log_in(auth, enrolled.email)
    assert await refusal(auth, step, code=enrolled.code()) == "too_many_guesses"
    assert await refusal(auth, step, recovery_code=enrolled.recovery_codes[0]) == "too_many_guesses"


async def test_who_has_the_password_locks_no_owner_out(
    auth: grpc.aio.Channel, enrolled: Enrolled
) -> None:
    """On a device that the owner has logged in on, guesses count for that device."""
    step = await log_in(auth, enrolled.email)
    for _ in range(ALLOWED):
        await refusal(auth, step, code=WRONG)
    known = enrolled.signed_up.tokens.device_token
    own = await log_in(auth, enrolled.email, token=known)
    assert await refusal(auth, own, code=enrolled.code()) == ""


async def test_right_codes_are_no_guesses(auth: grpc.aio.Channel, enrolled: Enrolled) -> None:
    for code in enrolled.recovery_codes[: ALLOWED + 2]:
        step = await log_in(auth, enrolled.email)
        assert await refusal(auth, step, recovery_code=code) == ""


async def test_without_redis_each_process_allows_fewer(
    system: System, auth: grpc.aio.Channel, enrolled: Enrolled, checked: list[object]
) -> None:
    step = await log_in(auth, enrolled.email)
    async with system.serving(APP, redis_url=f"redis://127.0.0.1:{free_port()}") as away:
        told = Counter([await refusal(away, step, code=WRONG) for _ in range(ALLOWED)])
    assert told == {"invalid_code": 1, "too_many_guesses": ALLOWED - 1}
    assert len(checked) == 1

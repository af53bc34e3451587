"""C2: rotation is online. Keys are replaced under load, while the worker that does it is killed."""

import random

import pytest

from libs.rotation.tests.rotating import Rotating
from libs.rotation.tests.traffic import Traffic
from tenon_core.ids import uuid7
from tenon_crypto.errors import Undecryptable
from tenon_crypto.keyring import KeyKind
from tenon_crypto.sealed_rows import SealedRowRepository
from tenon_rotation import Level, State
from tenon_testing.waiting import eventually

ROUNDS, PEOPLE, CUSTOMERS = 2, 15, 300
LONG_ROUNDS, LONG_PEOPLE, LONG_CUSTOMERS = 20, 40, 1_000


@pytest.fixture
async def traffic(rotating: Rotating, request: pytest.FixtureRequest) -> Traffic:
    long = request.config.getoption("--long")
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201 # to repeat a failure
    return await populated(
        rotating,
        LONG_PEOPLE if long else PEOPLE,
        LONG_CUSTOMERS if long else CUSTOMERS,
        random.Random(seed),  # noqa: S311 # no secret
    )


async def populated(
    rotating: Rotating, count: int, customers: int, chance: random.Random
) -> Traffic:
    cipher, org_id = rotating.probe.cipher(), uuid7()
    user_ids = [await rotating.probe.new_person(cipher) for _ in range(count)]
    for user_id in user_ids:
        async with rotating.probe.database.user(user_id) as tx:
            await rotating.logins.add(tx, user_id, f"{user_id}@example.com")
    await rotating.probe.new_customers(cipher, org_id, customers)
    return Traffic(rotating, user_ids, org_id, chance)


async def rotate_and_kill(rotating: Rotating, chance: random.Random) -> bool:
    """Replace data keys and what wraps them; say whether the kill came before the end."""
    async with rotating.worker_process() as process:
        for level in (Level.DATA, Level.KEK):
            await rotating.start(level)
        some = chance.randrange(1, 20)

        async def begun() -> bool:
            last = await rotating.last(Level.DATA)
            return last.done >= some or last.state is not State.RUNNING

        await eventually(begun, within=300)
        process.kill()
        await process.wait()
    killed = [
        (await rotating.last(level)).state is State.RUNNING for level in (Level.DATA, Level.KEK)
    ]
    async with rotating.worker_process():
        for level in (Level.DATA, Level.KEK):
            last = await rotating.finished(level, within=300)
            assert (last.state, last.left, last.done) == (State.SUCCEEDED, 0, last.total)
    return any(killed)


@pytest.mark.timeout(2_400)
async def test_keys_are_replaced_under_load_while_the_worker_is_killed(
    traffic: Traffic, request: pytest.FixtureRequest
) -> None:
    rotating, rounds = traffic.rotating, ROUNDS
    if request.config.getoption("--long"):
        rounds = LONG_ROUNDS
    first = await rotating.keyring.keys(KeyKind.KEK)
    killed = 0
    async with traffic.running():
        for _ in range(rounds):
            killed += await rotate_and_kill(rotating, traffic.random)
    print(f"{rounds=} {killed=} {traffic.reads=} {traffic.writes=} {len(traffic.failures)=}")  # noqa: T201 # the figure
    assert traffic.failures == []
    assert killed
    assert traffic.reads
    assert traffic.writes
    assert (rotating.old_values(), await rotating.old_keys()) == (0, 0)
    left = await rotating.keyring.keys(KeyKind.KEK)
    assert len(left) == 1
    assert left[0].name > first[0].name


async def test_a_key_that_goes_before_its_values_are_sealed_anew_is_noticed(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the guard the same load sees failures."""

    async def none(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(SealedRowRepository, "lock_others", none)
    monkeypatch.setattr(SealedRowRepository, "has_any", none)
    async with traffic.running(), traffic.rotating.working():
        await traffic.rotating.start(Level.DATA)
        await traffic.rotating.finished(Level.DATA, within=100)

        async def noticed() -> bool:
            return bool(traffic.failures)

        await eventually(noticed)
    assert any(isinstance(failure, Undecryptable) for failure in traffic.failures)
    assert traffic.rotating.old_values()

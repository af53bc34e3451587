"""B1: a token that auth did not make, or made for something else, is refused at every door."""

from collections.abc import Mapping

import pytest
from aiohttp import ClientSession

from tenon_testing.callers import Callers
from tenon_testing.system import System
from tests.isolation.contract import bare_request
from tests.isolation.doors import Door
from tests.isolation.forgeries import VECTORS, Forge

REFUSED = {"unauthenticated", "invalid_token", "session_ended"}
COOKIE = "tenon_access_{port}"


@pytest.fixture(scope="session")
async def forge(whole_system: System, callers: Callers) -> Forge:
    pem = max((whole_system.directory / "keys").glob("*.pem")).read_bytes()
    return Forge.of((await callers.user()).access_token, pem)


@pytest.fixture(scope="session")
def readers(doors: Mapping[str, list[Door]]) -> list[Door]:
    """The first door to something that is read, of the gateway and of each service."""
    first: dict[str, Door] = {}
    for side, opened in doors.items():
        for door in opened:
            if not door.rpc.policy.writes:
                where = side if side == "gateway" else door.rpc.services[0]
                first.setdefault(where, door)
    return list(first.values())


def test_every_service_with_users_has_a_door(readers: list[Door]) -> None:
    services = {door.rpc.services[0] for door in readers}
    assert services == {"auth", "tenancy", "reports"}
    assert len(readers) == 4
    assert len(VECTORS) >= 60


@pytest.mark.parametrize("vector", VECTORS)
async def test_a_forged_token_is_refused(readers: list[Door], forge: Forge, vector: str) -> None:
    token = VECTORS[vector](forge)
    for door in readers:
        reply = await door.send(token, bare_request(door.rpc))
        assert reply.reason in REFUSED, f"{door.name}: {reply}"


@pytest.mark.long
async def test_no_door_takes_a_forged_token(doors: Mapping[str, list[Door]], forge: Forge) -> None:
    every_door = [door for side in doors.values() for door in side]
    taken = []
    for vector, make in VECTORS.items():
        token = make(forge)
        for door in every_door:
            reply = await door.send(token, bare_request(door.rpc))
            if reply.reason not in REFUSED:
                taken.append(f"{vector} at {door.name}: {reply}")
    print(f"{len(VECTORS)} forgeries at {len(every_door)} doors")  # noqa: T201 # the figure
    assert taken == []


@pytest.mark.parametrize("vector", VECTORS)
async def test_nor_is_it_in_a_cookie(session: ClientSession, forge: Forge, vector: str) -> None:
    name = COOKIE.format(port=session._base_url.port)  # type: ignore[union-attr]
    headers = {"cookie": f"{name}={VECTORS[vector](forge)}"}
    async with session.get("/api/orgs", headers=headers) as reply:
        assert reply.status == 401


async def test_the_true_token_is_taken(readers: list[Door], forge: Forge) -> None:
    """The control, also for the forge: what it signs unchanged is as good."""
    for token in (forge.token, forge.signed()):
        for door in readers:
            reply = await door.send(token, bare_request(door.rpc))
            assert reply.reason not in REFUSED, f"{door.name}: {reply}"


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer:", ""])
async def test_another_scheme_is_refused(session: ClientSession, forge: Forge, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {forge.token}"}
    async with session.get("/api/orgs", headers=headers) as reply:
        assert reply.status == 401

"""A1: what belongs to one organization does not exist for a member of another. Every RPC and every
id of its request, as the contract lists them, through the gateway and at the service itself: the
reply is that for an id that nobody ever made, and nothing of the victim's is touched.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from random import Random

import grpc
import pytest

from tenon.tenancy.v1.member_service_pb2 import RemoveMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_policy.policies import Access, Role
from tenon_reports.app import APP as REPORTS
from tenon_testing.callers import Caller
from tenon_testing.system import System
from tests.isolation.attacks import Attack, Outcome, at_random, carry_out, each_field_once
from tests.isolation.conftest import NewWorld
from tests.isolation.contract import Rpc, rpcs
from tests.isolation.doors import Door, service_doors
from tests.isolation.samples import KINDS, NoSample, request_of, require_complete, samples
from tests.isolation.worlds import Registry, World

ATTACKED = rpcs(Access.ORG, Access.USER)
CALLS = 10_000
ATTACKERS = 4
REACHED = frozenset(
    {
        "",
        "run_finished",
        "link_spent",
        "invitation_spent",
        "ownership_offer_not_found",
        "last_owner",
        "provider_not_found",
        # What the caller's own second factors say to a code that is none.
        "invalid_code",
        "invalid_passkey",
        "second_factor_required",
        "totp_not_found",
    }
)


@pytest.mark.parametrize("rpc", ATTACKED, ids=lambda rpc: rpc.name)
def test_every_id_of_the_contract_is_known_here(rpc: Rpc) -> None:
    require_complete(rpc)


def test_a_sample_that_its_bounds_refuse_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: a required field that the sample leaves out."""
    verify = next(rpc for rpc in ATTACKED if rpc.name == "UserService.VerifyEmail")
    monkeypatch.setattr("tests.isolation.samples.SAMPLES", {})
    with pytest.raises(NoSample, match="/token"):
        require_complete(verify)


def test_an_id_that_nobody_knows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: a new kind of id, and one in a message that no sample holds."""
    get_run = next(rpc for rpc in ATTACKED if rpc.name == "RunService.GetRun")
    ingest = next(rpc for rpc in ATTACKED if rpc.name == "EventService.IngestEvents")
    monkeypatch.delitem(KINDS, "run_id")
    monkeypatch.setattr("tests.isolation.samples.SAMPLES", {})
    with pytest.raises(NoSample, match=r"what does run_id name\?"):
        require_complete(get_run)
    with pytest.raises(NoSample, match=r"no sample in .* holds events\.id"):
        require_complete(ingest)


async def attacked(
    doors: Sequence[Door], token: str, own: World, victim: World, chance: Random
) -> list[Outcome]:
    """Carry every attack out once."""
    return [
        await carry_out(door, token, attack, own, victim)
        for door in doors
        for attack in each_field_once(door.rpc, chance)
    ]


def require_no_leak(outcomes: Sequence[Outcome]) -> None:
    leaks = [str(outcome) for outcome in outcomes if outcome.is_leak]
    assert not leaks, f"{len(leaks)} of {len(outcomes)} attacks:\n\n" + "\n\n".join(leaks[:20])


@pytest.mark.parametrize("side", ["gateway", "services"])
async def test_what_is_foreign_is_unknown(
    registry: Registry,
    doors: Mapping[str, list[Door]],
    victim: World,
    own: World,
    side: str,
    chance: Random,
) -> None:
    before = await registry.state(victim)
    outcomes = await attacked(doors[side], own.tenant.owner.access_token, own, victim, chance)
    assert len(outcomes) > 100
    require_no_leak(outcomes)
    assert await registry.state(victim) == before
    assert await registry.strangers(victim) == set()


@pytest.mark.parametrize("side", ["gateway", "services"])
async def test_what_is_foreign_is_unknown_to_a_key(
    registry: Registry,
    doors: Mapping[str, list[Door]],
    victim: World,
    own: World,
    side: str,
    chance: Random,
) -> None:
    """An API key of another organization, with all that a key can have."""
    assert own.key is not None
    token = own.key.secret if side == "gateway" else await registry.callers.exchange(own.key)
    before = await registry.state(victim)
    of_orgs = [door for door in doors[side] if door.rpc.policy.access is Access.ORG]
    outcomes = await attacked(of_orgs, token, own, victim, chance)
    assert len(outcomes) > 80
    require_no_leak(outcomes)
    assert await registry.state(victim) == before
    assert await registry.strangers(victim) == set()


@pytest.mark.parametrize("side", ["gateway", "services"])
async def test_a_key_reaches_all_of_its_own(
    registry: Registry, doors: Mapping[str, list[Door]], new_world: NewWorld, side: str
) -> None:
    """The positive control of the attacks with a key, but for what is for people."""
    world = await new_world()
    assert world.key is not None
    token = world.key.secret if side == "gateway" else await registry.callers.exchange(world.key)
    missed = []
    for door in sorted(doors[side], key=_harm):
        for number in range(len(samples(door.rpc))):
            reply = await door.send(token, request_of(door.rpc, number, world.names))
            reached = REACHED if not door.rpc.policy.people_only else {"user_required"}
            if reply.reason not in reached:
                missed.append(f"{door.name}: {reply}")
    assert missed == []


async def test_a_member_of_both_does_not_mix_them(
    registry: Registry, doors: Mapping[str, list[Door]], victim: World, own: World, chance: Random
) -> None:
    """Whoever belongs to the victim's organization too finds nothing of it in another."""
    both = await registry.join(own.org_id, Role.OWNER)
    await registry.join(victim.org_id, Role.OWNER, both)
    before = await registry.state(victim)
    outcomes = [
        await carry_out(door, both.access_token, attack, own, victim)
        for door in (*doors["gateway"], *doors["services"])
        if door.rpc.policy.access is Access.ORG
        for attack in each_field_once(door.rpc, chance)
        if attack.takes_own_organization()
    ]
    require_no_leak(outcomes)
    assert await registry.state(victim) == before


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_ten_thousand_attacks_learn_nothing(
    registry: Registry,
    channels: Mapping[str, grpc.aio.Channel],
    doors: Mapping[str, list[Door]],
    victim: World,
    new_world: NewWorld,
    chance: Random,
) -> None:
    """By people of every role elsewhere, of no organization, and by a former member."""
    worlds = [await new_world() for _ in range(ATTACKERS)]
    crews = [await _crew(registry, channels, world, victim) for world in worlds]
    before = await registry.state(victim)
    every_door = [*doors["gateway"], *doors["services"]]
    outcomes: list[Outcome] = []

    async def attack_from(own: World, crew: Sequence[Caller], dice: Random) -> None:
        for door, attack in islice(_any_door(every_door, dice), CALLS // ATTACKERS):
            token = dice.choice(crew).access_token
            outcomes.append(await carry_out(door, token, attack, own, victim))

    jobs = [
        attack_from(own, crew, Random(chance.random()))  # noqa: S311 # repeatable, not secret
        for own, crew in zip(worlds, crews, strict=True)
    ]
    await asyncio.gather(*jobs)
    print(f"{len(outcomes)} attacks through {len(every_door)} doors")  # noqa: T201 # the figure
    assert len(outcomes) == CALLS
    require_no_leak(outcomes)
    assert await registry.state(victim) == before
    assert await registry.strangers(victim) == set()


async def _crew(
    registry: Registry, channels: Mapping[str, grpc.aio.Channel], own: World, victim: World
) -> list[Caller]:
    roles = [await registry.join(own.org_id, role) for role in Role if role is not Role.NONE]
    former = await registry.join(victim.org_id, Role.ADMIN, own.member)
    await MemberServiceStub(channels["tenancy"]).RemoveMember(
        RemoveMemberRequest(org_id=str(victim.org_id), user_id=str(former.user_id)),
        metadata=victim.tenant.metadata,
    )
    return [*roles, former, await registry.callers.user()]


def _any_door(doors: Sequence[Door], chance: Random) -> Iterator[tuple[Door, Attack]]:
    for attack in at_random([door.rpc for door in doors], chance):
        yield chance.choice([door for door in doors if door.rpc == attack.rpc]), attack


@pytest.mark.parametrize("side", ["gateway", "services"])
async def test_the_owner_reaches_all_of_it(
    doors: Mapping[str, list[Door]], new_world: NewWorld, side: str
) -> None:
    """The positive control: the same requests do what they say when the owner sends them."""
    world = await new_world()
    missed = []
    for door in sorted(doors[side], key=_harm):
        for number in range(len(samples(door.rpc))):
            message = request_of(door.rpc, number, world.names)
            reply = await door.send(world.tenant.owner.access_token, message)
            if reply.reason not in REACHED:
                missed.append(f"{door.name}: {reply}")
    assert missed == []


def _harm(door: Door) -> int:
    """Put what takes something away behind what needs it: members before datasets."""
    name = door.rpc.method.name
    return ("Delete" in name) * 2 + name.startswith(("Remove", "RevokeApi"))


async def test_a_service_that_asks_for_no_role_is_found(
    whole_system: System,
    victim: World,
    own: World,
    chance: Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The positive control of the attacks: without the first wall, each of them that names the
    victim's organization finds what it names. (`test_walls.py` takes down the others.)
    """
    monkeypatch.setattr("tenon_rpc.guard.require_role", lambda *_: None)
    async with whole_system.serving(REPORTS) as channel:
        reading = [
            rpc for rpc in ATTACKED if rpc.services == ("reports",) and not rpc.policy.writes
        ]
        doors = [door for rpc in reading for door in service_doors(rpc, lambda _: channel)]
        outcomes = await attacked(doors, own.tenant.owner.access_token, own, victim, chance)
    found = {outcome.attack.split(" | ")[0] for outcome in outcomes if outcome.is_leak}
    assert found == {door.name for door in doors}

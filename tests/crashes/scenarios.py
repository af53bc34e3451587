"""What users do while a process dies. Each prepares, then arms the point, then does it."""

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

from tests.crashes import data
from tests.crashes.actor import Actor

FILE_ROWS = 45_000
"""Three chunks of a load."""
FEW_ROWS = 2_000
SENT_EVENTS = 50
REVOKED_SECONDS = 1.2
"""A process may reuse an answer about a session or a member for one second."""
SESSION = "/api/auth/session"

Arm: TypeAlias = Callable[[], None]


class World(Protocol):
    """Where a scenario takes place."""

    def stranger(self) -> Actor:
        """Return somebody who has no account yet."""

    def verify_email(self, user_id: str) -> None:
        """Mark a user's address as verified."""

    def join(self, org_id: str, user_id: str) -> None:
        """Make a user a member of an organization."""


Scenario: TypeAlias = Callable[[World, Arm], None]


def somebody(world: World) -> Actor:
    """Sign up a user with a verified address and an organization."""
    actor = world.stranger()
    actor.sign_up()
    world.verify_email(actor.user_id)
    actor.create_organization()
    return actor


def signs_up(world: World, arm: Arm) -> None:
    actor = world.stranger()
    arm()
    actor.sign_up()


def logs_out(world: World, arm: Arm) -> None:
    actor = somebody(world)
    stolen = world.stranger()
    stolen.client.cookies = actor.client.cookies.__class__(actor.client.cookies)
    assert stolen.read("GET", SESSION).is_success
    arm()
    actor.log_out()
    require_refused(stolen, SESSION)


def creates_an_organization(world: World, arm: Arm) -> None:
    actor = world.stranger()
    actor.sign_up()
    arm()
    actor.create_organization()
    assert actor.read("GET", actor.org).is_success


def removes_a_member(world: World, arm: Arm) -> None:
    owner, member = somebody(world), somebody(world)
    world.join(owner.org_id, member.user_id)
    assert member.read("GET", owner.org).is_success
    arm()
    owner.remove_member(member.user_id)
    require_refused(member, owner.org)


def creates_a_dataset(world: World, arm: Arm) -> None:
    actor = somebody(world)
    arm()
    actor.create_dataset()


def deletes_a_dataset(world: World, arm: Arm) -> None:
    actor = somebody(world)
    dataset = actor.create_dataset()
    actor.upload(dataset, data.csv(data.events(0, FEW_ROWS)))
    actor.export(dataset)
    arm()
    actor.delete_dataset(dataset)


def sends_events(world: World, arm: Arm) -> None:
    actor = somebody(world)
    dataset = actor.create_dataset()
    arm()
    actor.send_events(dataset, data.events(0, SENT_EVENTS))
    assert actor.query(dataset) == data.totals(data.events(0, SENT_EVENTS))


def queries(world: World, arm: Arm) -> None:
    actor = somebody(world)
    dataset = actor.create_dataset()
    arm()
    assert actor.query(dataset) == []


def uploads(world: World, arm: Arm) -> None:
    actor = somebody(world)
    dataset = actor.create_dataset()
    rows = data.events(0, FILE_ROWS)
    arm()
    actor.upload(dataset, data.csv(rows))
    assert actor.query(dataset) == data.totals(data.taken(rows))


def exports(world: World, arm: Arm) -> None:
    actor = somebody(world)
    dataset = actor.create_dataset()
    rows = data.events(0, FEW_ROWS)
    actor.send_events(dataset, rows)
    arm()
    assert actor.export(dataset) == data.exported(rows)


def exports_totals(world: World, arm: Arm) -> None:
    actor = somebody(world)
    dataset = actor.create_dataset()
    rows = data.events(0, FEW_ROWS)
    actor.send_events(dataset, rows)
    arm()
    assert sorted(actor.export_totals(dataset).splitlines()[1:]) == data.exported_totals(rows)


def require_refused(actor: Actor, path: str) -> None:
    """Ask until it is refused, which must not take longer than an answer is reused."""
    end = time.monotonic() + REVOKED_SECONDS
    asked = time.monotonic()
    while actor.read("GET", path).is_success:
        assert asked < end, f"{path} is still answered"
        asked = time.monotonic()

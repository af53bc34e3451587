from uuid import UUID

import pytest
from sqlalchemy import select

from libs.crypto.tests.probe import CUSTOMERS, Probe, customers
from libs.rotation.tests.rotating import RECORD, Rotating, logins
from tenon_core.ids import uuid7
from tenon_crypto.errors import Undecryptable
from tenon_crypto.keyring import KeyKind
from tenon_db.tables import outbox_of
from tenon_rotation import Level, State
from tenon_rotation.pace import Pace


def keys_of_orgs(probe: Probe) -> dict[UUID, UUID]:
    with probe.admin() as admin:
        rows = admin.execute("SELECT org_id, id FROM probe.org_data_keys").fetchall()
    return {org_id: key_id for org_id, key_id in rows}  # noqa: C416 # rows have no type


async def test_one_organization_gets_a_new_key_and_no_other(rotating: Rotating) -> None:
    probe, org_id, other_id = rotating.probe, uuid7(), uuid7()
    for one in (org_id, other_id):
        await probe.new_customers(probe.cipher(), one, 5)
    before = keys_of_orgs(probe)
    async with rotating.working():
        await rotating.start(Level.DATA, org_id)
        rotation = await rotating.finished(Level.DATA, org_id)
    after = keys_of_orgs(probe)
    assert (rotation.state, rotation.done, rotation.total) == (State.SUCCEEDED, 5, 5)
    assert after[org_id] != before[org_id]
    assert after[other_id] == before[other_id]
    assert len(await probe.readable_customers(probe.cipher(), org_id)) == 5


async def test_two_starts_are_one_rotation_and_both_are_on_record(rotating: Rotating) -> None:
    first, second = [await rotating.start(Level.DATA) for _ in range(2)]
    assert first.id == second.id
    async with rotating.probe.database.system("test") as tx:
        assert len(await tx.rows(select(outbox_of("probe").c.id))) == 2


async def test_what_does_not_decrypt_keeps_its_old_key_and_is_told(rotating: Rotating) -> None:
    probe = rotating.probe
    broken, whole = [await probe.new_person(probe.cipher()) for _ in range(2)]
    with probe.admin() as admin:
        admin.execute(
            "UPDATE probe.people SET name = set_byte(name, 40, get_byte(name, 40) # 1)"
            " WHERE id = %s",
            [broken],
        )
    async with rotating.working():
        await rotating.start(Level.DATA)
        rotation = await rotating.finished(Level.DATA)
    assert (rotation.state, rotation.left) == (State.FAILED, 1)
    assert (await probe.person(probe.cipher(), whole))["name"] == "Ada"
    with pytest.raises(Undecryptable):
        await probe.person(probe.cipher(), broken)
    with probe.admin() as admin:
        admin.execute(
            "UPDATE probe.people SET name = set_byte(name, 40, get_byte(name, 40) # 1)"
            " WHERE id = %s",
            [broken],
        )
    assert (await probe.person(probe.cipher(), broken))["name"] == "Ada"


async def test_who_was_read_just_before_is_opened_still(rotating: Rotating) -> None:
    """Rows that were fetched before the rotation, and their keys looked for after it."""
    probe, org_id = rotating.probe, uuid7()
    await probe.new_customers(probe.cipher(), org_id, 3)
    async with probe.database.tenant(org_id) as tx:
        rows = await tx.rows(select(customers).where(customers.c.org_id == org_id))
        async with rotating.working():
            for level in (Level.DATA, Level.KEK):
                await rotating.start(level)
                await rotating.finished(level)
        opened = await probe.cipher().open(tx, CUSTOMERS, rows)
    assert [row["name"] for row in opened] == ["Bob"] * 3


async def test_who_writes_under_an_old_key_keeps_it(rotating: Rotating) -> None:
    """A write that began before the rotation, and is committed while that looks whether the old key
    is needed.
    """
    probe, org_id = rotating.probe, uuid7()
    await probe.new_customers(probe.cipher(), org_id, 1)
    row = {"org_id": org_id, "id": uuid7(), "email": "late@a.b", "name": "Eve"}
    async with rotating.working():
        async with probe.database.tenant(org_id) as tx:
            sealed = await probe.cipher().seal(tx, CUSTOMERS, row)
            await rotating.start(Level.DATA, org_id)
            while (await rotating.last(Level.DATA, org_id)).done < 1:
                pass  # each look is a turn of the loop
            await tx.execute(customers.insert().values(sealed))
        await rotating.finished(Level.DATA, org_id)
    names = {row["name"] for row in await probe.readable_customers(probe.cipher(), org_id)}
    assert names == {"Bob", "Eve"}
    assert (rotating.old_values(), await rotating.old_keys()) == (0, 0)


async def test_nobody_gets_a_key_again_who_was_erased(rotating: Rotating) -> None:
    probe = rotating.probe
    user_id = await probe.new_person(probe.cipher())
    with probe.admin() as admin:
        admin.execute("DELETE FROM probe.user_data_keys WHERE user_id = %s", [user_id])
    rotation = await rotating.start(Level.DATA)
    assert await rotating.rotations.service.levels[Level.DATA].run(rotation, Pace())
    assert await rotating.old_keys() == 0


async def test_addresses_are_found_and_unique_while_their_index_key_changes(
    rotating: Rotating,
) -> None:
    probe = rotating.probe
    user_ids = [await probe.new_person(probe.cipher()) for _ in range(3)]
    running = rotating.logins  # a process that goes on
    for user_id in user_ids:
        async with probe.database.user(user_id) as tx:
            assert await running.add(tx, user_id, f"{user_id}@example.com")

    async def found() -> list[object]:
        async with probe.database.system("log in") as tx:
            return [await running.find(tx, f"{user_id}@example.com") for user_id in user_ids]

    async def taken() -> bool:
        stranger = uuid7()
        async with probe.database.user(stranger) as tx:
            return not await running.add(tx, stranger, f"{user_ids[0]}@example.com")

    (first,) = await rotating.keyring.keys(KeyKind.INDEX)
    await rotating.start(Level.INDEX)
    assert await found() == user_ids
    async with rotating.working():
        rotation = await rotating.finished(Level.INDEX)
    assert (rotation.state, rotation.done) == (State.SUCCEEDED, 3)
    (left,) = await rotating.keyring.keys(KeyKind.INDEX)
    async with probe.database.system("test") as tx:
        stored = {row.index_key for row in await tx.rows(select(logins.c.index_key))}
    assert left.name > first.name
    assert stored == {left.name}
    assert await found() == user_ids
    assert await taken()


async def test_an_index_key_stays_while_something_is_found_by_it_alone(rotating: Rotating) -> None:
    async with rotating.probe.database.system("test") as tx:
        await rotating.logins.add(tx, uuid7(), "unfillable@example.com")
    async with rotating.working():
        await rotating.start(Level.INDEX)
        await rotating.finished(Level.INDEX)
    assert len(await rotating.keyring.keys(KeyKind.INDEX)) == 2


async def test_keys_are_replaced_when_they_are_old(rotating: Rotating) -> None:
    probe = rotating.probe
    await probe.new_person(probe.cipher())
    tasks = rotating.rotations.tasks(days=0.0)
    (check,) = (one for one in tasks.types() if one.name == "keys.check")
    await rotating.rotations.tasks(days=90.0).check(None)  # type: ignore[arg-type] # it looks at none
    assert [await rotating.rotations.service.find_last(level) for level in Level] == [None] * 3
    await check.handler(None)  # type: ignore[arg-type] # as above
    found = [await rotating.rotations.service.find_last(level) for level in Level]
    assert all(found)


async def test_what_was_given_up_is_begun_again_the_next_day(rotating: Rotating) -> None:
    given_up = await rotating.start(Level.DATA)
    async with rotating.probe.database.system("test") as tx:
        await rotating.rotations.service.fail(tx, given_up.id)
    await rotating.rotations.tasks(days=90.0).check(None)  # type: ignore[arg-type] # as above
    again = await rotating.last(Level.DATA)
    assert again.id != given_up.id
    assert again.state is State.RUNNING


async def test_a_key_that_somebody_else_added_is_used(rotating: Rotating) -> None:
    """Where processes may not write to the keyring, an operator adds keys by other means."""
    probe = rotating.probe
    await probe.new_person(probe.cipher())
    await rotating.keyring.add(KeyKind.KEK)
    async with rotating.working():
        await rotating.rotations.service.start(Level.KEK, RECORD, renew=False)
        rotation = await rotating.finished(Level.KEK)
    assert (rotation.done, await rotating.old_keys()) == (1, 0)

import asyncio
from uuid import UUID

from sqlalchemy import text

from libs.crypto.tests.probe import PEOPLE, Probe
from tenon_core.ids import uuid7
from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.envelope import key_id_of
from tenon_crypto.key_cache import KeyCache


async def current(probe: Probe, keys: DataKeys, user_id: UUID) -> UUID:
    async with probe.database.user(user_id) as tx:
        return (await keys.current(tx, OwnerKind.USER)).id


def stored_keys(probe: Probe, user_id: UUID) -> set[UUID]:
    with probe.admin() as admin:
        rows = admin.execute("SELECT id FROM probe.user_data_keys WHERE user_id = %s", [user_id])
        return {row[0] for row in rows}


def retire(probe: Probe, user_id: UUID) -> None:
    with probe.admin() as admin:
        admin.execute(
            "UPDATE probe.user_data_keys SET current = false WHERE user_id = %s", [user_id]
        )


async def test_many_at_once_make_one_key(probe: Probe) -> None:
    user_id = uuid7()
    used = await asyncio.gather(*(current(probe, probe.keys(), user_id) for _ in range(20)))
    assert set(used) == stored_keys(probe, user_id)
    assert len(set(used)) == 1


async def test_a_key_that_was_rolled_back_is_not_used(probe: Probe) -> None:
    user_id, keys = uuid7(), probe.keys()
    async with probe.database.user(user_id) as tx:
        lost = await keys.current(tx, OwnerKind.USER)
        await tx.execute(text("ROLLBACK"))
    kept = await current(probe, keys, user_id)
    assert kept != lost.id
    assert stored_keys(probe, user_id) == {kept}


async def test_organizations_and_people_have_keys_of_their_own(probe: Probe) -> None:
    same_id, keys = uuid7(), probe.keys()
    async with probe.database.tenant(same_id) as tx:
        of_org = await keys.current(tx, OwnerKind.ORGANIZATION)
    assert await current(probe, keys, same_id) != of_org.id


async def test_a_new_key_writes_at_once_and_the_old_one_still_reads(probe: Probe) -> None:
    cipher = probe.cipher()
    user_id = await probe.new_person(cipher)
    retire(probe, user_id)
    async with probe.database.user(user_id) as tx:
        row = {"id": user_id, "email": "new@example.com", "name": None}
        sealed = await cipher.seal(tx, PEOPLE, row)
    assert len(stored_keys(probe, user_id)) == 2
    with probe.admin() as admin:
        (stored,) = admin.execute("SELECT name FROM probe.people WHERE id = %s", [user_id])
    assert key_id_of(sealed["email"]) != key_id_of(stored[0])
    for reader in (cipher, probe.cipher()):
        assert (await probe.person(reader, user_id))["name"] == "Ada"


async def test_a_key_cannot_be_destroyed_while_a_value_is_written(probe: Probe) -> None:
    user_id = await probe.new_person(probe.cipher())
    async with probe.database.user(user_id) as tx:
        await probe.keys().current(tx, OwnerKind.USER)
        with probe.admin() as admin:
            found = admin.execute(
                "SELECT 1 FROM probe.user_data_keys WHERE user_id = %s FOR UPDATE SKIP LOCKED",
                [user_id],
            )
            assert found.fetchall() == []


async def test_the_cache_is_bounded(probe: Probe) -> None:
    cache = KeyCache(max_keys=2)
    keys = probe.keys(cache)
    used = [await current(probe, keys, uuid7()) for _ in range(3)]
    assert [cache.find(key_id) is not None for key_id in used] == [False, True, True]

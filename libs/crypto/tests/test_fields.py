"""What is stored is not what was given, and only its owner's key gives it back."""

from uuid import UUID

import pytest
from sqlalchemy import select, text

from libs.crypto.tests.probe import DIARIES, PEOPLE, Probe, diaries, people
from tenon_core.ids import uuid7
from tenon_crypto.cells import Owner, OwnerKind
from tenon_crypto.errors import Undecryptable
from tenon_crypto.key_cache import SECONDS, KeyCache
from tenon_db.transaction import Transaction


def destroy_keys(probe: Probe, user_id: UUID) -> None:
    with probe.admin() as admin:
        admin.execute("DELETE FROM probe.user_data_keys WHERE user_id = %s", [user_id])


async def test_another_process_reads_what_one_wrote(probe: Probe) -> None:
    user_id = await probe.new_person(probe.cipher())
    person = await probe.person(probe.cipher(), user_id)
    assert person == {"id": user_id, "email": f"{user_id}@example.com", "name": "Ada"}


async def test_the_database_holds_neither_text_nor_key(probe: Probe) -> None:
    user_id = await probe.new_person(probe.cipher())
    with probe.admin() as admin:
        (stored,) = admin.execute("SELECT email FROM probe.people WHERE id = %s", [user_id])
    assert str(user_id).encode() not in stored[0]
    assert b"example.com" not in stored[0]


async def test_the_same_text_is_stored_differently_each_time(probe: Probe) -> None:
    cipher, user_id = probe.cipher(), uuid7()
    row = {"id": user_id, "email": "a@b.c", "name": "Ada"}
    async with probe.database.user(user_id) as tx:
        first = await cipher.seal(tx, PEOPLE, row)
        second = await cipher.seal(tx, PEOPLE, row)
    assert first["name"] != second["name"]


async def test_bytes_and_nothing_come_back_as_they_were(probe: Probe) -> None:
    cipher, user_id = probe.cipher(), uuid7()
    row = {"user_id": user_id, "email": None, "secret": b"\xff\x00"}
    async with probe.database.user(user_id) as tx:
        await tx.execute(diaries.insert().values(await cipher.seal(tx, DIARIES, row)))
        (opened,) = await cipher.open(tx, DIARIES, await tx.rows(select(diaries)))
    assert opened == row


async def test_a_value_without_its_data_key_is_lost(probe: Probe) -> None:
    user_id = await probe.new_person(probe.cipher())
    destroy_keys(probe, user_id)
    with pytest.raises(Undecryptable):
        await probe.person(probe.cipher(), user_id)


async def test_a_destroyed_key_works_for_a_minute_where_it_was_in_use(probe: Probe) -> None:
    now = 0.0
    cipher = probe.cipher(KeyCache(now=lambda: now))
    user_id = await probe.new_person(cipher)
    destroy_keys(probe, user_id)
    now = SECONDS - 1
    assert await probe.person(cipher, user_id)
    now = SECONDS
    with pytest.raises(Undecryptable):
        await probe.person(cipher, user_id)


async def test_who_destroys_a_key_forgets_it_at_once(probe: Probe) -> None:
    cache = KeyCache()
    cipher = probe.cipher(cache)
    user_id = await probe.new_person(cipher)
    destroy_keys(probe, user_id)
    cache.forget(Owner(OwnerKind.USER, user_id))
    with pytest.raises(Undecryptable):
        await probe.person(cipher, user_id)


async def test_one_unreadable_row_does_not_hide_the_others(probe: Probe) -> None:
    writer = probe.cipher()
    gone, there = await probe.new_person(writer), await probe.new_person(writer)
    destroy_keys(probe, gone)
    found = {row["id"] for row in await probe.readable_people(probe.cipher())}
    assert there in found
    assert gone not in found


async def test_many_owners_take_one_statement_more(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with probe.admin() as admin:
        admin.execute("TRUNCATE probe.people, probe.diaries")  # others' tests spoiled some
    writer = probe.cipher()
    made = {await probe.new_person(writer) for _ in range(100)}
    statements = 0
    execute = Transaction.execute

    async def counted(tx: Transaction, *arguments: object) -> object:
        nonlocal statements
        statements += 1
        return await execute(tx, *arguments)  # type: ignore[arg-type] # passed through

    monkeypatch.setattr(Transaction, "execute", counted)
    cipher = probe.cipher()
    for expected in (2, 1):  # rows and keys, then rows alone
        statements = 0
        assert made <= {row["id"] for row in await probe.readable_people(cipher)}
        assert statements == expected


async def test_keys_are_seen_by_their_owner_alone(probe: Probe) -> None:
    user_id = await probe.new_person(probe.cipher())
    count = text("SELECT count(*) FROM probe.user_data_keys WHERE user_id = :id")
    async with probe.database.user(user_id) as tx:
        assert await tx.scalar(count, {"id": user_id}) == 1
    for other in (probe.database.user(uuid7()), probe.database.system("jobs")):
        async with other as tx:
            assert await tx.scalar(count, {"id": user_id}) == 0


async def test_nobody_writes_for_another(probe: Probe) -> None:
    cipher, user_id = probe.cipher(), uuid7()
    with pytest.raises(AssertionError, match="another's key"):
        async with probe.database.user(user_id) as tx:
            await cipher.seal(tx, PEOPLE, {"id": uuid7(), "email": "a@b.c", "name": "Ada"})


async def test_rows_without_sealed_columns_need_no_key(probe: Probe) -> None:
    cipher, user_id = probe.cipher(), await probe.new_person(probe.cipher())
    async with probe.database.user(user_id) as tx:
        rows = await tx.rows(select(people.c.id))
        assert await cipher.open(tx, PEOPLE, rows) == [{"id": user_id}]

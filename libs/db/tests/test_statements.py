"""Statements run as SQLAlchemy would run them: their values, lists, JSON, and columns' names."""

from uuid import uuid4

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB

from tenon_core.ids import uuid7
from tenon_db.database import Database

WITH_DEFAULT = Table("notes", MetaData(schema="probe"), Column("id", Integer, default=1))
INSERT = text("INSERT INTO probe.notes VALUES (:org_id, :id)")


async def test_a_statement_built_once_takes_other_values_each_time(database: Database) -> None:
    double = select((2 * bindparam("number", type_=Integer)).label("doubled"))
    async with database.system("test") as tx:
        assert [await tx.scalar(double, {"number": number}) for number in (1, 2)] == [2, 4]


async def test_statements_of_one_shape_keep_their_own_values(database: Database) -> None:
    async with database.system("test") as tx:
        assert [await tx.scalar(select(literal(word))) for word in ("a", "b%(")] == ["a", "b%("]


@pytest.mark.parametrize("wanted", [[], [1], [1, 2, 3]])
async def test_a_list_of_any_length_can_be_asked_for(database: Database, wanted: list[int]) -> None:
    numbers = text("SELECT generate_series(1, 3) AS n").columns(Column("n", Integer)).subquery()
    async with database.system("test") as tx:
        rows = await tx.rows(select(numbers.c.n).where(numbers.c.n.in_(wanted)))
    assert [row.n for row in rows] == wanted


async def test_json_goes_in_and_comes_back(database: Database) -> None:
    sent = {"a": [1, None], "b": {"c": "d"}}
    async with database.system("test") as tx:
        assert await tx.scalar(select(literal(sent, JSONB))) == sent
        assert await tx.scalar(select(literal([1], JSONB))) == [1]


async def test_columns_may_have_any_name_even_twice(database: Database) -> None:
    async with database.system("test") as tx:
        row = await tx.row(text('SELECT 1 AS "first name", 2 AS n, 3 AS n'))
    assert row is not None
    assert tuple(row) == (1, 2, 3)
    assert row._mapping["first name"] == 1


async def test_many_rows_are_written_by_one_statement(database: Database) -> None:
    org_id = uuid7()
    async with database.tenant(org_id) as tx:
        await tx.execute_many(INSERT, [{"org_id": org_id, "id": number} for number in range(3)])
        rows = await tx.rows(text("SELECT id FROM probe.notes ORDER BY id"))
    assert [row.id for row in rows] == [0, 1, 2]


async def test_a_default_of_python_is_refused(database: Database) -> None:
    """It would be null, for what SQLAlchemy executes itself is where it is filled in."""
    with pytest.raises(TypeError, match="server_default"):
        async with database.tenant(uuid4()) as tx:
            await tx.execute(insert(WITH_DEFAULT).values())

import asyncio
from contextlib import aclosing

import psycopg
import pytest

from tenon_reports.runs.copying import CHUNK_BYTES, copied

# (In FROM, the series would be stored before its first row comes.)
ENDLESS = "COPY (SELECT generate_series(1, 10000000000)) TO STDOUT"


async def works(connection: psycopg.AsyncConnection) -> bool:
    row = await (await connection.execute("SELECT 1")).fetchone()
    return row == (1,)


async def test_yields_all_lines(admin: psycopg.AsyncConnection) -> None:
    statement = "COPY (SELECT n, %(text)s FROM generate_series(1, 100000) n) TO STDOUT"
    lines, content = 0, []
    async for count, chunk in copied(admin, statement, {"text": "it's 100%"}):
        lines += count
        content.append(chunk)
    assert lines == 100_000
    assert b"".join(content).splitlines()[-1] == b"100000\tit's 100%"
    assert max(map(len, content)) < CHUNK_BYTES + 100
    assert await works(admin)


async def test_closing_early_ends_the_statement(admin: psycopg.AsyncConnection) -> None:
    async with aclosing(copied(admin, ENDLESS, {})) as chunks:
        await anext(chunks)
    assert await works(admin)


async def test_a_cancellation_ends_the_statement(admin: psycopg.AsyncConnection) -> None:
    begun = asyncio.Event()

    async def copy() -> None:
        async for _ in copied(admin, ENDLESS, {}):
            begun.set()

    task = asyncio.create_task(copy())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await works(admin)


async def test_an_error_of_the_server_is_raised(admin: psycopg.AsyncConnection) -> None:
    statement = "COPY (SELECT 1 / (n - 50000) FROM generate_series(1, 100000) n) TO STDOUT"
    with pytest.raises(psycopg.errors.DivisionByZero):
        async for _ in copied(admin, statement, {}):
            pass
    assert await works(admin)

"""What a figure is compared with, measured in the same run on the same machine.

`bare`: FastAPI with a constant reply, the most that its framework allows. `usual`: what a user
would write: FastAPI, SQLAlchemy's ORM and pydantic, a list of 20 rows from the same PostgreSQL or
one row more in it, without log-in, limits, tenants, audit or a second service.
"""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import String, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DATABASE_URL = "TENON_BENCH_DATABASE_URL"
ROWS = 20


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "bench_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(String(100))


class NewItem(BaseModel):
    name: str
    note: str


class ItemOut(NewItem):
    id: int


def bare() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def constant() -> dict[str, str]:
        return {"hello": "world"}

    return app


def usual() -> FastAPI:
    url = os.environ[DATABASE_URL].replace("postgresql://", "postgresql+psycopg://")
    engine = create_async_engine(url, pool_size=10)
    sessions = async_sessionmaker(engine, class_=AsyncSession)

    @asynccontextmanager
    async def prepared(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        async with sessions.begin() as session:
            session.add_all([Item(name=f"item {n}", note="x" * 50) for n in range(ROWS)])
        yield
        await engine.dispose()

    app = FastAPI(lifespan=prepared)

    @app.get("/", response_model=list[ItemOut])
    async def items() -> list[Item]:
        async with sessions() as session:
            return list(await session.scalars(select(Item).order_by(Item.id).limit(ROWS)))

    @app.post("/", response_model=ItemOut)
    async def add(new: NewItem) -> Item:
        async with sessions() as session:
            item = Item(**new.model_dump())
            session.add(item)
            await session.commit()
            await session.refresh(item)
            return item

    return app


@contextmanager
def baseline(name: str, port: int, database_url: str = "") -> Iterator[str]:
    """Serve a baseline in a process of its own; yields its URL."""
    process = subprocess.Popen(  # our own module
        [sys.executable, "-m", "tenon_bench.baselines", name, str(port)],
        env={**os.environ, DATABASE_URL: database_url},
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until_up(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_until_up(url: str, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while True:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    uvicorn.run(
        {"bare": bare, "usual": usual}[sys.argv[1]](),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
    )

"""A service whose keys are rotated: what a test does with it, and its worker as a process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import Column, LargeBinary, Table, Text, Uuid, delete, exists, literal, select
from sqlalchemy.dialects.postgresql import insert

from libs.crypto.tests.probe import PEOPLE, SCHEMA, Probe, people
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.file_keyring import FileKeyring
from tenon_crypto.keyring import KeyKind
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_db.tables import GLOBAL, metadata
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue, SilentDoorbell, Worker
from tenon_policy.records import deed
from tenon_rotation import Level, Rotation, Rotations, State
from tenon_testing.waiting import eventually

SEALED = (("people", "email"), ("people", "name"), ("diaries", "email"), ("diaries", "secret"))
SEALED_OF_ORGS = (("customers", "email"), ("customers", "name"))
LEASE_SECONDS = 3.0
"""How long a killed worker's job waits for the next one."""
RECORD = deed("keys.rotate", "operators/test", "keys")

logins = Table(
    "logins",
    metadata(SCHEMA),
    Column("email_index", LargeBinary, primary_key=True),
    Column("index_key", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    info=GLOBAL,
)


class Logins:
    """A service's blind index, of people's addresses."""

    overlap = timedelta(0)

    def __init__(self, keys: DataKeys, keyring: FileKeyring) -> None:
        self._cipher = FieldCipher(keys)
        self._index = BlindIndex(keyring, SCHEMA, "logins", "email_index")

    async def add(self, tx: Transaction, user_id: UUID, email: str) -> bool:
        """Claim an address; False if another has it."""
        terms = await self._index.terms(email.encode())
        rows = [{"email_index": t.digest, "index_key": t.key, "user_id": user_id} for t in terms]
        added = await tx.execute(insert(logins).values(rows).on_conflict_do_nothing())
        return added.rowcount == len(terms)

    async def find(self, tx: Transaction, email: str) -> UUID | None:
        digests = [term.digest for term in await self._index.terms(email.encode())]
        found: UUID | None = await tx.scalar(
            select(logins.c.user_id).where(logins.c.email_index.in_(digests)).distinct()
        )
        return found

    async def fill(self, tx: Transaction, owner_id: UUID) -> None:
        rows = await tx.rows(select(people).where(people.c.id == owner_id).with_for_update())
        for person in await self._cipher.open(tx, PEOPLE, rows):
            await self.add(tx, owner_id, person["email"])

    async def has_outdated(self, tx: Transaction) -> bool:  # noqa: ARG002 # there is one form
        return False

    async def needed(self, tx: Transaction, keys: Sequence[str]) -> bool:
        newer = logins.alias()
        there: bool = await tx.scalar(
            select(
                exists(
                    select(literal(1)).where(
                        logins.c.index_key.in_(keys),
                        ~exists(
                            select(newer.c.user_id).where(
                                newer.c.user_id == logins.c.user_id, newer.c.index_key.not_in(keys)
                            )
                        ),
                    )
                )
            )
        )
        return there

    async def forget(self, tx: Transaction, keys: Sequence[str]) -> int:
        return (await tx.execute(delete(logins).where(logins.c.index_key.in_(keys)))).rowcount


def rotations_of(database: Database, keyring: FileKeyring) -> Rotations:
    keys = DataKeys(SCHEMA, keyring)
    queue = JobQueue(SCHEMA, SilentDoorbell())
    return Rotations(database, queue, keyring, keys, tuple(OwnerKind), Logins(keys, keyring))


@dataclass(frozen=True)
class Rotating:
    probe: Probe
    url: str
    redis_url: str

    @property
    def rotations(self) -> Rotations:
        """Return what rotates, as a process has it that was just started."""
        return rotations_of(self.probe.database, self.keyring)

    @property
    def keyring(self) -> FileKeyring:
        return FileKeyring(self.probe.keyring)

    @property
    def logins(self) -> Logins:
        keyring = self.keyring
        return Logins(DataKeys(SCHEMA, keyring), keyring)

    async def start(self, level: Level, org_id: UUID | None = None) -> Rotation:
        return await self.rotations.service.start(level, RECORD, org_id)

    async def last(self, level: Level, org_id: UUID | None = None) -> Rotation:
        found = await self.rotations.service.find_last(level, org_id)
        assert found is not None
        return found

    async def finished(
        self, level: Level, org_id: UUID | None = None, *, within: float = 60.0
    ) -> Rotation:
        async def over() -> Rotation | None:
            rotation = await self.last(level, org_id)
            return rotation if rotation.state is not State.RUNNING else None

        found = await eventually(over, within=within)
        assert found is not None
        return found

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run a worker in this process."""
        async with worker(self.probe.database, self.keyring).running():
            yield

    @asynccontextmanager
    async def worker_process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a worker in a process of its own, to be killed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "libs.rotation.tests.rotating",
            cwd=Path(__file__).parents[3],
            env=os.environ
            | {"URL": self.url, "REDIS": self.redis_url, "KEYRING": str(self.probe.keyring)},
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def old_values(self) -> int:
        """Count the values in the database that name no current key."""
        counted = 0
        with self.probe.admin() as admin:
            for table, column in (*SEALED, *SEALED_OF_ORGS):
                row: Any = admin.execute(
                    f"SELECT count(*) FROM probe.{table} WHERE {column} IS NOT NULL"  # noqa: S608 # our own names
                    f" AND substring({column} FROM 2 FOR 16) NOT IN (SELECT uuid_send(id) FROM"
                    " (TABLE probe.user_data_keys UNION ALL TABLE probe.org_data_keys) k"
                    " WHERE current)"
                ).fetchone()
                counted += row[0]
        return counted

    async def old_keys(self) -> int:
        """Count the data keys that are not current, and those wrapped with an old key."""
        (kek,) = (key.name for key in await self.keyring.keys(KeyKind.KEK) if key.current)
        counted = 0
        with self.probe.admin() as admin:
            for table in ("user_data_keys", "org_data_keys"):
                row: Any = admin.execute(
                    f"SELECT count(*) FROM probe.{table} WHERE NOT current OR kek <> %s",  # noqa: S608 # as above
                    [kek],
                ).fetchone()
                counted += row[0]
        return counted


def worker(database: Database, keyring: FileKeyring) -> Worker:
    rotations = rotations_of(database, keyring)
    tasks = rotations.tasks(90.0, lease_seconds=LEASE_SECONDS)
    queue = JobQueue(SCHEMA, SilentDoorbell())
    return Worker(database, queue, tasks.types(), poll_seconds=0.05, sweep_seconds=0.2)


async def main() -> None:
    redis = Redis.from_url(os.environ["REDIS"])
    database = Database(os.environ["URL"], schema=SCHEMA, doorbell=Doorbell(redis))
    async with worker(database, FileKeyring(Path(os.environ["KEYRING"]))).running():
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

"""What goes on while keys are rotated: people and lists are read, written, and read back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select, update

from libs.crypto.tests.probe import CUSTOMERS, PEOPLE, customers, people
from libs.rotation.tests.rotating import Rotating
from tenon_crypto.fields import FieldCipher

PAGE = 50
PAUSE_SECONDS = 0.01
"""Between two requests of one of the four who make them."""


@dataclass
class Traffic:
    """Counts what was read and written, and keeps what failed."""

    rotating: Rotating
    user_ids: list[UUID]
    org_id: UUID
    random: random.Random
    reads: int = 0
    writes: int = 0
    failures: list[BaseException] = field(default_factory=list)
    written: dict[UUID, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    """How long each request took."""

    def __post_init__(self) -> None:
        self._probe = self.rotating.probe
        self._warm = self._probe.cipher()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        going = [self._read_people, self._read_people, self._read_customers, self._write_people]
        tasks = [asyncio.create_task(self._repeated(one)) for one in going]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeated(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            began = time.monotonic()
            try:
                await act()
                self.seconds.append(time.monotonic() - began)
            except Exception as error:  # noqa: BLE001 # whatever it is, a request has failed
                self.failures.append(error)
            await asyncio.sleep(PAUSE_SECONDS)

    def p99(self) -> float:
        """Return the 99th percentile (s) of the requests since it was asked last."""
        slowest = sorted(self.seconds)[-max(1, len(self.seconds) // 100)]
        self.seconds.clear()
        return slowest

    @property
    def cipher(self) -> FieldCipher:
        """Return that of a process that remembers keys, or of one that was just started."""
        return self.random.choice((self._warm, self._probe.cipher()))

    async def _read_people(self) -> None:
        user_id = self.random.choice(self.user_ids)
        expected = self.written.get(user_id)
        person = await self._probe.person(self.cipher, user_id)
        if expected and person["name"] < expected:  # names only grow
            raise AssertionError(f"{person['name']} was read after {expected} was written")
        self.reads += 1

    async def _read_customers(self) -> None:
        async with self._probe.database.tenant(self.org_id) as tx:
            after = UUID(int=self.random.getrandbits(128))
            rows = await tx.rows(
                select(customers)
                .where(customers.c.org_id == self.org_id, customers.c.id < after)
                .order_by(customers.c.id.desc())
                .limit(PAGE)
            )
            await self.cipher.open(tx, CUSTOMERS, rows)
        self.reads += len(rows)

    async def _write_people(self) -> None:
        user_id = self.random.choice(self.user_ids)
        name = f"name {self.writes:09}"
        async with self._probe.database.user(user_id) as tx:
            row = {"id": user_id, "email": f"{user_id}@example.com", "name": name}
            sealed = await self.cipher.seal(tx, PEOPLE, row)
            await asyncio.sleep(self.random.random() / 50)  # a slow request still holds its key
            await tx.execute(
                update(people)
                .where(people.c.id == user_id)
                .values(email=sealed["email"], name=sealed["name"])
            )
        self.written[user_id] = name
        self.writes += 1

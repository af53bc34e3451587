"""A system whose processes are killed, and what its clients were told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tenon_testing.faults import FaultySystem
from tenon_testing.waiting import wait_until
from tests.crashes.actor import Actor
from tests.crashes.checker import findings
from tests.crashes.ledger import Ledger
from tests.crashes.points import cases
from tests.crashes.stored import Stored

REST_SECONDS = 60.0
BETWEEN_DAYS_SECONDS = 0.5
"""What fails meanwhile must not have failed for good before its peers are back."""
MAILERS = {"notifications-worker", "postgres"}


class FaultBench:
    """The system, its clients and their ledger."""

    def __init__(self, directory: Path) -> None:
        self.faulty = FaultySystem(directory, [case.point for case in cases()])
        self.ledger = Ledger()
        self._actors: list[Actor] = []
        self._dead_workers: list[tuple[str, float]] = []
        self._mailer_deaths: list[float] = []
        self.faulty.on_end.append(self._died)

    def stranger(self) -> Actor:
        actor = Actor(self.faulty.system.url, self.ledger)
        self._actors.append(actor)
        return actor

    def verify_email(self, user_id: str) -> None:
        self.faulty.system.verify_email(user_id)

    def join(self, org_id: str, user_id: str) -> None:
        with self.stored() as stored:
            stored.add_member(org_id, user_id)

    @contextmanager
    def stored(self) -> Iterator[Stored]:
        with psycopg.connect(self.faulty.system.admin_url(), autocommit=True) as admin:
            yield Stored(admin, self.faulty.files, self.faulty.maildir)

    def findings(self) -> list[str]:
        """Wait until the system is at rest, and return what is wrong with it."""
        self._rest()
        with self.stored() as stored:
            return findings(self.ledger, stored, self._mailer_deaths)

    def close(self) -> None:
        for actor in self._actors:
            actor.close()
        self.faulty.stop()

    def _rest(self) -> None:
        """Whatever does not come to rest is found by the checker."""
        self.faulty.wait_until_ready()
        with self.stored() as stored:
            end = time.monotonic() + REST_SECONDS
            while not stored.is_at_rest() and time.monotonic() < end:
                self._let_leases_lapse(stored)
                stored.let_a_day_pass()
                with suppress(TimeoutError):
                    wait_until(stored.is_at_rest, within=BETWEEN_DAYS_SECONDS)

    def _died(self, process: str, at: float) -> None:
        if process in MAILERS:
            self._mailer_deaths.append(at)
        service, _, verb = process.partition("-")
        if verb == "worker":
            self._dead_workers.append((service, at))
            with suppress(psycopg.OperationalError), self.stored() as stored:  # it may be dead too
                stored.let_leases_lapse(service, at)

    def _let_leases_lapse(self, stored: Stored) -> None:
        for service, at in self._dead_workers:
            stored.let_leases_lapse(service, at)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultBench]:
    opened = FaultBench(tmp_path_factory.mktemp("faults"))
    try:
        opened.faulty.start()
        yield opened
    finally:
        opened.close()

"""Mails about runs of the real reports service."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc.aio import Metadata

from services.notifications.tests.mail_bench import MailBench
from tenon.reports.v1.dataset_service_pb2 import CreateDatasetRequest
from tenon.reports.v1.dataset_service_pb2_grpc import DatasetServiceStub
from tenon.reports.v1.event_service_pb2 import Event, IngestEventsRequest
from tenon.reports.v1.event_service_pb2_grpc import EventServiceStub
from tenon.reports.v1.run_pb2 import FORMAT_CSV
from tenon.reports.v1.run_service_pb2 import EventsExport, StartRunRequest
from tenon.reports.v1.run_service_pb2_grpc import RunServiceStub
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System


@dataclass
class Exports:
    """A tenant with a dataset of three events."""

    channel: grpc.aio.Channel
    tenant: Tenant
    dataset_id: str = ""

    async def load(self, name: str) -> None:
        created = await DatasetServiceStub(self.channel).CreateDataset(
            CreateDatasetRequest(org_id=str(self.tenant.org_id), name=name, dimensions=["carrier"]),
            metadata=self.tenant.metadata,
        )
        self.dataset_id = created.dataset.id
        events = [
            Event(id=str(n), time="2013-01-01T05:00:00Z", dimensions={"carrier": "UA"})
            for n in range(3)
        ]
        await EventServiceStub(self.channel).IngestEvents(
            IngestEventsRequest(
                org_id=str(self.tenant.org_id), dataset_id=self.dataset_id, events=events
            ),
            metadata=self.tenant.metadata,
        )

    async def start(self, metadata: Metadata | None = None) -> str:
        """Start an export; return the run's id."""
        reply = await RunServiceStub(self.channel).StartRun(
            StartRunRequest(
                org_id=str(self.tenant.org_id),
                events=EventsExport(dataset_id=self.dataset_id),
                format=FORMAT_CSV,
            ),
            metadata=metadata or self.tenant.metadata,
        )
        return reply.run.id


@pytest.fixture
async def exports(system: System, callers: Callers) -> AsyncIterator[Exports]:
    system.start("reports")
    system.start("reports", "worker")
    channel = system.channel("reports")
    exports = Exports(channel, await callers.tenant())
    await exports.load("Flights")
    yield exports
    await channel.close(None)


async def test_an_api_keys_export_mails_nobody(
    bench: MailBench, exports: Exports, callers: Callers
) -> None:
    """And holds up no mail that comes after it."""
    token = await callers.exchange(await callers.api_key(exports.tenant))
    async with bench.working():
        await exports.start(Metadata(("authorization", f"Bearer {token}")))
        run_id = await exports.start()
        mail = await bench.mail_about(exports.tenant.owner.email, "Flights")
    assert f"/runs/{run_id}/file" in bench.text(mail)


async def test_who_started_an_export_gets_its_link(bench: MailBench, exports: Exports) -> None:
    async with bench.working():
        run_id = await exports.start()
        mail = await bench.mail_about(exports.tenant.owner.email, "Flights")
    assert mail["Subject"] == "Your export of Flights is ready"
    assert "3 rows, CSV" in bench.text(mail)
    link = f"{bench.system.url}/api/orgs/{exports.tenant.org_id}/runs/{run_id}/file"
    assert f"\n{link}\n" in bench.text(mail)


async def test_a_run_that_ended_while_no_worker_ran_is_mailed_later(
    bench: MailBench, exports: Exports
) -> None:
    run_id = await exports.start()
    await bench.until(lambda: bench.run_is(run_id, "succeeded"))
    async with bench.working():
        assert await bench.mail_about(exports.tenant.owner.email, "Flights")


async def test_who_started_an_export_learns_that_it_failed(
    bench: MailBench, exports: Exports
) -> None:
    with without_storage(bench.system.directory / "files"):
        run_id = await exports.start()
        await bench.until(lambda: bench.last_attempt_of_run(run_id))
        await bench.until(lambda: bench.run_is(run_id, "failed"))
    async with bench.working():
        mail = await bench.mail_about(exports.tenant.owner.email, "Flights")
    assert mail["Subject"] == "Your export of Flights failed"


@contextmanager
def without_storage(directory: Path) -> Iterator[None]:
    """Put a file where the files' directory was, so that no file can be written."""
    away = directory.rename(directory.with_name("away"))
    directory.touch()
    yield
    directory.unlink()
    away.rename(directory)

"""Whatever point the worker dies at, a log is whole, and its retention and its streams go on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest

from services.tenancy.tests.audit_streams.receiver import Receiver, receiving
from services.tenancy.tests.tampered_logs import append, clients_of, service
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_storage.file_storage import FileStorage
from tenon_tenancy.app import APP
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_events.models import ORGANIZATIONS
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_retention.service import ACTION
from tenon_tenancy.audit_retention.tasks import REMOVE
from tenon_tenancy.audit_streams.models import AuditStream, Webhook
from tenon_tenancy.audit_streams.repository import AuditStreamRepository
from tenon_tenancy.audit_streams.sending import new_secret
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.audit_verification.verification import Report
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.settings import TenancySettings
from tenon_testing.crash_points import Moment, Point, Traps
from tenon_testing.servers import Servers
from tenon_testing.service_process import ServiceProcess
from tenon_testing.system import System
from tenon_testing.waiting import eventually

WORKER = "tenancy-worker"
LINES = 2_500
RETENTION = "tenon_tenancy.audit_retention.service:AuditRetentionService"
CHECKPOINTS = "tenon_tenancy.audit_checkpoints.service:AuditCheckpointService"
EVENTS = "tenon_tenancy.audit_events.service:AuditEventService"
DELIVERIES = "tenon_tenancy.audit_streams.delivering:AuditDeliveryService"
SENDER = "tenon_tenancy.audit_streams.sending:Sender.send"

REMOVING = [
    Point("on record", WORKER, f"{RETENTION}._announce", Moment.AFTER),
    Point("before it is signed", WORKER, f"{CHECKPOINTS}.begin", Moment.BEFORE),
    Point("signed", WORKER, f"{CHECKPOINTS}.begin", Moment.AFTER),
    Point("some lines are gone", WORKER, f"{CHECKPOINTS}.remove_within", Moment.AFTER),
    Point("all lines are gone", WORKER, f"{EVENTS}.set_beginning", Moment.BEFORE),
]
SENDING = [
    Point("before it is sent", WORKER, SENDER, Moment.BEFORE),
    Point("sent", WORKER, SENDER, Moment.AFTER),
    Point("recorded", WORKER, f"{DELIVERIES}._succeed", Moment.AFTER),
]


@dataclass
class Bench:
    """A system of its own whose worker dies where it is told to."""

    system: System
    traps: Traps
    worker: ServiceProcess
    backbone: Backbone[TenancySettings]
    checkpoints: AuditCheckpointService
    admin: psycopg.AsyncConnection

    async def dies(self, point: Point) -> None:
        """Wait until the worker has died at a point."""

        async def has_sprung() -> bool:
            return self.traps.has_sprung(point.name)

        await eventually(has_sprung, within=60)
        self.worker.wait()

    async def start_again(self) -> None:
        """Start the worker, and let the leases of the dead one be over."""
        await self.admin.execute("UPDATE tenancy.audit_streams SET lease_until = now()")
        await self.admin.execute(
            "UPDATE tenancy.jobs SET state = 'queued', lease_until = NULL WHERE state = 'running'"
        )
        self.worker.start()

    async def verify(self, key: LogKey) -> Report:
        verification = AuditVerificationService(
            self.backbone.database, self.checkpoints, clients_of(self.backbone)
        )
        return await verification.verify(key)


@pytest.fixture(scope="module")
async def bench(servers: Servers) -> AsyncIterator[Bench]:
    name = f"crash_{uuid4().hex}"
    traps = Traps(servers.directory / f"traps-{name}", [*REMOVING, *SENDING])
    system = System(servers, name, runner=traps.runner)
    worker = system.start("tenancy", "worker")
    settings = system.settings(APP, process=WORKER)
    storage = FileStorage(Path(urlsplit(settings.checkpoint_url).path), b"", "")
    async with (
        open_backbone(APP.name, settings) as backbone,
        await psycopg.AsyncConnection.connect(system.admin_url(), autocommit=True) as admin,
    ):
        yield Bench(system, traps, worker, backbone, service(backbone, storage), admin)
    system.stop()


@pytest.fixture
async def receiver(bench: Bench) -> AsyncIterator[Receiver]:
    async with receiving(bench.system.receiver_port) as receiver:
        yield receiver


@pytest.mark.parametrize("point", REMOVING, ids=lambda point: point.name)
async def test_retention_goes_on(
    bench: Bench, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await old_log(bench, monkeypatch)
    bench.traps.arm(point.name)
    await enqueue_removal(bench, key)
    await bench.dies(point)
    assert (await bench.verify(key)).findings == []
    await bench.start_again()

    async def is_done() -> bool:
        begins = "SELECT begins_after FROM tenancy.audit_heads WHERE org_id = %s"
        row = await (await bench.admin.execute(begins, [key.owner_id])).fetchone()
        return row is not None and row[0] == LINES

    await eventually(is_done, within=60)
    report = await bench.verify(key)
    assert (report.findings, report.begins_after) == ([], LINES)
    left = [line async for line in read_log(bench.backbone.database, key.log, key.owner_id)]
    assert left[0].position == LINES + 1
    assert len([line for line in left if line.access.action == ACTION]) == 1


async def old_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> LogKey:
    """Make a log that is kept for a day, and was covered two days ago."""
    key = LogKey(ORGANIZATIONS, uuid7())
    await bench.admin.execute(
        "INSERT INTO tenancy.organizations (id, name, create_time, audit_retention_days)"
        " VALUES (%s, 'A', now(), 1)",
        [key.owner_id],
    )
    now = clock.now
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: now() - timedelta(days=2))
        await append(bench.backbone.database, key, LINES)
        await bench.checkpoints.cover(key)
    await append(bench.backbone.database, key)
    return key


async def enqueue_removal(bench: Bench, key: LogKey) -> None:
    payload = {"kind": key.log.kind, "owner_id": str(key.owner_id)}
    async with bench.backbone.database.system("jobs") as tx:
        await Foundation(bench.backbone).queue.enqueue(tx, REMOVE, payload)


@pytest.mark.parametrize("point", SENDING, ids=lambda point: point.name)
async def test_a_stream_goes_on_with_the_same(
    bench: Bench, receiver: Receiver, point: Point
) -> None:
    """At least once, in order; what comes again has the same id."""
    key = LogKey(ORGANIZATIONS, uuid7())
    await append(bench.backbone.database, key, 600)
    bench.traps.arm(point.name)
    await add_stream(bench, key.owner_id, receiver.url("/log"))
    await bench.dies(point)
    await append(bench.backbone.database, key, 1)
    await bench.start_again()

    async def has_all() -> bool:
        return 601 in await receiver.positions("/log")()

    await eventually(has_all, within=60)
    requests = {one.id: one for one in receiver.at("/log")}
    positions = [position for one in requests.values() for position in one.positions]
    assert positions == list(range(1, 602))
    assert all(one.body == requests[one.id].body for one in receiver.at("/log"))
    assert len(receiver.at("/log")) == len(requests) + (point.name == "sent")


async def add_stream(bench: Bench, org_id: UUID, url: str) -> None:
    at, target = clock.now(), Webhook(url)
    stream = AuditStream(org_id, uuid7(), "", True, target, new_secret(), uuid4(), at, due_time=at)
    async with bench.backbone.database.tenant(org_id) as tx:
        await AuditStreamRepository(tx, Foundation(bench.backbone).cipher).add(stream)

"""What an organization does with its audit log: reads, searches, exports, verifies, keeps short and
streams it.
"""

from datetime import timedelta
from functools import partial

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from services.tenancy.tests.audit_streams.receiver import receiving
from tenon.tenancy.v1.audit_checkpoint_service_pb2 import (
    CreateAuditCheckpointRequest,
    ListAuditCheckpointsRequest,
)
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceStub
from tenon.tenancy.v1.audit_event_service_pb2 import ListAuditEventsRequest
from tenon.tenancy.v1.audit_event_service_pb2_grpc import AuditEventServiceStub
from tenon.tenancy.v1.audit_export_pb2 import AuditExport
from tenon.tenancy.v1.audit_export_service_pb2 import (
    GetAuditExportRequest,
    ListAuditExportsRequest,
    StartAuditExportRequest,
)
from tenon.tenancy.v1.audit_export_service_pb2_grpc import AuditExportServiceStub
from tenon.tenancy.v1.audit_stream_pb2 import AuditWebhook
from tenon.tenancy.v1.audit_stream_service_pb2 import (
    CreateAuditStreamRequest,
    DeleteAuditStreamRequest,
    ListAuditDeliveriesRequest,
    ListAuditStreamsRequest,
    TestAuditStreamRequest,
    UpdateAuditStreamRequest,
)
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import AuditStreamServiceStub
from tenon_core import clock
from tenon_core.ids import first_id, uuid7
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_tenancy import app as tenancy_app
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Access
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Tenant
from tests.isolation.shadows import pair
from tests.isolation.stage import Stage, pages

DELIVERIES = "SELECT count(*) FROM tenancy.audit_deliveries WHERE org_id = %s AND stream_id = %s"
MORE_DELIVERIES = f"{DELIVERIES} HAVING count(*) > %s"


async def use_the_log(stage: Stage, tenant: Tenant) -> None:
    """Read the audit log, and let it meet again what it has."""
    lines = "SELECT count(*) > 1 FROM tenancy.audit_events WHERE org_id = %s"
    await stage.until(lambda: stage.scalar(lines, tenant.org_id))
    await stage.admin.execute("UPDATE tenancy.cursors SET position = 0 WHERE source = 'tenancy'")
    moved = (
        "SELECT cursors.position >= outbox_head.position FROM tenancy.cursors, tenancy.outbox_head"
        " WHERE source = 'tenancy'"
    )
    await stage.until(lambda: stage.scalar(moved))
    log = AuditEventServiceStub(stage.tenancy)
    org_id = str(tenant.org_id)
    await pages(log.ListAuditEvents, ListAuditEventsRequest, tenant, org_id=org_id)
    unchained = (
        "UPDATE tenancy.audit_heads SET hashed = 0, hash = decode(repeat('00', 32), 'hex')"
        " WHERE org_id = %s"
    )
    await stage.admin.execute(unchained.encode(), [tenant.org_id])
    checkpoints = AuditCheckpointServiceStub(stage.tenancy)
    for _ in range(2):
        made = CreateAuditCheckpointRequest(org_id=org_id)
        reply = await checkpoints.CreateAuditCheckpoint(made, metadata=tenant.metadata)
        grown = "SELECT position > %s FROM tenancy.audit_heads WHERE org_id = %s"
        position = reply.checkpoint.position
        await stage.until(partial(stage.scalar, grown, position, tenant.org_id))
    listed = ListAuditCheckpointsRequest
    await pages(checkpoints.ListAuditCheckpoints, listed, tenant, org_id=org_id)
    await _search_the_log(stage, tenant)
    await _export_the_log(stage, tenant)
    await _verify_the_log(stage, tenant)


async def _search_the_log(stage: Stage, tenant: Tenant) -> None:
    log, org_id = AuditEventServiceStub(stage.tenancy), str(tenant.org_id)
    for filters in ({"action": "tenancy."}, {"start_time": Timestamp(seconds=0)}):
        request = ListAuditEventsRequest(org_id=org_id, **filters)
        reply = await log.ListAuditEvents(request, metadata=tenant.metadata)
        assert reply.items


async def _export_the_log(stage: Stage, tenant: Tenant) -> None:
    """Have an export made beside one that is not finished, and let both expire."""
    exports, org_id = AuditExportServiceStub(stage.tenancy), str(tenant.org_id)
    states = "UPDATE tenancy.audit_exports SET state = 'running' WHERE org_id = %s"
    for _ in range(2):
        await stage.admin.execute(states.encode(), [tenant.org_id])
        started = StartAuditExportRequest(org_id=org_id, format=AuditExport.FORMAT_CSV)
        export = (await exports.StartAuditExport(started, metadata=tenant.metadata)).export
        await _until_export(stage, tenant, export.id, "succeeded")
    await pages(exports.ListAuditExports, ListAuditExportsRequest, tenant, org_id=org_id)
    named = {"org_id": org_id, "audit_export_id": export.id}
    await exports.GetAuditExport(GetAuditExportRequest(**named), metadata=tenant.metadata)
    await stage.admin.execute(
        "UPDATE tenancy.jobs SET run_at = now() WHERE type = 'audit_exports.expire'"
    )
    await _until_export(stage, tenant, export.id, "expired")


async def _until_export(stage: Stage, tenant: Tenant, export_id: str, state: str) -> None:
    reached = "SELECT state = %s FROM tenancy.audit_exports WHERE org_id = %s AND id = %s"
    await stage.until(partial(stage.scalar, reached, state, tenant.org_id, export_id))


async def _verify_the_log(stage: Stage, tenant: Tenant) -> None:
    """Look at all logs that there are, and at this one line by line."""
    settings = stage.system.settings(tenancy_app.APP)
    async with open_backbone(tenancy_app.APP.name, settings) as backbone:
        logs = Foundation(backbone).audit_verification
        (key,) = [key async for key in logs.every() if key.owner_id == tenant.org_id]
        assert (await logs.verify(key)).findings == []
        await _keep_a_log_short(stage, backbone)


async def _keep_a_log_short(stage: Stage, backbone: Backbone[TenancySettings]) -> None:
    """Remove what a checkpoint covers, as retention does: of a log that no feed will fill again."""
    key, shadow = LogKey(ORGANIZATIONS, uuid7()), uuid7()
    await pair(stage.admin, key.owner_id, shadow)
    for org_id in (key.owner_id, shadow):
        await stage.admin.execute(
            "INSERT INTO tenancy.organizations (id, name, create_time) VALUES (%s, 'A', now())",
            [org_id],
        )
    own, database = Foundation(backbone), backbone.database
    for _ in range(2):
        line = Access(uuid7(), "action", "users/me", "", None, "", 1, clock.now())
        async with database.tenant(key.owner_id) as tx:
            await own.audit_events.record(tx, [line])
        await own.checkpoints.cover(key)
    retention = own.audit_retention
    assert key not in [limited async for limited in retention.limited()]
    await retention.remove_old(key)
    await retention.remove(key, clock.now())


async def stream_the_log(stage: Stage, tenant: Tenant) -> None:
    """Send the log to a webhook, which does not take it at first."""
    org_id, streams = str(tenant.org_id), AuditStreamServiceStub(stage.tenancy)
    async with receiving(stage.system.receiver_port) as receiver:
        receiver.statuses["/log"] = 500
        request = CreateAuditStreamRequest(
            org_id=org_id, webhook=AuditWebhook(url=receiver.url("/log"))
        )
        made = [await streams.CreateAuditStream(request, metadata=tenant.metadata) for _ in "ab"]
        named = {"org_id": org_id, "stream_id": made[0].stream.id}
        until = partial(_until, stage, tenant, named["stream_id"])
        await stage.admin.execute(
            "INSERT INTO tenancy.audit_deliveries"
            " VALUES (%s, %s, %s, 0, 0, 'delivered', 1, '', now(), now())",
            [tenant.org_id, named["stream_id"], first_id(clock.now() - timedelta(days=99))],
        )
        await until("last_error <> ''")
        receiver.statuses.clear()
        for _ in range(2):
            mask = FieldMask(paths=["description"])
            changed = UpdateAuditStreamRequest(
                org_id=org_id, stream_id=named["stream_id"], description="SIEM", update_mask=mask
            )
            await streams.UpdateAuditStream(changed, metadata=tenant.metadata)
            await until("last_error = '' AND position > 0")
            own = (tenant.org_id, named["stream_id"])
            before = await stage.scalar(DELIVERIES, *own)
            await streams.TestAuditStream(TestAuditStreamRequest(**named), metadata=tenant.metadata)
            await stage.until(partial(stage.scalar, MORE_DELIVERIES, *own, before))
        await pages(streams.ListAuditStreams, ListAuditStreamsRequest, tenant, org_id=org_id)
        await pages(streams.ListAuditDeliveries, ListAuditDeliveriesRequest, tenant, **named)
        for reply in made:
            gone = DeleteAuditStreamRequest(org_id=org_id, stream_id=reply.stream.id)
            await streams.DeleteAuditStream(gone, metadata=tenant.metadata)
    await stage.admin.execute("DELETE FROM tenancy.audit_streams")  # the shadow's


async def _until(stage: Stage, tenant: Tenant, stream_id: str, condition: str) -> None:
    """Wait until a stream of a tenant is as a condition says."""
    found = f"SELECT {condition} FROM tenancy.audit_streams WHERE org_id = %s AND id = %s"  # noqa: S608 # our own words
    await stage.until(partial(stage.scalar, found, tenant.org_id, stream_id))

"""How an organization ends, while its shadow, which has the same rows, must stay."""

from uuid import UUID, uuid4

from services.auth.tests.api_keys.keys_client import KeysClient
from services.reports.tests.reports_client import ReportsClient, event
from tenon.tenancy.v1.audit_stream_pb2 import AuditWebhook
from tenon.tenancy.v1.audit_stream_service_pb2 import CreateAuditStreamRequest
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import AuditStreamServiceStub
from tenon.tenancy.v1.organization_deletion_service_pb2 import (
    DeleteOrganizationRequest,
    GetOrganizationDeletionRequest,
    UndeleteOrganizationRequest,
)
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import OrganizationDeletionServiceStub
from tenon_auth import app as auth_app
from tenon_auth.api_keys.ending import ApiKeyEnding
from tenon_auth.organization_data.service import OrganizationDataService as AuthsData
from tenon_core import clock
from tenon_reports import app as reports_app
from tenon_reports.usage.service import UsageService
from tenon_rpc.backbone import open_backbone
from tenon_rpc.usage import Month
from tenon_tenancy import app as tenancy_app
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.organization_deletions.models import SERVICES, Receipt
from tenon_tenancy.organization_deletions.repository import OrganizationDeletionRepository
from tenon_testing.callers import Tenant
from tests.isolation.stage import Stage

WRITTEN = '{"name": "begun", "dimensions": 1, "measures": 1}'


async def delete_organization(stage: Stage, tenant: Tenant) -> None:
    """Let it have something of everything, and destroy that in the services' own order."""
    await KeysClient(stage.auth, tenant).create()
    await _be_at_work(stage, ReportsClient(stage.reports, tenant))
    await _stream(stage, tenant)
    await _measure(stage, tenant.org_id)
    deletion_id = await _schedule(stage, tenant)
    await _end(stage, tenant.org_id, deletion_id)
    await _erase_reports(stage, tenant.org_id)
    await _erase_keys(stage, tenant.org_id)


async def _be_at_work(stage: Stage, client: ReportsClient) -> None:
    """Have a run whose file is being written in parts; no worker is there to go on with it."""
    dataset = (await client.create_dataset()).id
    await client.ingest(dataset, event("1", dimensions={"color": "red"}, measures={"size": 1}))
    run = await client.start_run(events={"dataset_id": dataset})
    writing = (
        "UPDATE reports.runs SET state = 'running', written = %s::jsonb"
        " WHERE id = %s AND org_id = %s"
    )
    await stage.admin.execute(writing.encode(), [WRITTEN, run.id, client.org_id])


async def _stream(stage: Stage, tenant: Tenant) -> None:
    """Send the log to where nothing comes from, and have sent something before."""
    webhook = AuditWebhook(url="https://hooks.invalid/")
    request = CreateAuditStreamRequest(org_id=str(tenant.org_id), webhook=webhook)
    streams = AuditStreamServiceStub(stage.tenancy)
    stream = (await streams.CreateAuditStream(request, metadata=tenant.metadata)).stream
    await stage.admin.execute(
        "INSERT INTO tenancy.audit_deliveries"
        " VALUES (%s, %s, gen_random_uuid(), 1, 1, 'delivered', 1, '', now(), now())",
        [tenant.org_id, stream.id],
    )


async def _measure(stage: Stage, org_id: UUID) -> None:
    """Count what it uses, as tenancy does and reports when tenancy asks."""
    settings = stage.system.settings(reports_app.APP)
    async with open_backbone(reports_app.NAME, settings) as backbone:
        storage = reports_app.services(backbone).storage
        figures = await UsageService(backbone.database, storage).measure(
            org_id, Month.of(clock.now())
        )
        assert figures["events_stored"] == 1
    async with open_backbone(
        tenancy_app.APP.name, stage.system.settings(tenancy_app.APP)
    ) as backbone:
        own = Foundation(backbone)
        assert await own.members.count(org_id)
        assert org_id in [one async for one in own.organizations.every_id()]


async def _schedule(stage: Stage, tenant: Tenant) -> UUID:
    """Ask for it, undo that, and ask for it again."""
    deletions, org_id = OrganizationDeletionServiceStub(stage.tenancy), str(tenant.org_id)
    ask, metadata = DeleteOrganizationRequest(org_id=org_id), tenant.metadata
    await deletions.DeleteOrganization(ask, metadata=metadata)
    undo = UndeleteOrganizationRequest(org_id=org_id)
    await deletions.UndeleteOrganization(undo, metadata=metadata)
    reply = await deletions.DeleteOrganization(ask, metadata=metadata)
    look = GetOrganizationDeletionRequest(deletion_id=reply.deletion.id)
    await deletions.GetOrganizationDeletion(look, metadata=metadata)
    return UUID(reply.deletion.id)


async def _end(stage: Stage, org_id: UUID, deletion_id: UUID) -> None:
    """End it as tenancy's worker does, and take the receipts, one of them twice."""
    settings = stage.system.settings(tenancy_app.APP, process="tenancy-worker")
    async with open_backbone(tenancy_app.APP.name, settings) as backbone:
        own, database = Foundation(backbone), backbone.database
        deletions, erasing = own.deletions, own.erasing
        await deletions.notice(deletion_id)
        assert await erasing.end(org_id, deletion_id)
        await erasing.erase(org_id)
        async with database.system("organization deletions") as tx:
            assert org_id in await OrganizationDeletionRepository(tx).find_open(clock.now(), 100)
        for service in (*SERVICES, SERVICES[0]):
            async with database.tenant(org_id) as tx:
                await deletions.record(tx, Receipt(org_id, service, 0, 0, 0, clock.now()))


async def _erase_reports(stage: Stage, org_id: UUID) -> None:
    settings = stage.system.settings(reports_app.APP, process="reports-worker")
    async with open_backbone(reports_app.NAME, settings) as backbone:
        own = reports_app.services(backbone)
        held = reports_app.organization_data_of(backbone, own)
        async with backbone.database.tenant(org_id) as tx:
            await held.request(tx, org_id)
        await held.erase(org_id)


async def _erase_keys(stage: Stage, org_id: UUID) -> None:
    """Revoke the keys of a member who is removed, then all of the organization."""
    former_id = uuid4()
    await stage.admin.execute(
        "UPDATE auth.api_keys SET creator_id = %s"
        " WHERE id = (SELECT min(id::text)::uuid FROM auth.api_keys WHERE org_id = %s)",
        [former_id, org_id],
    )
    settings = stage.system.settings(auth_app.APP, process="auth-worker")
    async with open_backbone(auth_app.APP.name, settings) as backbone:
        ending = ApiKeyEnding(backbone.grant_changes)
        async with backbone.database.tenant(org_id) as tx:
            await ending.end_of(tx, former_id)
        held = AuthsData(ending)
        async with backbone.database.tenant(org_id) as tx:
            await held.erase(tx, org_id)

"""All that an organization does with tenancy, reports and its API keys: every statement on what is
a tenant's is run.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import grpc
import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.auth.tests.api_keys.keys_client import KeysClient
from services.reports.tests.reports_client import ReportsClient, event
from tenon.auth.v1.events_pb2 import UserErased
from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.reports.v1.dataset_service_pb2 import (
    DeleteDatasetRequest,
    GetDatasetRequest,
    ListDatasetsRequest,
    UpdateDatasetRequest,
)
from tenon.reports.v1.run_pb2 import Run
from tenon.reports.v1.run_service_pb2 import CancelRunRequest, ListRunsRequest
from tenon.tenancy.v1.audit_checkpoint_service_pb2 import (
    CreateAuditCheckpointRequest,
    ListAuditCheckpointsRequest,
)
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceStub
from tenon.tenancy.v1.audit_event_service_pb2 import ListAuditEventsRequest
from tenon.tenancy.v1.audit_event_service_pb2_grpc import AuditEventServiceStub
from tenon.tenancy.v1.member_service_pb2 import (
    CheckMembershipsRequest,
    ListMembersRequest,
    MembershipKey,
    RemoveMemberRequest,
    UpdateMemberRequest,
)
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    GetOrganizationRequest,
    ListOrganizationsRequest,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_ADMIN, ROLE_VIEWER
from tenon_core.ids import uuid7
from tenon_jobs import Worker
from tenon_policy.policies import Role
from tenon_reports import app as reports_app
from tenon_reports.personal_data import service as reports_personal_data
from tenon_rpc.backbone import open_backbone
from tenon_rpc.status import PeerError
from tenon_tenancy import app as tenancy_app
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.personal_data import service as tenancy_personal_data
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually
from tests.isolation.shadows import pair
from tests.isolation.worlds import Registry

PAGE = 1


@dataclass
class Stage:
    """Auth, tenancy and reports in this process, servers and workers, in front of one database."""

    system: System
    callers: Callers
    admin: psycopg.AsyncConnection
    auth: grpc.aio.Channel
    tenancy: grpc.aio.Channel
    reports: grpc.aio.Channel
    workers: list[Worker] = field(default_factory=list)

    async def working(self, stack: AsyncExitStack) -> None:
        """Let the workers work until the stack is left."""
        self.workers.clear()
        reports = reports_app.worker(
            self.system.settings(reports_app.APP, process="reports-worker")
        )
        tenancy = tenancy_app.worker(
            self.system.settings(tenancy_app.APP, process="tenancy-worker")
        )
        for opened in (reports, tenancy):
            worker = await stack.enter_async_context(opened)
            await stack.enter_async_context(worker.running())
            self.workers.append(worker)

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Wait for what a worker does, and let it look for work meanwhile."""

        async def looked() -> object:
            for worker in self.workers:
                worker.wake()
            return await condition()

        await eventually(looked, within=60)

    async def scalar(self, query: str, *parameters: object) -> Any:
        found = await (await self.admin.execute(query.encode(), parameters)).fetchone()
        return found[0] if found else None


async def use_everything(stage: Stage) -> None:
    """Found an organization with a shadow, and use it for all that there is."""
    tenant = await _founded(stage)
    client = ReportsClient(stage.reports, tenant)
    dataset = await _fill(client)
    upload = await client.upload(dataset, b"time,color,size\n2026-01-01,red,1\n,x,y\n")
    colorless = await client.upload(dataset, b"time,size\n2026-01-02,2\n")
    runs = [await client.start_run(events={"dataset_id": dataset}) for _ in range(4)]
    await _look_at_runs(client)
    await _cancel(stage, client, runs[2:])
    async with AsyncExitStack() as stack:
        await stage.working(stack)
        await stage.until(lambda: _ended(client, runs))
        await stage.until(lambda: _loaded(client, upload.id))
        await stage.until(lambda: _loaded(client, colorless.id))
        await client.rejected(upload.id)
        await client.link(runs[0].id)
        await _expire(stage, client, runs[0].id)
    await _delete_with_a_run(stage, client, dataset)
    await _meet_what_is_deleted(stage, client, dataset, runs[0].id, upload.id)
    async with AsyncExitStack() as stack:
        await stage.working(stack)
        gone = "SELECT NOT EXISTS (SELECT FROM reports.datasets WHERE id = %s AND org_id = %s)"
        await stage.until(lambda: stage.scalar(gone, dataset, client.org_id))
        await _use_the_log(stage, tenant)
        await _export_the_owner(stage, tenant)
        await _erase_a_member(stage, tenant)
    await _use_keys(stage, tenant)
    await _use_members(stage, tenant)


async def _founded(stage: Stage) -> Tenant:
    """Make the organization in this process; its owner has another one too, and so has a shadow."""
    first, shadow = await stage.callers.tenant(), await stage.callers.tenant()
    organizations = OrganizationServiceStub(stage.tenancy)
    reply = await organizations.CreateOrganization(
        CreateOrganizationRequest(name="Acme"), metadata=first.metadata
    )
    tenant = Tenant(UUID(reply.organization.id), first.owner)
    await pair(stage.admin, tenant.org_id, shadow.org_id)
    await organizations.GetOrganization(
        GetOrganizationRequest(org_id=str(tenant.org_id)), metadata=tenant.metadata
    )
    await _pages(organizations.ListOrganizations, ListOrganizationsRequest, tenant)
    return tenant


async def _pages(method: Any, request: Any, tenant: Tenant, **fields: Any) -> None:
    """List two pages."""
    page = await method(request(page_size=PAGE, **fields), metadata=tenant.metadata)
    assert page.next_page_token
    after = request(page_size=PAGE, page_token=page.next_page_token, **fields)
    await method(after, metadata=tenant.metadata)


async def _fill(client: ReportsClient) -> str:
    """Make datasets, change one, and give it events, some of them twice."""
    await client.create_dataset()
    dataset = (await client.create_dataset()).id
    named = {"org_id": client.org_id, "dataset_id": dataset}
    metadata = client.tenant.metadata
    await client.datasets.GetDataset(GetDatasetRequest(**named), metadata=metadata)
    change = UpdateDatasetRequest(
        org_id=client.org_id,
        dataset_id=dataset,
        name="Renamed",
        update_mask=FieldMask(paths=["name"]),
    )
    await client.datasets.UpdateDataset(change, metadata=metadata)
    await _pages(
        client.datasets.ListDatasets, ListDatasetsRequest, client.tenant, org_id=client.org_id
    )
    await client.ingest(dataset, event("1", dimensions={"color": "red"}, measures={"size": 1}))
    await client.ingest(dataset, event("1", dimensions={"color": "red"}, measures={"size": 1}))
    await client.rows(dataset, dimensions=["color"])
    return dataset


async def _look_at_runs(client: ReportsClient) -> None:
    await _pages(client.runs.ListRuns, ListRunsRequest, client.tenant, org_id=client.org_id)


async def _cancel(stage: Stage, client: ReportsClient, runs: Sequence[Run]) -> None:
    """Cancel a run that waits, and one that is being written."""
    await _be_written(stage, client, runs[1])
    for run in runs:
        request = CancelRunRequest(org_id=client.org_id, run_id=run.id)
        await client.runs.CancelRun(request, metadata=client.tenant.metadata)


async def _ended(client: ReportsClient, runs: Sequence[Run]) -> bool:
    states = {(await client.get_run(run.id)).state for run in runs}
    return states == {Run.STATE_SUCCEEDED, Run.STATE_CANCELLED}


async def _loaded(client: ReportsClient, upload_id: str) -> bool:
    return (await client.get_upload(upload_id)).finish_time.seconds > 0


async def _expire(stage: Stage, client: ReportsClient, run_id: str) -> None:
    due = "UPDATE reports.jobs SET run_at = now() WHERE type = 'runs.expire' AND org_id = %s"
    await stage.admin.execute(due.encode(), [client.org_id])

    async def expired() -> bool:
        return (await client.get_run(run_id)).state == Run.STATE_EXPIRED

    await stage.until(expired)


async def _delete_with_a_run(stage: Stage, client: ReportsClient, dataset: str) -> None:
    """Delete a dataset while a run of it is being written."""
    run = await client.start_run(events={"dataset_id": dataset})
    await _be_written(stage, client, run)
    request = DeleteDatasetRequest(org_id=client.org_id, dataset_id=dataset)
    await client.datasets.DeleteDataset(request, metadata=client.tenant.metadata)


async def _be_written(stage: Stage, client: ReportsClient, run: Run) -> None:
    """Say that a worker is at this run."""
    writing = "UPDATE reports.runs SET state = 'running' WHERE id = %s AND org_id = %s"
    await stage.admin.execute(writing.encode(), [run.id, client.org_id])


async def _meet_what_is_deleted(
    stage: Stage, client: ReportsClient, dataset: str, run: str, upload: str
) -> None:
    """Ask for what went with its dataset, while the shadow's dataset is not deleted."""
    revive = "UPDATE reports.datasets SET delete_time = NULL WHERE id = %s AND org_id <> %s"
    await stage.admin.execute(revive.encode(), [dataset, client.org_id])
    for asked in (client.get_run(run), client.get_upload(upload)):
        with pytest.raises(PeerError):
            await asked
    request = ListRunsRequest(org_id=client.org_id)
    listed = await client.runs.ListRuns(request, metadata=client.tenant.metadata)
    assert not listed.items
    follow = "UPDATE reports.datasets SET name = name WHERE id = %s AND org_id = %s"
    await stage.admin.execute(follow.encode(), [dataset, client.org_id])


async def _use_the_log(stage: Stage, tenant: Tenant) -> None:
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
    await _pages(log.ListAuditEvents, ListAuditEventsRequest, tenant, org_id=org_id)
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
    await _pages(checkpoints.ListAuditCheckpoints, listed, tenant, org_id=org_id)
    await _verify_the_log(stage, tenant)


async def _verify_the_log(stage: Stage, tenant: Tenant) -> None:
    """Look at all logs that there are, and at this one line by line."""
    settings = stage.system.settings(tenancy_app.APP)
    async with open_backbone(tenancy_app.NAME, settings) as backbone:
        database = backbone.database
        kept = tenancy_app.checkpoints_of(backbone, AuditEventService(database))
        logs = AuditVerificationService(database, kept)
        (key,) = [key async for key in logs.every() if key.owner_id == tenant.org_id]
        assert (await logs.verify(key)).findings == []


async def _export_the_owner(stage: Stage, tenant: Tenant) -> None:
    """Let each service say what it holds of somebody, as it does when auth asks."""
    user_id = tenant.owner.user_id
    settings = stage.system.settings(reports_app.APP)
    async with open_backbone(reports_app.NAME, settings) as reports:
        await reports_personal_data.PersonalDataService(reports.database).export(user_id)
    async with open_backbone(tenancy_app.NAME, stage.system.settings(tenancy_app.APP)) as backbone:
        directory = AuthDirectory(backbone.channels["auth"])
        members = MemberService(backbone.database, backbone.grant_changes, directory)
        held = tenancy_personal_data.PersonalDataService(backbone.database, members)
        assert (await held.export(user_id))["audit_events"]


async def _erase_a_member(stage: Stage, tenant: Tenant) -> None:
    """Let auth say that somebody is no more."""
    registry = Registry(stage.system, stage.callers, stage.admin)
    member = await registry.join(tenant.org_id, Role.MEMBER)
    erased = UserErased(user_id=str(member.user_id))
    await stage.admin.execute(
        "INSERT INTO auth.outbox (id, type, user_id, event_time, payload)"
        " VALUES (%s, %s, %s, now(), %s)",
        [uuid7(), UserErased.DESCRIPTOR.full_name, member.user_id, erased.SerializeToString()],
    )
    gone = "SELECT NOT EXISTS (SELECT FROM tenancy.memberships WHERE user_id = %s)"
    await stage.until(lambda: stage.scalar(gone, member.user_id))


async def _use_members(stage: Stage, tenant: Tenant) -> None:
    """Change and remove a member; the last owner stays one."""
    members, org_id = MemberServiceStub(stage.tenancy), str(tenant.org_id)
    registry = Registry(stage.system, stage.callers, stage.admin)
    member = await registry.join(tenant.org_id, Role.MEMBER)
    named = {"org_id": org_id, "user_id": str(member.user_id)}
    await _pages(members.ListMembers, ListMembersRequest, tenant, org_id=org_id)
    await members.CheckMemberships(CheckMembershipsRequest(keys=[MembershipKey(**named)]))
    await members.UpdateMember(
        UpdateMemberRequest(**named, role=ROLE_ADMIN), metadata=tenant.metadata
    )
    await members.RemoveMember(RemoveMemberRequest(**named), metadata=tenant.metadata)
    last = {"org_id": org_id, "user_id": str(tenant.owner.user_id)}
    lowered = UpdateMemberRequest(**last, role=ROLE_VIEWER)
    with pytest.raises(PeerError) as refused:
        await members.UpdateMember(lowered, metadata=tenant.metadata)
    assert refused.value.reason == "last_owner"


async def _use_keys(stage: Stage, tenant: Tenant) -> None:
    """Make keys, one of them long over; use, rotate and revoke one."""
    keys = KeysClient(stage.auth, tenant)
    over = await keys.create()
    await stage.admin.execute(
        "UPDATE auth.api_keys SET expire_time = now() - interval '1 year' WHERE id = %s", [over.id]
    )
    key, _ = await keys.create(), await keys.create()
    page = await keys.list(page_size=PAGE)
    await keys.list(page_size=PAGE, page_token=page.next_page_token)
    await stage.admin.execute(
        "UPDATE auth.api_key_secrets SET index_key = 'older' WHERE key_id = %s", [key.id]
    )
    await keys.exchange(key.secret)
    await SessionServiceStub(stage.auth).CheckSessions(CheckSessionsRequest(ids=[key.id]))
    await keys.rotate(key)
    await keys.revoke(key.id)

"""All that an organization does with tenancy, reports and its API keys: every statement on what is
a tenant's is run.
"""

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.auth.tests.api_keys.keys_client import KeysClient
from services.tenancy.tests.audit_streams.receiver import receiving
from tenon.auth.v1.events_pb2 import UserErased
from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.tenancy.v1.audit_checkpoint_service_pb2 import (
    CreateAuditCheckpointRequest,
    ListAuditCheckpointsRequest,
)
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceStub
from tenon.tenancy.v1.audit_event_service_pb2 import ListAuditEventsRequest
from tenon.tenancy.v1.audit_event_service_pb2_grpc import AuditEventServiceStub
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
from tenon_core import clock
from tenon_core.ids import first_id, uuid7
from tenon_policy.policies import Role
from tenon_reports import app as reports_app
from tenon_reports.personal_data import service as reports_personal_data
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.status import PeerError
from tenon_tenancy import app as tenancy_app
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Access
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_retention.service import AuditRetentionService
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.personal_data import service as tenancy_personal_data
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Tenant
from tests.isolation.scenario_reports import use_reports
from tests.isolation.shadows import pair
from tests.isolation.stage import PAGE, Stage, pages
from tests.isolation.worlds import Registry


async def use_everything(stage: Stage) -> None:
    """Found an organization with a shadow, and use it for all that there is."""
    tenant = await _founded(stage)
    await use_reports(stage, tenant)
    async with AsyncExitStack() as stack:
        await stage.working(stack)
        await _use_the_log(stage, tenant)
        await _stream_the_log(stage, tenant)
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
    await pages(organizations.ListOrganizations, ListOrganizationsRequest, tenant)
    return tenant


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
    await _verify_the_log(stage, tenant)


async def _verify_the_log(stage: Stage, tenant: Tenant) -> None:
    """Look at all logs that there are, and at this one line by line."""
    settings = stage.system.settings(tenancy_app.APP)
    async with open_backbone(tenancy_app.APP.name, settings) as backbone:
        database = backbone.database
        kept = tenancy_app.checkpoints_of(backbone, AuditEventService(database))
        logs = AuditVerificationService(database, kept)
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
    database, audit_events = backbone.database, AuditEventService(backbone.database)
    kept = tenancy_app.checkpoints_of(backbone, audit_events)
    for _ in range(2):
        line = Access(uuid7(), "action", "users/me", "", None, "", 1, clock.now())
        async with database.tenant(key.owner_id) as tx:
            await audit_events.record(tx, [line])
        await kept.cover(key)
    retention = AuditRetentionService(database, audit_events, kept, personal_days=0)
    assert key not in [limited async for limited in retention.limited()]
    await retention.remove_old(key)
    await retention.remove(key, clock.now())


async def _stream_the_log(stage: Stage, tenant: Tenant) -> None:
    """Send the log to a webhook, which does not take it at first."""
    org_id, streams = str(tenant.org_id), AuditStreamServiceStub(stage.tenancy)
    async with receiving(stage.system.receiver_port) as receiver:
        receiver.statuses["/log"] = 500
        request = CreateAuditStreamRequest(
            org_id=org_id, webhook=AuditWebhook(url=receiver.url("/log"))
        )
        made = [await streams.CreateAuditStream(request, metadata=tenant.metadata) for _ in "ab"]
        named = {"org_id": org_id, "stream_id": made[0].stream.id}
        await stage.admin.execute(
            "INSERT INTO tenancy.audit_deliveries"
            " VALUES (%s, %s, %s, 0, 0, 'delivered', 1, '', now(), now())",
            [tenant.org_id, named["stream_id"], first_id(clock.now() - timedelta(days=99))],
        )
        await _until(stage, "last_error <> ''", tenant)
        receiver.statuses.clear()
        for _ in range(2):
            mask = FieldMask(paths=["description"])
            changed = UpdateAuditStreamRequest(
                org_id=org_id, stream_id=named["stream_id"], description="SIEM", update_mask=mask
            )
            await streams.UpdateAuditStream(changed, metadata=tenant.metadata)
            await _until(stage, "last_error = '' AND position > 0", tenant)
            delivered = "SELECT count(*) FROM tenancy.audit_deliveries WHERE org_id = %s"
            before = await stage.scalar(delivered, tenant.org_id)
            await streams.TestAuditStream(TestAuditStreamRequest(**named), metadata=tenant.metadata)
            more = f"{delivered} HAVING count(*) > %s"
            await stage.until(partial(stage.scalar, more, tenant.org_id, before))
        await pages(streams.ListAuditStreams, ListAuditStreamsRequest, tenant, org_id=org_id)
        await pages(streams.ListAuditDeliveries, ListAuditDeliveriesRequest, tenant, **named)
        for reply in made:
            gone = DeleteAuditStreamRequest(org_id=org_id, stream_id=reply.stream.id)
            await streams.DeleteAuditStream(gone, metadata=tenant.metadata)
    await stage.admin.execute("DELETE FROM tenancy.audit_streams")  # the shadow's


async def _until(stage: Stage, condition: str, tenant: Tenant) -> None:
    """Wait until a stream of a tenant is as a condition says."""
    found = f"SELECT count(*) FROM tenancy.audit_streams WHERE org_id = %s AND {condition}"  # noqa: S608 # our own words
    await stage.until(partial(stage.scalar, found, tenant.org_id))


async def _export_the_owner(stage: Stage, tenant: Tenant) -> None:
    """Let each service say what it holds of somebody, as it does when auth asks."""
    user_id = tenant.owner.user_id
    settings = stage.system.settings(reports_app.APP)
    async with open_backbone(reports_app.NAME, settings) as reports:
        await reports_personal_data.PersonalDataService(reports.database).export(user_id)
    async with open_backbone(
        tenancy_app.APP.name, stage.system.settings(tenancy_app.APP)
    ) as backbone:
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
    await pages(members.ListMembers, ListMembersRequest, tenant, org_id=org_id)
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

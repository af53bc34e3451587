"""All that an organization does with tenancy, reports and its API keys: every statement on what is
a tenant's is run.
"""

from contextlib import AsyncExitStack
from uuid import UUID

from services.auth.tests.api_keys.keys_client import KeysClient
from services.tenancy.tests.policies.policies_client import PoliciesClient
from tenon.auth.v1.events_pb2 import UserErased
from tenon.auth.v1.session_service_pb2 import CheckSessionsRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    GetOrganizationRequest,
    ListOrganizationsRequest,
    UpdateOrganizationRequest,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_auth import app as auth_app
from tenon_auth.api_keys.ending import ApiKeyEnding
from tenon_core.ids import uuid7
from tenon_policy.policies import Role
from tenon_reports import app as reports_app
from tenon_reports.personal_data import service as reports_personal_data
from tenon_rpc.backbone import open_backbone
from tenon_tenancy import app as tenancy_app
from tenon_tenancy.clients import AuthAuditClients, AuthDirectory
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.personal_data import service as tenancy_personal_data
from tenon_testing.callers import Tenant
from tests.isolation.scenario_deletion import delete_organization
from tests.isolation.scenario_logs import stream_the_log, use_the_log
from tests.isolation.scenario_members import hand_over, use_invitations, use_members
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
        await use_the_log(stage, tenant)
        await stream_the_log(stage, tenant)
        await _export_the_owner(stage, tenant)
        await _erase_a_member(stage, tenant)
    await _use_keys(stage, tenant)
    await use_invitations(stage, tenant)
    await hand_over(stage, tenant)
    await use_members(stage, tenant)
    await _use_policies(stage, tenant)
    await delete_organization(stage, tenant)


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


async def _use_policies(stage: Stage, tenant: Tenant) -> None:
    """Rename the organization, and change what it demands."""
    renamed = UpdateOrganizationRequest(org_id=str(tenant.org_id), name="Emca", slug=f"s-{uuid7()}")
    renamed.update_mask.paths[:] = ["name", "slug"]
    organizations = OrganizationServiceStub(stage.tenancy)
    await organizations.UpdateOrganization(renamed, metadata=tenant.metadata)
    policies = PoliciesClient(stage.tenancy, tenant)
    await policies.update(session_hours=8)
    await policies.get()
    await policies.check()


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
        members = MemberService(
            backbone.database,
            backbone.grant_changes,
            directory,
            backbone.settings.owned_organizations_per_user,
        )
        held = tenancy_personal_data.PersonalDataService(
            backbone.database, members, AuthAuditClients(backbone.channels["auth"])
        )
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


async def _use_keys(stage: Stage, tenant: Tenant) -> None:
    """Make keys, one of them long over; use, rotate and revoke one."""
    keys = KeysClient(stage.auth, tenant)
    over = await keys.create()
    await stage.admin.execute(
        "UPDATE auth.api_keys SET expire_time = now() - interval '1 year' WHERE id = %s", [over.id]
    )
    key, _, _ = [await keys.create() for _ in range(3)]
    page = await keys.list(page_size=PAGE)
    await keys.list(page_size=PAGE, page_token=page.next_page_token)
    await stage.admin.execute(
        "UPDATE auth.api_key_secrets SET index_key = 'older' WHERE key_id = %s", [key.id]
    )
    await keys.exchange(key.secret)
    await SessionServiceStub(stage.auth).CheckSessions(CheckSessionsRequest(ids=[key.id]))
    await keys.rotate(key)
    await keys.revoke(key.id)
    await _revoke_keys_of(stage, tenant)


async def _revoke_keys_of(stage: Stage, tenant: Tenant) -> None:
    """Revoke what the owner created, as auth does when tenancy says that somebody went."""
    settings = stage.system.settings(auth_app.APP, process="auth-worker")
    async with (
        open_backbone(auth_app.APP.name, settings) as backbone,
        backbone.database.tenant(tenant.org_id) as tx,
    ):
        await ApiKeyEnding(backbone.grant_changes).end_of(tx, tenant.owner.user_id)

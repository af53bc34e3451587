"""Names of organizations, which invitations carry to strangers."""

import grpc
import pytest

from tenon.tenancy.v1.audit_stream_service_pb2 import CreateAuditStreamRequest
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import AuditStreamServiceStub
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    UpdateOrganizationRequest,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_rpc.status import PeerError
from tenon_testing.callers import Callers, Tenant
from tenon_testing.names import INVALID, VALID

BAD = {why: name for why, name in INVALID.items() if "much" not in why}


@pytest.fixture(scope="module")
async def tenant(callers: Callers) -> Tenant:
    return await callers.tenant()


@pytest.mark.parametrize(
    "text", ["https://evil.example", "a\u202eb", "a\u200bb", "a\nb", "x" * 201]
)
async def test_no_audit_stream_has_a_bad_description(
    tenancy: grpc.aio.Channel, tenant: Tenant, text: str
) -> None:
    request = CreateAuditStreamRequest(org_id=str(tenant.org_id), description=text)
    request.webhook.url = "https://audit.example"
    with pytest.raises(PeerError) as refused:
        await AuditStreamServiceStub(tenancy).CreateAuditStream(request, metadata=tenant.metadata)
    assert "/description" in wrong_fields(refused.value)


def wrong_fields(refused: PeerError) -> list[str]:
    return [field.pointer for field in refused.fields]


@pytest.mark.parametrize("name", VALID, ids=ascii)
async def test_an_organization_may_have_a_name(
    tenancy: grpc.aio.Channel, tenant: Tenant, name: str
) -> None:
    request = UpdateOrganizationRequest(org_id=str(tenant.org_id), name=name)
    request.update_mask.paths[:] = ["name"]
    stub = OrganizationServiceStub(tenancy)
    reply = await stub.UpdateOrganization(request, metadata=tenant.metadata)
    assert reply.organization.name == name


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
async def test_no_organization_has_a_bad_name(
    tenancy: grpc.aio.Channel, tenant: Tenant, name: str
) -> None:
    stub = OrganizationServiceStub(tenancy)
    update = UpdateOrganizationRequest(org_id=str(tenant.org_id), name=name)
    update.update_mask.paths[:] = ["name"]
    for asked in (
        stub.CreateOrganization(CreateOrganizationRequest(name=name), metadata=tenant.metadata),
        stub.UpdateOrganization(update, metadata=tenant.metadata),
    ):
        with pytest.raises(PeerError) as refused:
            await asked
        assert wrong_fields(refused.value) == ["/name"]

from tenon.tenancy.v1 import organization_pb2, role_pb2
from tenon.tenancy.v1.organization_service_pb2 import (
    CreateOrganizationRequest,
    CreateOrganizationResponse,
    GetOrganizationNoticeRequest,
    GetOrganizationNoticeResponse,
    GetOrganizationRequest,
    GetOrganizationResponse,
    ListOrganizationsRequest,
    ListOrganizationsResponse,
    UpdateOrganizationRequest,
    UpdateOrganizationResponse,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceServicer
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.organizations.models import Organization
from tenon_tenancy.organizations.service import OrganizationService


class OrganizationServicer(OrganizationServiceServicer):
    def __init__(self, organizations: OrganizationService) -> None:
        self._organizations = organizations

    async def CreateOrganization(
        self, request: CreateOrganizationRequest, context: object
    ) -> CreateOrganizationResponse:
        organization = await self._organizations.create(current_call(), request.name, request.slug)
        return CreateOrganizationResponse(organization=_packed(organization))

    async def ListOrganizations(
        self, request: ListOrganizationsRequest, context: object
    ) -> ListOrganizationsResponse:
        page = await self._organizations.list(current_call(), request.page_size, request.page_token)
        return ListOrganizationsResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def GetOrganization(
        self, request: GetOrganizationRequest, context: object
    ) -> GetOrganizationResponse:
        organization = await self._organizations.get(current_call())
        return GetOrganizationResponse(organization=_packed(organization))

    async def UpdateOrganization(
        self, request: UpdateOrganizationRequest, context: object
    ) -> UpdateOrganizationResponse:
        given = {"name": request.name, "slug": request.slug}
        changes = {path: given.get(path, "") for path in request.update_mask.paths}
        organization = await self._organizations.update(current_call(), changes)
        return UpdateOrganizationResponse(organization=_packed(organization))

    async def GetOrganizationNotice(
        self, request: GetOrganizationNoticeRequest, context: object
    ) -> GetOrganizationNoticeResponse:
        name, owner_ids = await self._organizations.get_notice(parse_id(request.org_id))
        return GetOrganizationNoticeResponse(name=name, owner_ids=map(str, owner_ids))


def _packed(organization: Organization) -> organization_pb2.Organization:
    return organization_pb2.Organization(
        id=str(organization.id),
        name=organization.name,
        slug=organization.slug,
        role=role_pb2.Role.ValueType(organization.role),
        create_time=packed_time(organization.create_time),
        delete_time=packed_time(organization.delete_time),
    )

"""The caller's organizations, and exports of audit logs."""

from typing import Any

from tenon.tenancy.v1.audit_export_service_pb2 import GetAuditExportFilesRequest
from tenon.tenancy.v1.organization_pb2 import Organization
from tenon.tenancy.v1.organization_service_pb2 import ListOrganizationsRequest
from tenon_gateway.clients.rpcs import GET_AUDIT_EXPORT_FILES, LIST_ORGANIZATIONS, Caller
from tenon_gateway.transcoding.encoders import Encoders
from tenon_gateway.transcoding.stubs import Headers

MAX_PAGE = 100


class TenancyClient:
    def __init__(self, caller: Caller, encoders: Encoders) -> None:
        self._caller = caller
        self._organization = encoders.message(Organization.DESCRIPTOR)

    async def organizations(self, metadata: Headers) -> list[dict[str, Any]]:
        """Return all of them, oldest membership first."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            request = ListOrganizationsRequest(page_size=MAX_PAGE, page_token=token)
            page = await self._caller.call(LIST_ORGANIZATIONS, request, metadata)
            found += (self._organization(item) for item in page.items)
            token = page.next_page_token
            if not token:
                return found

    async def audit_export_urls(
        self, org_id: str, export_id: str, metadata: Headers
    ) -> tuple[str, str]:
        """Return where the log is, and where its checkpoints are."""
        request = GetAuditExportFilesRequest(org_id=org_id, audit_export_id=export_id)
        reply = await self._caller.call(GET_AUDIT_EXPORT_FILES, request, metadata)
        return reply.log_url, reply.checkpoints_url

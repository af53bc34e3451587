from collections.abc import Sequence

from tenon.tenancy.v1 import organization_deletion_pb2
from tenon.tenancy.v1.organization_deletion_service_pb2 import (
    DeleteOrganizationRequest,
    DeleteOrganizationResponse,
    GetOrganizationDeletionNoticeRequest,
    GetOrganizationDeletionNoticeResponse,
    GetOrganizationDeletionRequest,
    GetOrganizationDeletionResponse,
    UndeleteOrganizationRequest,
    UndeleteOrganizationResponse,
)
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import (
    OrganizationDeletionServiceServicer,
)
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.organization_deletions.models import OrganizationDeletion, Receipt
from tenon_tenancy.organization_deletions.service import OrganizationDeletionService


class OrganizationDeletionServicer(OrganizationDeletionServiceServicer):
    def __init__(self, deletions: OrganizationDeletionService) -> None:
        self._deletions = deletions

    async def DeleteOrganization(
        self, request: DeleteOrganizationRequest, context: object
    ) -> DeleteOrganizationResponse:
        deletion = await self._deletions.schedule(current_call())
        return DeleteOrganizationResponse(deletion=_packed(deletion))

    async def UndeleteOrganization(
        self, request: UndeleteOrganizationRequest, context: object
    ) -> UndeleteOrganizationResponse:
        await self._deletions.undo(current_call())
        return UndeleteOrganizationResponse()

    async def GetOrganizationDeletion(
        self, request: GetOrganizationDeletionRequest, context: object
    ) -> GetOrganizationDeletionResponse:
        found = await self._deletions.get(current_call(), parse_id(request.deletion_id))
        return GetOrganizationDeletionResponse(deletion=_packed(*found))

    async def GetOrganizationDeletionNotice(
        self, request: GetOrganizationDeletionNoticeRequest, context: object
    ) -> GetOrganizationDeletionNoticeResponse:
        deletion, receipts, name = await self._deletions.notice(parse_id(request.deletion_id))
        return GetOrganizationDeletionNoticeResponse(
            deletion=_packed(deletion, receipts), name=name
        )


def _packed(
    deletion: OrganizationDeletion, receipts: Sequence[Receipt] = ()
) -> organization_deletion_pb2.OrganizationDeletion:
    return organization_deletion_pb2.OrganizationDeletion(
        id=str(deletion.id),
        org_id=str(deletion.org_id),
        user_id=str(deletion.user_id),
        request_time=packed_time(deletion.request_time),
        delete_time=packed_time(deletion.delete_time),
        end_time=packed_time(deletion.end_time),
        finish_time=packed_time(deletion.finish_time),
        receipts=map(_packed_receipt, receipts),
    )


def _packed_receipt(receipt: Receipt) -> organization_deletion_pb2.OrganizationErasureReceipt:
    return organization_deletion_pb2.OrganizationErasureReceipt(
        service=receipt.service,
        keys=receipt.keys,
        rows=receipt.rows,
        files=receipt.files,
        erase_time=packed_time(receipt.erase_time),
    )

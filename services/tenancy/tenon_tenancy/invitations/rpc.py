from tenon.tenancy.v1 import invitation_pb2, role_pb2
from tenon.tenancy.v1.invitation_service_pb2 import (
    AcceptInvitationRequest,
    AcceptInvitationResponse,
    CheckInvitationRequest,
    CheckInvitationResponse,
    CreateInvitationRequest,
    CreateInvitationResponse,
    GetInvitationNoticeRequest,
    GetInvitationNoticeResponse,
    ListInvitationsRequest,
    ListInvitationsResponse,
    PreviewInvitationRequest,
    PreviewInvitationResponse,
    ResendInvitationRequest,
    ResendInvitationResponse,
    RevokeInvitationRequest,
    RevokeInvitationResponse,
)
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceServicer
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.invitations.models import Invitation, Preview
from tenon_tenancy.invitations.service import InvitationService
from tenon_tenancy.members.models import read_role


class InvitationServicer(InvitationServiceServicer):
    def __init__(self, invitations: InvitationService) -> None:
        self._invitations = invitations

    async def ListInvitations(
        self, request: ListInvitationsRequest, context: object
    ) -> ListInvitationsResponse:
        page = await self._invitations.list(current_call(), request.page_size, request.page_token)
        return ListInvitationsResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def CreateInvitation(
        self, request: CreateInvitationRequest, context: object
    ) -> CreateInvitationResponse:
        invitation = await self._invitations.create(
            current_call(), request.email, read_role(request.role)
        )
        return CreateInvitationResponse(invitation=_packed(invitation))

    async def ResendInvitation(
        self, request: ResendInvitationRequest, context: object
    ) -> ResendInvitationResponse:
        invitation = await self._invitations.resend(current_call(), parse_id(request.invitation_id))
        return ResendInvitationResponse(invitation=_packed(invitation))

    async def RevokeInvitation(
        self, request: RevokeInvitationRequest, context: object
    ) -> RevokeInvitationResponse:
        await self._invitations.revoke(current_call(), parse_id(request.invitation_id))
        return RevokeInvitationResponse()

    async def PreviewInvitation(
        self, request: PreviewInvitationRequest, context: object
    ) -> PreviewInvitationResponse:
        preview = await self._invitations.preview(current_call(), request.token)
        return PreviewInvitationResponse(invitation=_packed_preview(preview))

    async def AcceptInvitation(
        self, request: AcceptInvitationRequest, context: object
    ) -> AcceptInvitationResponse:
        invitation = await self._invitations.accept(current_call(), request.token)
        role = role_pb2.Role.ValueType(invitation.role)
        return AcceptInvitationResponse(org_id=str(invitation.org_id), role=role)

    async def CheckInvitation(
        self, request: CheckInvitationRequest, context: object
    ) -> CheckInvitationResponse:
        await self._invitations.check(request.token, request.email)
        return CheckInvitationResponse()

    async def GetInvitationNotice(
        self, request: GetInvitationNoticeRequest, context: object
    ) -> GetInvitationNoticeResponse:
        token, preview = await self._invitations.get_notice(
            parse_id(request.org_id), parse_id(request.link_id)
        )
        return GetInvitationNoticeResponse(token=token, invitation=_packed_preview(preview))


def _packed(invitation: Invitation) -> invitation_pb2.Invitation:
    return invitation_pb2.Invitation(
        id=str(invitation.id),
        email=invitation.email,
        role=role_pb2.Role.ValueType(invitation.role),
        inviter_id=str(invitation.inviter_id),
        create_time=packed_time(invitation.create_time),
        expire_time=packed_time(invitation.expire_time),
    )


def _packed_preview(preview: Preview) -> invitation_pb2.InvitationPreview:
    return invitation_pb2.InvitationPreview(
        organization_name=preview.organization_name,
        email=preview.email,
        role=role_pb2.Role.ValueType(preview.role),
        expire_time=packed_time(preview.expire_time),
    )

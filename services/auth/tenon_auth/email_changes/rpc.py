from tenon.auth.v1.email_change_service_pb2 import (
    ConfirmEmailChangeRequest,
    ConfirmEmailChangeResponse,
    GetEmailChangeNoticeRequest,
    GetEmailChangeNoticeResponse,
    RequestEmailChangeRequest,
    RequestEmailChangeResponse,
    UndoEmailChangeRequest,
    UndoEmailChangeResponse,
)
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceServicer
from tenon_auth.email_changes.service import EmailChangeService
from tenon_auth.sessions.packing import packed_user
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call


class EmailChangeServicer(EmailChangeServiceServicer):
    def __init__(self, email_changes: EmailChangeService) -> None:
        self._email_changes = email_changes

    async def RequestEmailChange(
        self, request: RequestEmailChangeRequest, context: object
    ) -> RequestEmailChangeResponse:
        await self._email_changes.request(current_call(), request.email)
        return RequestEmailChangeResponse()

    async def ConfirmEmailChange(
        self, request: ConfirmEmailChangeRequest, context: object
    ) -> ConfirmEmailChangeResponse:
        user = await self._email_changes.confirm(current_call(), request.token)
        return ConfirmEmailChangeResponse(user=packed_user(user))

    async def UndoEmailChange(
        self, request: UndoEmailChangeRequest, context: object
    ) -> UndoEmailChangeResponse:
        await self._email_changes.undo(current_call(), request.token)
        return UndoEmailChangeResponse()

    async def GetEmailChangeNotice(
        self, request: GetEmailChangeNoticeRequest, context: object
    ) -> GetEmailChangeNoticeResponse:
        email = await self._email_changes.get_recipient(
            parse_id(request.user_id), parse_id(request.link_id)
        )
        return GetEmailChangeNoticeResponse(email=email)

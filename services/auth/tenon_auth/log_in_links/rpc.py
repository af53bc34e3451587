from tenon.auth.v1.log_in_link_service_pb2 import (
    LogInWithLinkRequest,
    LogInWithLinkResponse,
    RequestLogInLinkRequest,
    RequestLogInLinkResponse,
)
from tenon.auth.v1.log_in_link_service_pb2_grpc import LogInLinkServiceServicer
from tenon_auth.log_in_links.service import LogInLinkService
from tenon_auth.sessions.models import SecondStep
from tenon_auth.sessions.packing import (
    packed_session,
    packed_tokens,
    packed_user,
    read_device,
    step_fields,
)
from tenon_rpc.guard import current_call


class LogInLinkServicer(LogInLinkServiceServicer):
    def __init__(self, log_in_links: LogInLinkService) -> None:
        self._log_in_links = log_in_links

    async def RequestLogInLink(
        self, request: RequestLogInLinkRequest, context: object
    ) -> RequestLogInLinkResponse:
        await self._log_in_links.request(request.email)
        return RequestLogInLinkResponse()

    async def LogInWithLink(
        self, request: LogInWithLinkRequest, context: object
    ) -> LogInWithLinkResponse:
        log_in = await self._log_in_links.log_in(
            current_call(), request.token, read_device(request.device)
        )
        if isinstance(log_in, SecondStep):
            return LogInWithLinkResponse(**step_fields(log_in))
        return LogInWithLinkResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

from tenon.auth.v1.session_service_pb2 import (
    CheckSessionsRequest,
    CheckSessionsResponse,
    GetSessionNoticeRequest,
    GetSessionNoticeResponse,
    GetSessionRequest,
    GetSessionResponse,
    ListSessionsRequest,
    ListSessionsResponse,
    LogInRequest,
    LogInResponse,
    LogOutRequest,
    LogOutResponse,
    RefreshSessionRequest,
    RefreshSessionResponse,
    RevokeOtherSessionsRequest,
    RevokeOtherSessionsResponse,
    RevokeSessionRequest,
    RevokeSessionResponse,
)
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceServicer
from tenon_auth.api_keys.service import ApiKeyService
from tenon_auth.sessions.log_outs import LogOutService
from tenon_auth.sessions.models import SecondStep
from tenon_auth.sessions.packing import (
    packed_session,
    packed_tokens,
    packed_user,
    read_device,
    step_fields,
)
from tenon_auth.sessions.service import SessionService
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call


class SessionServicer(SessionServiceServicer):
    def __init__(
        self, sessions: SessionService, log_outs: LogOutService, api_keys: ApiKeyService
    ) -> None:
        self._sessions = sessions
        self._log_outs = log_outs
        self._api_keys = api_keys

    async def LogIn(self, request: LogInRequest, context: object) -> LogInResponse:
        log_in = await self._sessions.log_in(
            current_call(), request.email, request.password, read_device(request.device)
        )
        if isinstance(log_in, SecondStep):
            return LogInResponse(**step_fields(log_in))
        return LogInResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

    async def RefreshSession(
        self, request: RefreshSessionRequest, context: object
    ) -> RefreshSessionResponse:
        log_in = await self._sessions.refresh(current_call(), request.refresh_token)
        return RefreshSessionResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

    async def LogOut(self, request: LogOutRequest, context: object) -> LogOutResponse:
        await self._log_outs.log_out(current_call(), request.refresh_token, request.access_token)
        return LogOutResponse()

    async def GetSession(self, request: GetSessionRequest, context: object) -> GetSessionResponse:
        user, session = await self._sessions.get(current_call())
        return GetSessionResponse(
            user=packed_user(user), session=packed_session(session, session.id)
        )

    async def ListSessions(
        self, request: ListSessionsRequest, context: object
    ) -> ListSessionsResponse:
        call = current_call()
        page = await self._sessions.list(call, request.page_size, request.page_token)
        return ListSessionsResponse(
            items=[packed_session(session, call.session_id) for session in page.items],
            next_page_token=page.next_page_token,
        )

    async def RevokeSession(
        self, request: RevokeSessionRequest, context: object
    ) -> RevokeSessionResponse:
        await self._sessions.revoke(current_call(), parse_id(request.session_id))
        return RevokeSessionResponse()

    async def RevokeOtherSessions(
        self, request: RevokeOtherSessionsRequest, context: object
    ) -> RevokeOtherSessionsResponse:
        await self._sessions.revoke_others(current_call())
        return RevokeOtherSessionsResponse()

    async def GetSessionNotice(
        self, request: GetSessionNoticeRequest, context: object
    ) -> GetSessionNoticeResponse:
        session = await self._sessions.get_notice(
            parse_id(request.user_id), parse_id(request.session_id)
        )
        return GetSessionNoticeResponse(session=packed_session(session, None))

    async def CheckSessions(
        self, request: CheckSessionsRequest, context: object
    ) -> CheckSessionsResponse:
        ids = [session_id for text in request.ids if (session_id := parse_id(text))]
        live = await self._sessions.find_live(ids)
        if others := set(ids).difference(live):
            live = [*live, *await self._api_keys.find_live(list(others))]
        return CheckSessionsResponse(live_ids=map(str, live))

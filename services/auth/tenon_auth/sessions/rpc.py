from tenon.auth.v1.session_service_pb2 import (
    CheckSessionsRequest,
    CheckSessionsResponse,
    GetSessionRequest,
    GetSessionResponse,
    LogInRequest,
    LogInResponse,
    LogOutRequest,
    LogOutResponse,
    RefreshSessionRequest,
    RefreshSessionResponse,
)
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceServicer
from tenon_auth.sessions.packing import packed_session, packed_tokens, packed_user
from tenon_auth.sessions.service import SessionService
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call


class SessionServicer(SessionServiceServicer):
    def __init__(self, sessions: SessionService) -> None:
        self._sessions = sessions

    async def LogIn(self, request: LogInRequest, context: object) -> LogInResponse:
        log_in = await self._sessions.log_in(current_call(), request.email, request.password)
        return LogInResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session),
            tokens=packed_tokens(log_in.tokens),
        )

    async def RefreshSession(
        self, request: RefreshSessionRequest, context: object
    ) -> RefreshSessionResponse:
        log_in = await self._sessions.refresh(current_call(), request.refresh_token)
        return RefreshSessionResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session),
            tokens=packed_tokens(log_in.tokens),
        )

    async def LogOut(self, request: LogOutRequest, context: object) -> LogOutResponse:
        await self._sessions.log_out(current_call(), request.refresh_token)
        return LogOutResponse()

    async def GetSession(self, request: GetSessionRequest, context: object) -> GetSessionResponse:
        user, session = await self._sessions.get(current_call())
        return GetSessionResponse(user=packed_user(user), session=packed_session(session))

    async def CheckSessions(
        self, request: CheckSessionsRequest, context: object
    ) -> CheckSessionsResponse:
        ids = [session_id for text in request.ids if (session_id := parse_id(text))]
        live = await self._sessions.find_live(ids)
        return CheckSessionsResponse(live_ids=map(str, live))

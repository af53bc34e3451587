from tenon.auth.v1 import identity_pb2
from tenon.auth.v1.identity_service_pb2 import (
    ConnectIdentityRequest,
    ConnectIdentityResponse,
    DisconnectIdentityRequest,
    DisconnectIdentityResponse,
    FinishProviderLogInRequest,
    FinishProviderLogInResponse,
    ListIdentitiesRequest,
    ListIdentitiesResponse,
    ListProvidersRequest,
    ListProvidersResponse,
    StartProviderLogInRequest,
    StartProviderLogInResponse,
)
from tenon.auth.v1.identity_service_pb2_grpc import IdentityServiceServicer
from tenon_auth.identities.models import Shown
from tenon_auth.identities.service import IdentityService
from tenon_auth.providers.models import Answer
from tenon_auth.sessions.models import SecondStep
from tenon_auth.sessions.packing import (
    packed_session,
    packed_tokens,
    packed_user,
    read_device,
    step_fields,
)
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class IdentityServicer(IdentityServiceServicer):
    def __init__(self, identities: IdentityService) -> None:
        self._identities = identities

    async def ListProviders(
        self, request: ListProvidersRequest, context: object
    ) -> ListProvidersResponse:
        found = self._identities.providers()
        items = [identity_pb2.Provider(name=one.name, title=one.title) for one in found]
        return ListProvidersResponse(items=items)

    async def StartProviderLogIn(
        self, request: StartProviderLogInRequest, context: object
    ) -> StartProviderLogInResponse:
        begun = await self._identities.start(request.provider, request.return_to)
        return StartProviderLogInResponse(
            url=begun.url, flow_token=begun.flow_token, expire_time=packed_time(begun.expire_time)
        )

    async def ConnectIdentity(
        self, request: ConnectIdentityRequest, context: object
    ) -> ConnectIdentityResponse:
        begun = await self._identities.start_connecting(
            current_call(), request.provider, request.return_to
        )
        return ConnectIdentityResponse(
            url=begun.url, flow_token=begun.flow_token, expire_time=packed_time(begun.expire_time)
        )

    async def FinishProviderLogIn(
        self, request: FinishProviderLogInRequest, context: object
    ) -> FinishProviderLogInResponse:
        finished = await self._identities.finish(
            current_call(), _answer(request), read_device(request.device)
        )
        log_in = finished.log_in
        if log_in is None:
            return FinishProviderLogInResponse(return_to=finished.return_to)
        if isinstance(log_in, SecondStep):
            return FinishProviderLogInResponse(**step_fields(log_in), return_to=finished.return_to)
        return FinishProviderLogInResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
            return_to=finished.return_to,
        )

    async def ListIdentities(
        self, request: ListIdentitiesRequest, context: object
    ) -> ListIdentitiesResponse:
        found = await self._identities.list(current_call())
        return ListIdentitiesResponse(items=map(_packed, found))

    async def DisconnectIdentity(
        self, request: DisconnectIdentityRequest, context: object
    ) -> DisconnectIdentityResponse:
        await self._identities.disconnect(current_call(), parse_id(request.identity_id))
        return DisconnectIdentityResponse()


def _packed(shown: Shown) -> identity_pb2.Identity:
    return identity_pb2.Identity(
        id=str(shown.identity.id),
        provider=shown.provider,
        title=shown.title,
        email=shown.identity.email or "",
        create_time=packed_time(shown.identity.create_time),
    )


def _answer(request: FinishProviderLogInRequest) -> Answer:
    return Answer(
        provider=request.provider,
        flow_token=request.flow_token,
        state=request.state,
        code=request.code,
        iss=request.iss,
        error=request.error,
    )

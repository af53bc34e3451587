from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from tenon.auth.v1.log_in_service_pb2 import (
    ConfirmSessionRequest,
    ConfirmSessionResponse,
    LogInWithPasskeyRequest,
    LogInWithPasskeyResponse,
    LogInWithSecondFactorRequest,
    LogInWithSecondFactorResponse,
    StartConfirmationRequest,
    StartConfirmationResponse,
    StartPasskeyLogInRequest,
    StartPasskeyLogInResponse,
    StartSecondFactorRequest,
    StartSecondFactorResponse,
)
from tenon.auth.v1.log_in_service_pb2_grpc import LogInServiceServicer
from tenon_auth.log_ins.service import Json, LogInService, Password
from tenon_auth.second_factors.models import Code, PasskeyAnswer, Proof, RecoveryCode
from tenon_auth.sessions.packing import packed_session, packed_tokens, packed_user, read_device
from tenon_rpc.guard import current_call


class LogInServicer(LogInServiceServicer):
    def __init__(self, log_ins: LogInService) -> None:
        self._log_ins = log_ins

    async def StartSecondFactor(
        self, request: StartSecondFactorRequest, context: object
    ) -> StartSecondFactorResponse:
        options = await self._log_ins.start_second_factor(request.mfa_token)
        return StartSecondFactorResponse(options=_packed(options))

    async def LogInWithSecondFactor(
        self, request: LogInWithSecondFactorRequest, context: object
    ) -> LogInWithSecondFactorResponse:
        log_in = await self._log_ins.finish(
            current_call(), request.mfa_token, _second_factor(request), read_device(request.device)
        )
        return LogInWithSecondFactorResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

    async def StartPasskeyLogIn(
        self, request: StartPasskeyLogInRequest, context: object
    ) -> StartPasskeyLogInResponse:
        return StartPasskeyLogInResponse(options=_packed(await self._log_ins.start_passkey()))

    async def LogInWithPasskey(
        self, request: LogInWithPasskeyRequest, context: object
    ) -> LogInWithPasskeyResponse:
        log_in = await self._log_ins.by_passkey(
            current_call(), MessageToDict(request.passkey), read_device(request.device)
        )
        return LogInWithPasskeyResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

    async def StartConfirmation(
        self, request: StartConfirmationRequest, context: object
    ) -> StartConfirmationResponse:
        options = await self._log_ins.start_confirmation(current_call())
        return StartConfirmationResponse(options=_packed(options))

    async def ConfirmSession(
        self, request: ConfirmSessionRequest, context: object
    ) -> ConfirmSessionResponse:
        log_in = await self._log_ins.confirm(
            current_call(), _proof(request), read_device(request.device)
        )
        return ConfirmSessionResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )


def _second_factor(request: LogInWithSecondFactorRequest) -> Proof | None:
    match request.WhichOneof("proof"):
        case "code":
            return Code(request.code)
        case "recovery_code":
            return RecoveryCode(request.recovery_code)
        case "passkey":
            return PasskeyAnswer(MessageToDict(request.passkey))
    return None


def _proof(request: ConfirmSessionRequest) -> Proof | Password | None:
    match request.WhichOneof("proof"):
        case "password":
            return Password(request.password)
        case "code":
            return Code(request.code)
        case "passkey":
            return PasskeyAnswer(MessageToDict(request.passkey))
    return None


def _packed(options: Json) -> Struct:
    packed = Struct()
    fields: dict[str, Any] = dict(options)
    packed.update(fields)
    return packed

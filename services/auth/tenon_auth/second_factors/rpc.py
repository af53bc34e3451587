from tenon.auth.v1 import second_factor_pb2
from tenon.auth.v1.second_factor_service_pb2 import (
    ConfirmTotpRequest,
    ConfirmTotpResponse,
    ListSecondFactorsRequest,
    ListSecondFactorsResponse,
    RemoveTotpRequest,
    RemoveTotpResponse,
    ReplaceRecoveryCodesRequest,
    ReplaceRecoveryCodesResponse,
    StartTotpRequest,
    StartTotpResponse,
)
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceServicer
from tenon_auth.second_factors.models import Factor
from tenon_auth.second_factors.service import SecondFactorService
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class SecondFactorServicer(SecondFactorServiceServicer):
    def __init__(self, factors: SecondFactorService) -> None:
        self._factors = factors

    async def ListSecondFactors(
        self, request: ListSecondFactorsRequest, context: object
    ) -> ListSecondFactorsResponse:
        factors = await self._factors.list(current_call())
        return ListSecondFactorsResponse(
            items=map(_packed, factors.items), recovery_codes_left=factors.recovery_codes_left
        )

    async def StartTotp(self, request: StartTotpRequest, context: object) -> StartTotpResponse:
        secret, uri = await self._factors.start_totp(current_call())
        return StartTotpResponse(secret=secret, otpauth_uri=uri)

    async def ConfirmTotp(
        self, request: ConfirmTotpRequest, context: object
    ) -> ConfirmTotpResponse:
        codes = await self._factors.confirm_totp(current_call(), request.code)
        return ConfirmTotpResponse(recovery_codes=codes)

    async def RemoveTotp(self, request: RemoveTotpRequest, context: object) -> RemoveTotpResponse:
        await self._factors.remove_totp(current_call())
        return RemoveTotpResponse()

    async def ReplaceRecoveryCodes(
        self, request: ReplaceRecoveryCodesRequest, context: object
    ) -> ReplaceRecoveryCodesResponse:
        codes = await self._factors.replace_recovery_codes(current_call())
        return ReplaceRecoveryCodesResponse(recovery_codes=codes)


def _packed(factor: Factor) -> second_factor_pb2.SecondFactor:
    return second_factor_pb2.SecondFactor(
        kind=second_factor_pb2.SecondFactorKind.ValueType(factor.kind),
        id=factor.id,
        name=factor.name,
        create_time=packed_time(factor.create_time),
        use_time=packed_time(factor.use_time) if factor.use_time else None,
    )

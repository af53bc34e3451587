from tenon.auth.v1.password_service_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    ForgetPasswordRequest,
    ForgetPasswordResponse,
    ResetPasswordRequest,
    ResetPasswordResponse,
)
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceServicer
from tenon_auth.passwords.service import PasswordService
from tenon_auth.sessions.packing import read_device
from tenon_rpc.guard import current_call


class PasswordServicer(PasswordServiceServicer):
    def __init__(self, passwords: PasswordService) -> None:
        self._passwords = passwords

    async def ChangePassword(
        self, request: ChangePasswordRequest, context: object
    ) -> ChangePasswordResponse:
        await self._passwords.change(
            current_call(),
            request.current_password,
            request.new_password,
            read_device(request.device),
        )
        return ChangePasswordResponse()

    async def ForgetPassword(
        self, request: ForgetPasswordRequest, context: object
    ) -> ForgetPasswordResponse:
        await self._passwords.forget(request.email)
        return ForgetPasswordResponse()

    async def ResetPassword(
        self, request: ResetPasswordRequest, context: object
    ) -> ResetPasswordResponse:
        device_token = await self._passwords.reset(
            current_call(), request.token, request.new_password, read_device(request.device)
        )
        return ResetPasswordResponse(device_token=device_token)

from tenon.auth.v1.session_pb2 import Tokens
from tenon.auth.v1.user_service_pb2 import (
    BatchGetUsersRequest,
    BatchGetUsersResponse,
    ConfirmAddressRequest,
    ConfirmAddressResponse,
    ConfirmSignUpRequest,
    ConfirmSignUpResponse,
    SendVerificationRequest,
    SendVerificationResponse,
    SignUpRequest,
    SignUpResponse,
    UpdateUserRequest,
    UpdateUserResponse,
    VerifyEmailRequest,
    VerifyEmailResponse,
)
from tenon.auth.v1.user_service_pb2_grpc import UserServiceServicer
from tenon_auth.sessions.packing import packed_session, packed_tokens, packed_user, read_device
from tenon_auth.sign_ups.models import Asked
from tenon_auth.sign_ups.service import SignUpService
from tenon_auth.users.service import UserService
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call


class UserServicer(UserServiceServicer):
    def __init__(self, users: UserService, sign_ups: SignUpService) -> None:
        self._users = users
        self._sign_ups = sign_ups

    async def SignUp(self, request: SignUpRequest, context: object) -> SignUpResponse:
        log_in = await self._sign_ups.sign_up(
            current_call(),
            request.email,
            request.password,
            request.name,
            read_device(request.device),
            request.invitation_token,
        )
        if isinstance(log_in, Asked):
            return SignUpResponse(tokens=Tokens(device_token=log_in.device_token))
        return SignUpResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

    async def ConfirmSignUp(
        self, request: ConfirmSignUpRequest, context: object
    ) -> ConfirmSignUpResponse:
        log_in = await self._sign_ups.confirm(
            current_call(), request.token, request.password, read_device(request.device)
        )
        return ConfirmSignUpResponse(
            user=packed_user(log_in.user),
            session=packed_session(log_in.session, log_in.session.id),
            tokens=packed_tokens(log_in.tokens),
        )

    async def VerifyEmail(
        self, request: VerifyEmailRequest, context: object
    ) -> VerifyEmailResponse:
        user = await self._users.verify_email(current_call(), request.token)
        return VerifyEmailResponse(user=packed_user(user))

    async def SendVerification(
        self, request: SendVerificationRequest, context: object
    ) -> SendVerificationResponse:
        await self._users.send_verification(current_call())
        return SendVerificationResponse()

    async def UpdateUser(self, request: UpdateUserRequest, context: object) -> UpdateUserResponse:
        changes = {
            path: request.name if path == "name" else "" for path in request.update_mask.paths
        }
        user = await self._users.update(current_call(), changes)
        return UpdateUserResponse(user=packed_user(user))

    async def ConfirmAddress(
        self, request: ConfirmAddressRequest, context: object
    ) -> ConfirmAddressResponse:
        await self._users.confirm_address(current_call(), parse_id(request.user_id), request.email)
        return ConfirmAddressResponse()

    async def BatchGetUsers(
        self, request: BatchGetUsersRequest, context: object
    ) -> BatchGetUsersResponse:
        ids = [user_id for text in request.ids if (user_id := parse_id(text))]
        users = [packed_user(user) for user in await self._users.batch_get(ids)]
        return BatchGetUsersResponse(users=users)

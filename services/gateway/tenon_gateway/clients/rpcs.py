"""The RPCs that hand-written routes call, and how they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from tenon.auth.v1.api_key_service_pb2 import ExchangeApiKeyRequest, ExchangeApiKeyResponse
from tenon.auth.v1.export_service_pb2 import GetExportFileRequest, GetExportFileResponse
from tenon.auth.v1.identity_service_pb2 import (
    ConnectIdentityRequest,
    ConnectIdentityResponse,
    FinishProviderLogInRequest,
    FinishProviderLogInResponse,
    StartProviderLogInRequest,
    StartProviderLogInResponse,
)
from tenon.auth.v1.log_in_link_service_pb2 import LogInWithLinkRequest, LogInWithLinkResponse
from tenon.auth.v1.log_in_service_pb2 import (
    ConfirmSessionRequest,
    ConfirmSessionResponse,
    LogInWithPasskeyRequest,
    LogInWithPasskeyResponse,
    LogInWithSecondFactorRequest,
    LogInWithSecondFactorResponse,
)
from tenon.auth.v1.password_service_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    ResetPasswordRequest,
    ResetPasswordResponse,
)
from tenon.auth.v1.session_service_pb2 import (
    GetSessionRequest,
    GetSessionResponse,
    LogInRequest,
    LogInResponse,
    LogOutRequest,
    LogOutResponse,
    RefreshSessionRequest,
    RefreshSessionResponse,
)
from tenon.auth.v1.user_service_pb2 import (
    ConfirmSignUpRequest,
    ConfirmSignUpResponse,
    SignUpRequest,
    SignUpResponse,
)
from tenon.reports.v1.run_service_pb2 import GetRunFileRequest, GetRunFileResponse
from tenon.reports.v1.upload_pb2 import Upload
from tenon.reports.v1.upload_service_pb2 import (
    CreateUploadRequest,
    CreateUploadResponse,
    ReadRejectedRowsRequest,
    ReadRejectedRowsResponse,
)
from tenon.tenancy.v1.audit_export_service_pb2 import (
    GetAuditExportFilesRequest,
    GetAuditExportFilesResponse,
)
from tenon.tenancy.v1.organization_service_pb2 import (
    ListOrganizationsRequest,
    ListOrganizationsResponse,
)
from tenon_gateway.transcoding.fields import descriptor_of
from tenon_gateway.transcoding.routes import Route
from tenon_gateway.transcoding.stubs import Headers, Stubs
from tenon_policy.policies import MethodPolicy
from tenon_policy.sizes import body_size

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Q, R]):
    """An RPC by its gRPC path, with its messages; `shown` is what becomes the reply's body."""

    path: str
    request: type[Q]
    response: type[R]
    shown: type[Message] | None = None


SIGN_UP = Rpc("/tenon.auth.v1.UserService/SignUp", SignUpRequest, SignUpResponse)
CONFIRM_SIGN_UP = Rpc(
    "/tenon.auth.v1.UserService/ConfirmSignUp", ConfirmSignUpRequest, ConfirmSignUpResponse
)
LOG_IN = Rpc("/tenon.auth.v1.SessionService/LogIn", LogInRequest, LogInResponse)
LOG_IN_WITH_SECOND_FACTOR = Rpc(
    "/tenon.auth.v1.LogInService/LogInWithSecondFactor",
    LogInWithSecondFactorRequest,
    LogInWithSecondFactorResponse,
)
LOG_IN_WITH_LINK = Rpc(
    "/tenon.auth.v1.LogInLinkService/LogInWithLink", LogInWithLinkRequest, LogInWithLinkResponse
)
LOG_IN_WITH_PASSKEY = Rpc(
    "/tenon.auth.v1.LogInService/LogInWithPasskey",
    LogInWithPasskeyRequest,
    LogInWithPasskeyResponse,
)
CONFIRM_SESSION = Rpc(
    "/tenon.auth.v1.LogInService/ConfirmSession", ConfirmSessionRequest, ConfirmSessionResponse
)
CHANGE_PASSWORD = Rpc(
    "/tenon.auth.v1.PasswordService/ChangePassword", ChangePasswordRequest, ChangePasswordResponse
)
RESET_PASSWORD = Rpc(
    "/tenon.auth.v1.PasswordService/ResetPassword", ResetPasswordRequest, ResetPasswordResponse
)
GET_EXPORT_FILE = Rpc(
    "/tenon.auth.v1.ExportService/GetExportFile", GetExportFileRequest, GetExportFileResponse
)
REFRESH_SESSION = Rpc(
    "/tenon.auth.v1.SessionService/RefreshSession", RefreshSessionRequest, RefreshSessionResponse
)
LOG_OUT = Rpc("/tenon.auth.v1.SessionService/LogOut", LogOutRequest, LogOutResponse)
EXCHANGE_API_KEY = Rpc(
    "/tenon.auth.v1.ApiKeyService/ExchangeApiKey", ExchangeApiKeyRequest, ExchangeApiKeyResponse
)
GET_SESSION = Rpc("/tenon.auth.v1.SessionService/GetSession", GetSessionRequest, GetSessionResponse)
START_PROVIDER_LOG_IN = Rpc(
    "/tenon.auth.v1.IdentityService/StartProviderLogIn",
    StartProviderLogInRequest,
    StartProviderLogInResponse,
)
CONNECT_IDENTITY = Rpc(
    "/tenon.auth.v1.IdentityService/ConnectIdentity",
    ConnectIdentityRequest,
    ConnectIdentityResponse,
)
FINISH_PROVIDER_LOG_IN = Rpc(
    "/tenon.auth.v1.IdentityService/FinishProviderLogIn",
    FinishProviderLogInRequest,
    FinishProviderLogInResponse,
)
LIST_ORGANIZATIONS = Rpc(
    "/tenon.tenancy.v1.OrganizationService/ListOrganizations",
    ListOrganizationsRequest,
    ListOrganizationsResponse,
)
GET_AUDIT_EXPORT_FILES = Rpc(
    "/tenon.tenancy.v1.AuditExportService/GetAuditExportFiles",
    GetAuditExportFilesRequest,
    GetAuditExportFilesResponse,
)
CREATE_UPLOAD = Rpc(
    "/tenon.reports.v1.UploadService/CreateUpload",
    CreateUploadRequest,
    CreateUploadResponse,
    Upload,
)
READ_REJECTED_ROWS = Rpc(
    "/tenon.reports.v1.UploadService/ReadRejectedRows",
    ReadRejectedRowsRequest,
    ReadRejectedRowsResponse,
)
GET_RUN_FILE = Rpc("/tenon.reports.v1.RunService/GetRunFile", GetRunFileRequest, GetRunFileResponse)


INTERNAL = frozenset({"device"})
"""What the gateway says of a client itself."""


def body_bytes(rpc: Rpc[Q, R]) -> int:
    """Return the bytes of the largest JSON body that holds all of a request but the device."""
    return body_size(descriptor_of(rpc.request), INTERNAL).json_bytes


class Caller:
    """Calls RPCs with one time limit."""

    def __init__(self, stubs: Stubs, seconds: float) -> None:
        self._stubs = stubs
        self._seconds = seconds

    async def call(self, rpc: Rpc[Q, R], message: Q, metadata: Headers) -> R:
        reply: R = await self._stubs.call(
            rpc.path, message, timeout=self._seconds, metadata=metadata
        )
        return reply


def routeless(
    rpc: Rpc[Q, R],
    policies: Mapping[str, MethodPolicy],
    request: type[Message],
    *,
    parameters: tuple[str, ...] = (),
    body: str = "",
    internal: frozenset[str] = frozenset(),
) -> Route:
    """Return a route for the decoder's sake, so that hand-written routes read as strictly."""
    return Route(
        method="POST",
        path="",
        parameters=parameters,
        rpc=rpc.path,
        service="",
        request=request,
        response=rpc.response,
        body=body,
        response_body="",
        policy=policies[rpc.path],
        status=200,
        internal=internal,
    )

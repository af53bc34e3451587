"""Accounts and sessions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tenon.auth.v1 import session_pb2
from tenon.auth.v1.export_service_pb2 import GetExportFileRequest
from tenon.auth.v1.identity_service_pb2 import FinishProviderLogInResponse
from tenon.auth.v1.log_in_link_service_pb2 import LogInWithLinkResponse
from tenon.auth.v1.log_in_service_pb2 import (
    ConfirmSessionResponse,
    LogInWithPasskeyResponse,
    LogInWithSecondFactorResponse,
)
from tenon.auth.v1.session_pb2 import Session, Tokens
from tenon.auth.v1.session_service_pb2 import (
    GetSessionRequest,
    LogInResponse,
    LogOutRequest,
    RefreshSessionRequest,
    RefreshSessionResponse,
)
from tenon.auth.v1.user_pb2 import User
from tenon.auth.v1.user_service_pb2 import ConfirmSignUpResponse, SignUpResponse
from tenon_gateway.clients.rpcs import (
    CHANGE_PASSWORD,
    CONFIRM_SESSION,
    CONFIRM_SIGN_UP,
    GET_EXPORT_FILE,
    GET_SESSION,
    INTERNAL,
    LOG_IN,
    LOG_IN_WITH_LINK,
    LOG_IN_WITH_PASSKEY,
    LOG_IN_WITH_SECOND_FACTOR,
    LOG_OUT,
    REFRESH_SESSION,
    RESET_PASSWORD,
    SIGN_UP,
    Caller,
    Q,
    R,
    Rpc,
    routeless,
)
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.encoders import Encoders
from tenon_gateway.transcoding.routes import WHOLE_BODY
from tenon_gateway.transcoding.stubs import Headers
from tenon_policy.policies import MethodPolicy

JsonObject = dict[str, Any]
LoggedIn: TypeAlias = (
    SignUpResponse
    | ConfirmSignUpResponse
    | LogInResponse
    | LogInWithLinkResponse
    | LogInWithSecondFactorResponse
    | LogInWithPasskeyResponse
    | ConfirmSessionResponse
    | RefreshSessionResponse
    | FinishProviderLogInResponse
)
"""What says who is logged in, with their tokens."""

MFA_FIELDS = ("mfa_required", "mfa_token", "mfa_methods")


@dataclass(frozen=True, slots=True)
class Device:
    """What a request says of where it comes from; `token` as a log-in returned it, or empty."""

    ip_address: str
    user_agent: str
    token: str

    def packed(self) -> session_pb2.Device:
        return session_pb2.Device(
            ip_address=self.ip_address, user_agent=self.user_agent, token=self.token
        )


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that began or went on, with what its holder presents."""

    user: JsonObject
    session: JsonObject
    access_token: str
    access_expires: datetime
    refresh_token: str
    """Empty if it stays as it is."""
    refresh_expires: datetime
    device_token: str
    """Empty unless it is a log-in."""


@dataclass(frozen=True, slots=True)
class SecondStep:
    """A log-in that wants a second factor: what is told of it, and the token of its device."""

    told: JsonObject
    device_token: str


class AuthClient:
    def __init__(
        self, caller: Caller, encoders: Encoders, policies: Mapping[str, MethodPolicy]
    ) -> None:
        self._caller = caller
        self._user = encoders.message(User.DESCRIPTOR)
        self._session = encoders.message(Session.DESCRIPTOR)
        self._read_sign_up = _body_reader(SIGN_UP, policies)
        self._read_confirmation = _body_reader(CONFIRM_SIGN_UP, policies)
        self._log_in = encoders.message(LogInResponse.DESCRIPTOR)
        self._read_log_in = _body_reader(LOG_IN, policies)
        self._read_link = _body_reader(LOG_IN_WITH_LINK, policies)
        self._read_second_factor = _body_reader(LOG_IN_WITH_SECOND_FACTOR, policies)
        self._read_passkey = _body_reader(LOG_IN_WITH_PASSKEY, policies)
        self._read_proof = _body_reader(CONFIRM_SESSION, policies)
        self._read_change = _body_reader(CHANGE_PASSWORD, policies)
        self._read_reset = _body_reader(RESET_PASSWORD, policies)

    async def sign_up(self, body: bytes, device: Device, metadata: Headers) -> SignedIn | str:
        """Make an account from a JSON body and log it in, or return the token of the device if a
        link is mailed first.
        """
        request = self._read_sign_up(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(SIGN_UP, request, metadata)
        return self.signed_in(reply) if reply.HasField("session") else reply.tokens.device_token

    async def confirm_sign_up(self, body: bytes, device: Device, metadata: Headers) -> SignedIn:
        """Finish a sign-up by the link that a JSON body holds."""
        request = self._read_confirmation(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(CONFIRM_SIGN_UP, request, metadata)
        return self.signed_in(reply)

    async def log_in(self, body: bytes, device: Device, metadata: Headers) -> SignedIn | SecondStep:
        """Log in by what a JSON body says."""
        request = self._read_log_in(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(LOG_IN, request, metadata)
        return self.outcome(reply)

    async def log_in_with_link(
        self, body: bytes, device: Device, metadata: Headers
    ) -> SignedIn | SecondStep:
        """Log in by the mailed link that a JSON body holds."""
        request = self._read_link(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(LOG_IN_WITH_LINK, request, metadata)
        return self.outcome(reply)

    async def log_in_with_second_factor(
        self, body: bytes, device: Device, metadata: Headers
    ) -> SignedIn:
        """Finish a log-in by the second factor that a JSON body holds."""
        request = self._read_second_factor(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(LOG_IN_WITH_SECOND_FACTOR, request, metadata)
        return self.signed_in(reply)

    async def log_in_with_passkey(self, body: bytes, device: Device, metadata: Headers) -> SignedIn:
        """Log in by the passkey's answer that a JSON body holds."""
        request = self._read_passkey(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(LOG_IN_WITH_PASSKEY, request, metadata)
        return self.signed_in(reply)

    async def confirm_session(self, body: bytes, device: Device, metadata: Headers) -> SignedIn:
        """Prove anew who the caller is, by what a JSON body says."""
        request = self._read_proof(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(CONFIRM_SESSION, request, metadata)
        return self.signed_in(reply)

    async def change_password(self, body: bytes, device: Device, metadata: Headers) -> None:
        """Replace the caller's password as a JSON body says."""
        request = self._read_change(body)
        request.device.CopyFrom(device.packed())
        await self._caller.call(CHANGE_PASSWORD, request, metadata)

    async def reset_password(self, body: bytes, device: Device, metadata: Headers) -> str:
        """Replace a password by a mailed link, as a JSON body says; return the device's token."""
        request = self._read_reset(body)
        request.device.CopyFrom(device.packed())
        reply = await self._caller.call(RESET_PASSWORD, request, metadata)
        return reply.device_token

    async def refresh(self, token: str, metadata: Headers) -> SignedIn:
        request = RefreshSessionRequest(refresh_token=token)
        reply = await self._caller.call(REFRESH_SESSION, request, metadata)
        return self.signed_in(reply)

    async def log_out(self, refresh_token: str, access_token: str, metadata: Headers) -> None:
        """End the session of either token; one may be empty."""
        request = LogOutRequest(refresh_token=refresh_token, access_token=access_token)
        await self._caller.call(LOG_OUT, request, metadata)

    async def session(self, metadata: Headers) -> JsonObject:
        """Return `{user, session}` of the caller."""
        reply = await self._caller.call(GET_SESSION, GetSessionRequest(), metadata)
        return {"user": self._user(reply.user), "session": self._session(reply.session)}

    async def export_file(self, export_id: str, metadata: Headers) -> bytes:
        """Return the JSON document of one of the caller's exports."""
        request = GetExportFileRequest(export_id=export_id)
        return (await self._caller.call(GET_EXPORT_FILE, request, metadata)).document

    def outcome(
        self, reply: LogInResponse | LogInWithLinkResponse | FinishProviderLogInResponse
    ) -> SignedIn | SecondStep:
        """Return what a log-in came to that may want a second factor."""
        if not reply.mfa_required:
            return self.signed_in(reply)
        asked = LogInResponse(
            mfa_required=True, mfa_token=reply.mfa_token, mfa_methods=reply.mfa_methods
        )
        told = self._log_in(asked)
        return SecondStep({name: told[name] for name in MFA_FIELDS}, reply.tokens.device_token)

    def signed_in(self, reply: LoggedIn) -> SignedIn:
        tokens: Tokens = reply.tokens
        return SignedIn(
            user=self._user(reply.user),
            session=self._session(reply.session),
            access_token=tokens.access_token,
            access_expires=tokens.access_expire_time.ToDatetime(UTC),
            refresh_token=tokens.refresh_token,
            refresh_expires=tokens.refresh_expire_time.ToDatetime(UTC),
            device_token=tokens.device_token,
        )


def _body_reader(rpc: Rpc[Q, R], policies: Mapping[str, MethodPolicy]) -> Callable[[bytes], Q]:
    """Return the reader of a JSON body that holds all of a request but the device."""
    route = routeless(rpc, policies, rpc.request, body=WHOLE_BODY, internal=INTERNAL)
    decode = Decoder(route)

    def read(body: bytes) -> Q:
        message = decode({}, b"", body)
        assert isinstance(message, rpc.request)
        return message

    return read

"""People with second factors, and what they do with them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pyotp
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator
from tenon.auth.v1.log_in_service_pb2 import (
    LogInWithSecondFactorRequest,
    LogInWithSecondFactorResponse,
    StartSecondFactorRequest,
)
from tenon.auth.v1.log_in_service_pb2_grpc import LogInServiceStub
from tenon.auth.v1.passkey_service_pb2 import (
    AddPasskeyRequest,
    AddPasskeyResponse,
    StartPasskeyRequest,
)
from tenon.auth.v1.passkey_service_pb2_grpc import PasskeyServiceStub
from tenon.auth.v1.second_factor_service_pb2 import (
    ConfirmTotpRequest,
    ListSecondFactorsRequest,
    ListSecondFactorsResponse,
    StartTotpRequest,
)
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon.auth.v1.session_pb2 import Device
from tenon.auth.v1.session_service_pb2 import LogInRequest, LogInResponse
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD

WRONG = "000000x"
STEP_SECONDS = 30


@dataclass(frozen=True)
class Enrolled:
    """Somebody with an authenticator app."""

    signed_up: SignUpResponse
    secret: str
    recovery_codes: Sequence[str]

    @property
    def email(self) -> str:
        return self.signed_up.user.email

    @property
    def user_id(self) -> str:
        return self.signed_up.user.id

    @property
    def metadata(self) -> Metadata:
        return metadata_of(self.signed_up.tokens.access_token)

    def code(self, steps: int = 1) -> str:
        """Return the code of a step after this one: that of this one has confirmed the app."""
        return code_of(self.secret, steps)


def metadata_of(access_token: str) -> Metadata:
    return Metadata(("authorization", f"Bearer {access_token}"))


def code_of(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + steps * STEP_SECONDS)


def struct(value: Mapping[str, Any]) -> Struct:
    packed = Struct()
    packed.update(dict(value))
    return packed


async def enrol(auth: grpc.aio.Channel, signed_up: SignUpResponse) -> Enrolled:
    """Give somebody an authenticator app."""
    factors = SecondFactorServiceStub(auth)
    metadata = metadata_of(signed_up.tokens.access_token)
    secret = (await factors.StartTotp(StartTotpRequest(), metadata=metadata)).secret
    reply = await factors.ConfirmTotp(ConfirmTotpRequest(code=code_of(secret)), metadata=metadata)
    return Enrolled(signed_up, secret, list(reply.recovery_codes))


async def register(
    auth: grpc.aio.Channel, metadata: Metadata, key: Authenticator, name: str = "Laptop"
) -> AddPasskeyResponse:
    """Give somebody a passkey."""
    passkeys = PasskeyServiceStub(auth)
    started = await passkeys.StartPasskey(StartPasskeyRequest(), metadata=metadata)
    made = key.make(MessageToDict(started.options))
    request = AddPasskeyRequest(passkey=struct(made), name=name)
    reply: AddPasskeyResponse = await passkeys.AddPasskey(request, metadata=metadata)
    return reply


async def log_in(
    auth: grpc.aio.Channel, email: str, password: str = PASSWORD, token: str = ""
) -> LogInResponse:
    request = LogInRequest(email=email, password=password, device=Device(token=token))
    reply: LogInResponse = await SessionServiceStub(auth).LogIn(request)
    return reply


async def finish(
    auth: grpc.aio.Channel, step: LogInResponse, **proof: Any
) -> LogInWithSecondFactorResponse:
    """Finish a log-in on the device that it was begun on."""
    request = LogInWithSecondFactorRequest(
        mfa_token=step.mfa_token, device=Device(token=step.tokens.device_token), **proof
    )
    reply: LogInWithSecondFactorResponse = await LogInServiceStub(auth).LogInWithSecondFactor(
        request
    )
    return reply


async def refusal(auth: grpc.aio.Channel, step: LogInResponse, **proof: Any) -> str:
    """Return why a log-in is not finished; empty if it is."""
    try:
        await finish(auth, step, **proof)
    except PeerError as error:
        return error.reason
    return ""


async def asked(auth: grpc.aio.Channel, step: LogInResponse) -> dict[str, Any]:
    """Return what a passkey is asked to finish a log-in by."""
    request = StartSecondFactorRequest(mfa_token=step.mfa_token)
    options: dict[str, Any] = MessageToDict(
        (await LogInServiceStub(auth).StartSecondFactor(request)).options
    )
    return options


async def factors_of(auth: grpc.aio.Channel, metadata: Metadata) -> ListSecondFactorsResponse:
    reply: ListSecondFactorsResponse = await SecondFactorServiceStub(auth).ListSecondFactors(
        ListSecondFactorsRequest(), metadata=metadata
    )
    return reply

"""Log-in by a provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from tenon.auth.v1.identity_service_pb2 import (
    ConnectIdentityRequest,
    ConnectIdentityResponse,
    FinishProviderLogInRequest,
    StartProviderLogInRequest,
    StartProviderLogInResponse,
)
from tenon_gateway.clients.auth import AuthClient, Device, SecondStep, SignedIn
from tenon_gateway.clients.rpcs import (
    CONNECT_IDENTITY,
    FINISH_PROVIDER_LOG_IN,
    START_PROVIDER_LOG_IN,
    Caller,
    routeless,
)
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.routes import WHOLE_BODY
from tenon_gateway.transcoding.stubs import Headers
from tenon_policy.policies import MethodPolicy

IN_PATH = ("provider",)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a browser is led, and what ties it to that."""

    url: str
    flow_token: str
    expires: datetime

    @property
    def state(self) -> str:
        """What the provider hands back, which names the flow."""
        return parse_qs(urlsplit(self.url).query)["state"][0]

    @classmethod
    def of(cls, reply: StartProviderLogInResponse | ConnectIdentityResponse) -> "Begun":
        return cls(reply.url, reply.flow_token, reply.expire_time.ToDatetime(UTC))


@dataclass(frozen=True, slots=True)
class Finished:
    """Where a browser goes in the end; `log_in` is None where an account was connected."""

    return_to: str
    log_in: SignedIn | SecondStep | None


class IdentityClient:
    def __init__(
        self, caller: Caller, auth: AuthClient, policies: Mapping[str, MethodPolicy]
    ) -> None:
        self._caller = caller
        self._auth = auth
        start = routeless(
            START_PROVIDER_LOG_IN, policies, StartProviderLogInRequest, parameters=IN_PATH
        )
        connect = routeless(
            CONNECT_IDENTITY, policies, ConnectIdentityRequest, parameters=IN_PATH, body=WHOLE_BODY
        )
        self._decode_start = Decoder(start)
        self._decode_connect = Decoder(connect)

    async def start(self, provider: str, query: bytes, metadata: Headers) -> Begun:
        """Begin a log-in as a query string says."""
        request = self._decode_start({"provider": provider}, query, b"")
        assert isinstance(request, StartProviderLogInRequest)
        reply = await self._caller.call(START_PROVIDER_LOG_IN, request, metadata)
        return Begun.of(reply)

    async def connect(self, provider: str, body: bytes, metadata: Headers) -> Begun:
        """Begin to connect the caller's account as a JSON body says."""
        request = self._decode_connect({"provider": provider}, b"", body)
        assert isinstance(request, ConnectIdentityRequest)
        reply = await self._caller.call(CONNECT_IDENTITY, request, metadata)
        return Begun.of(reply)

    async def finish(
        self, said: Mapping[str, str], flow_token: str, device: Device, metadata: Headers
    ) -> Finished:
        """End what was begun; `said` is the provider and what it has said."""
        request = FinishProviderLogInRequest(**said, flow_token=flow_token, device=device.packed())
        reply = await self._caller.call(FINISH_PROVIDER_LOG_IN, request, metadata)
        connected = not reply.HasField("tokens")
        return Finished(reply.return_to, None if connected else self._auth.outcome(reply))

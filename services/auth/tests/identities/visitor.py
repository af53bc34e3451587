"""Somebody's browser, as auth knows of it: led to a provider, and back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from grpc.aio import Metadata

from services.auth.tests.identities.hostile_provider import Hostile, asked
from tenon.auth.v1.identity_service_pb2 import (
    ConnectIdentityRequest,
    FinishProviderLogInRequest,
    FinishProviderLogInResponse,
    StartProviderLogInRequest,
)
from tenon.auth.v1.identity_service_pb2_grpc import IdentityServiceStub
from tenon_rpc.status import PeerError

if TYPE_CHECKING:
    from tenon.auth.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub

NAME, OTHER = "acme", "other"


@dataclass(frozen=True)
class Begun:
    url: str
    flow_token: str

    @property
    def state(self) -> str:
        return asked(self.url)["state"]


@dataclass(frozen=True)
class Visitor:
    """A browser that goes to the first provider."""

    oidc: grpc.aio.Channel
    provider: Hostile

    @property
    def stub(self) -> "IdentityServiceAsyncStub":
        return IdentityServiceStub(self.oidc)

    async def start(self, return_to: str = "", provider: str = NAME) -> Begun:
        request = StartProviderLogInRequest(provider=provider, return_to=return_to)
        reply = await self.stub.StartProviderLogIn(request)
        return Begun(reply.url, reply.flow_token)

    async def connect(self, metadata: Metadata, provider: str = NAME) -> Begun:
        request = ConnectIdentityRequest(provider=provider)
        reply = await self.stub.ConnectIdentity(request, metadata=metadata)
        return Begun(reply.url, reply.flow_token)

    async def finish(self, begun: Begun, code: str, **changes: str) -> FinishProviderLogInResponse:
        said: dict[str, Any] = {"provider": NAME, "flow_token": begun.flow_token}
        said |= {"state": begun.state, "code": code, **changes}
        request = FinishProviderLogInRequest(**said)
        reply: FinishProviderLogInResponse = await self.stub.FinishProviderLogIn(request)
        return reply

    async def told(self, begun: Begun, code: str, **changes: str) -> str:
        """Return the reason of a refusal; empty for a log-in."""
        try:
            await self.finish(begun, code, **changes)
        except PeerError as error:
            return error.reason
        return ""

    async def log_in(self, **claims: Any) -> FinishProviderLogInResponse:
        """Go the whole way as whom the provider says."""
        begun = await self.start()
        return await self.finish(begun, self.provider.code(begun.url, **claims))

    async def refused(self, **claims: Any) -> str:
        """Go the whole way; return the reason of a refusal, empty for a log-in."""
        begun = await self.start()
        return await self.told(begun, self.provider.code(begun.url, **claims))

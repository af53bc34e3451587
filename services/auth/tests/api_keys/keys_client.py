"""API keys as their owners and their users have them."""

from dataclasses import dataclass
from typing import Any

import grpc
from grpc.aio import Metadata

from tenon.auth.v1.api_key_pb2 import ApiKey
from tenon.auth.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    ExchangeApiKeyRequest,
    ListApiKeysRequest,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
)
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER
from tenon_testing.callers import Tenant


@dataclass(frozen=True)
class KeysClient:
    """An organization's keys, at one service."""

    channel: grpc.aio.Channel
    tenant: Tenant

    @property
    def stub(self) -> Any:
        return ApiKeyServiceStub(self.channel)

    async def create(self, metadata: Metadata | None = None, **fields: Any) -> ApiKey:
        asked: dict[str, Any] = {"name": "CI", "role": ROLE_MEMBER, **fields}
        request = CreateApiKeyRequest(org_id=str(self.tenant.org_id), **asked)
        reply = await self.stub.CreateApiKey(request, metadata=metadata or self.tenant.metadata)
        key: ApiKey = reply.api_key
        return key

    async def rotate(
        self, key: ApiKey, grace_seconds: int = 0, metadata: Metadata | None = None
    ) -> ApiKey:
        request = RotateApiKeyRequest(
            org_id=str(self.tenant.org_id), key_id=key.id, grace_seconds=grace_seconds
        )
        reply = await self.stub.RotateApiKey(request, metadata=metadata or self.tenant.metadata)
        rotated: ApiKey = reply.api_key
        return rotated

    async def revoke(self, key_id: str, metadata: Metadata | None = None) -> None:
        request = RevokeApiKeyRequest(org_id=str(self.tenant.org_id), key_id=key_id)
        await self.stub.RevokeApiKey(request, metadata=metadata or self.tenant.metadata)

    async def list(self, **fields: Any) -> Any:
        request = ListApiKeysRequest(org_id=str(self.tenant.org_id), **fields)
        return await self.stub.ListApiKeys(request, metadata=self.tenant.metadata)

    async def exchange(self, secret: str) -> str:
        reply = await self.stub.ExchangeApiKey(ExchangeApiKeyRequest(secret=secret))
        token: str = reply.access_token
        return token


def bearer(token: str) -> Metadata:
    return Metadata(("authorization", f"Bearer {token}"))

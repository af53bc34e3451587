"""What notifications asks about API keys, and about the owners who get mails about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import grpc

from tenon.auth.v1.api_key_service_pb2 import GetApiKeyNoticeRequest
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon.tenancy.v1.organization_service_pb2 import GetOrganizationNoticeRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import Role
from tenon_notifications.clients import found_or_none


@dataclass(frozen=True, slots=True)
class ApiKey:
    name: str
    role: str
    expire_time: datetime


class ApiKeys(Protocol):
    async def find(self, org_id: UUID, key_id: UUID) -> ApiKey | None: ...


class AuthApiKeys:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ApiKeyServiceStub(channel)

    async def find(self, org_id: UUID, key_id: UUID) -> ApiKey | None:
        request = GetApiKeyNoticeRequest(org_id=str(org_id), key_id=str(key_id))
        reply = await found_or_none(self._stub.GetApiKeyNotice(request))
        if reply is None:
            return None
        role = Role.Name(reply.role).removeprefix("ROLE_").lower()
        return ApiKey(reply.name, role, reply.expire_time.ToDatetime(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Organization:
    """The name of an organization, and its owners."""

    name: str
    owner_ids: Sequence[UUID]


class Owners(Protocol):
    async def find(self, org_id: UUID) -> Organization | None: ...


class TenancyOwners:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = OrganizationServiceStub(channel)

    async def find(self, org_id: UUID) -> Organization | None:
        request = GetOrganizationNoticeRequest(org_id=str(org_id))
        reply = await found_or_none(self._stub.GetOrganizationNotice(request))
        return None if reply is None else Organization(reply.name, [*map(UUID, reply.owner_ids)])

"""People who use the system under test: signed up through auth, with organizations of their own."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from grpc.aio import Metadata

from tenon.auth.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    ExchangeApiKeyRequest,
    RevokeApiKeyRequest,
)
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import Role as RoleNumber
from tenon_policy.policies import Role
from tenon_testing.system import System

PASSWORD = "correct horse battery staple"  # noqa: S105 # of nobody


@dataclass(frozen=True)
class Caller:
    """A user who is logged in."""

    user_id: UUID
    session_id: UUID
    email: str
    access_token: str
    refresh_token: str

    @property
    def metadata(self) -> Metadata:
        """What a call carries so that it is this user's."""
        return Metadata(("authorization", f"Bearer {self.access_token}"))


@dataclass(frozen=True)
class Tenant:
    """An organization and its owner."""

    org_id: UUID
    owner: Caller

    @property
    def metadata(self) -> Metadata:
        return self.owner.metadata


@dataclass(frozen=True)
class Key:
    """An API key of a tenant."""

    id: str
    secret: str

    @property
    def bearer(self) -> dict[str, str]:
        """What a request to the gateway carries so that it is this key's."""
        return {"authorization": f"Bearer {self.secret}"}


class Callers:
    """Makes users and organizations through the real services."""

    def __init__(self, system: System) -> None:
        self._system = system
        for service in ("auth", "tenancy"):
            system.start(service)
        self._auth = system.channel("auth")
        self._tenancy = system.channel("tenancy")

    async def user(self, name: str = "Ada", email: str = "") -> Caller:
        """Sign a new person up, with this address or a new one."""
        email = email or f"{uuid4()}@example.com"
        reply = await UserServiceStub(self._auth).SignUp(
            SignUpRequest(email=email, password=PASSWORD, name=name)
        )
        return Caller(
            UUID(reply.user.id),
            UUID(reply.session.id),
            email,
            reply.tokens.access_token,
            reply.tokens.refresh_token,
        )

    async def tenant(self, name: str = "Acme") -> Tenant:
        """Make an organization with a new owner, whose address is verified."""
        owner = await self.user()
        self._system.verify_email(owner.user_id)
        return await self.organization(owner, name)

    async def organization(self, owner: Caller, name: str = "Acme") -> Tenant:
        """Make another organization of an owner."""
        reply = await OrganizationServiceStub(self._tenancy).CreateOrganization(
            CreateOrganizationRequest(name=name), metadata=owner.metadata
        )
        return Tenant(UUID(reply.organization.id), owner)

    async def api_key(self, tenant: Tenant, role: Role = Role.MEMBER, **fields: Any) -> Key:
        """Make an API key of a tenant."""
        request = CreateApiKeyRequest(
            org_id=str(tenant.org_id), name="Machine", role=RoleNumber.ValueType(role), **fields
        )
        reply = await ApiKeyServiceStub(self._auth).CreateApiKey(request, metadata=tenant.metadata)
        return Key(reply.api_key.id, reply.api_key.secret)

    async def exchange(self, key: Key) -> str:
        """Return an access token of an API key, as for calls to services themselves."""
        request = ExchangeApiKeyRequest(secret=key.secret)
        reply = await ApiKeyServiceStub(self._auth).ExchangeApiKey(request)
        token: str = reply.access_token
        return token

    async def revoke(self, tenant: Tenant, key: Key) -> None:
        request = RevokeApiKeyRequest(org_id=str(tenant.org_id), key_id=key.id)
        await ApiKeyServiceStub(self._auth).RevokeApiKey(request, metadata=tenant.metadata)

    async def close(self) -> None:
        await self._auth.close(None)
        await self._tenancy.close(None)

"""People who use the system under test: signed up through auth, with organizations of their own."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from grpc.aio import Metadata

from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
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


class Callers:
    """Makes users and organizations through the real services."""

    def __init__(self, system: System) -> None:
        for service in ("auth", "tenancy"):
            system.start(service)
        self._auth = system.channel("auth")
        self._tenancy = system.channel("tenancy")

    async def user(self, name: str = "Ada") -> Caller:
        """Sign somebody new up."""
        email = f"{uuid4()}@example.com"
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
        """Make an organization with a new owner."""
        owner = await self.user()
        reply = await OrganizationServiceStub(self._tenancy).CreateOrganization(
            CreateOrganizationRequest(name=name), metadata=owner.metadata
        )
        return Tenant(UUID(reply.organization.id), owner)

    async def close(self) -> None:
        await self._auth.close(None)
        await self._tenancy.close(None)

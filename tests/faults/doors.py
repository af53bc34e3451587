"""Where a user's rights are asked: at the gateway, and directly at each service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias
from uuid import UUID, uuid4

import aiohttp
import grpc

from tenon.auth.v1.session_service_pb2 import GetSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.reports.v1.dataset_service_pb2 import CreateDatasetRequest, ListDatasetsRequest
from tenon.reports.v1.dataset_service_pb2_grpc import DatasetServiceStub
from tenon.tenancy.v1.member_service_pb2 import RemoveMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.organization_service_pb2 import GetOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon_core.errors import Code, TenonError
from tenon_testing.callers import Caller
from tenon_testing.system import System

SERVICES = ("auth", "tenancy", "reports")
REFUSALS = {
    Code.UNAUTHENTICATED,
    Code.NOT_FOUND,
    Code.PERMISSION_DENIED,
    Code.UNAVAILABLE,
    Code.DEADLINE_EXCEEDED,
}
REFUSED_STATUSES = {401, 403, 404, 503, 504}
MEMBER_NOT_FOUND = "member_not_found"

Door: TypeAlias = Callable[[], Awaitable[bool]]
"""Says whether it opens."""


@dataclass
class Doors:
    """All doors of one system."""

    http: aiohttp.ClientSession
    channels: dict[str, grpc.aio.Channel]

    def reading(self, caller: Caller, org_id: UUID) -> dict[str, Door]:
        """Return what a member may: by its session and by its membership."""
        org, metadata, page = str(org_id), caller.metadata, count()
        datasets = DatasetServiceStub(self.channels["reports"])
        organizations = OrganizationServiceStub(self.channels["tenancy"])

        async def gateway() -> bool:
            path = f"/api/orgs/{org}/datasets?page_size={1 + next(page) % 100}"
            return await self._opens("GET", path, caller)

        return {
            "gateway": gateway,
            "reports": lambda: _opens(
                datasets.ListDatasets(ListDatasetsRequest(org_id=org), metadata=metadata)
            ),
            "tenancy": lambda: _opens(
                organizations.GetOrganization(GetOrganizationRequest(org_id=org), metadata=metadata)
            ),
        }

    def in_session(self, caller: Caller) -> dict[str, Door]:
        sessions = SessionServiceStub(self.channels["auth"])
        return {
            "auth": lambda: _opens(
                sessions.GetSession(GetSessionRequest(), metadata=caller.metadata)
            )
        }

    def writing(self, caller: Caller, org_id: UUID) -> dict[str, Door]:
        """Return what an admin may and a viewer may not; what is asked for is refused later, as
        not valid or not there, so that nothing is written.
        """
        org, metadata = str(org_id), caller.metadata
        datasets = DatasetServiceStub(self.channels["reports"])
        members = MemberServiceStub(self.channels["tenancy"])
        unknown = RemoveMemberRequest(org_id=org, user_id=str(uuid4()))
        return {
            "gateway": lambda: self._opens("POST", f"/api/orgs/{org}/datasets", caller),
            "reports": lambda: _opens(
                datasets.CreateDataset(CreateDatasetRequest(org_id=org), metadata=metadata)
            ),
            "tenancy": lambda: _opens(members.RemoveMember(unknown, metadata=metadata)),
        }

    async def organizations(self, caller: Caller) -> list[str]:
        """Return the ids of the caller's organizations as the gateway says."""
        async with self.http.get("/api/auth/session", headers=_bearer(caller)) as reply:
            return [org["id"] for org in (await reply.json())["orgs"]]

    async def _opens(self, method: str, path: str, caller: Caller) -> bool:
        async with self.http.request(method, path, headers=_bearer(caller)) as reply:
            await reply.read()
            return reply.status not in REFUSED_STATUSES


def _bearer(caller: Caller) -> dict[str, str]:
    return {"authorization": f"Bearer {caller.access_token}"}


async def _opens(call: Awaitable[object]) -> bool:
    try:
        await call
    except TenonError as error:
        return error.code not in REFUSALS or error.reason == MEMBER_NOT_FOUND
    return True


@asynccontextmanager
async def doors_of(system: System) -> AsyncIterator[Doors]:
    channels = {service: system.channel(service) for service in SERVICES}
    async with aiohttp.ClientSession(system.url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Doors(http, channels)
    for channel in channels.values():
        await channel.close(None)

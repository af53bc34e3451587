"""What auth asks of other services."""

from typing import Protocol
from uuid import UUID

import grpc

from tenon.tenancy.v1.member_service_pb2 import ReleaseUserRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_auth.errors import LastOwner
from tenon_rpc.status import PeerError


class Memberships(Protocol):
    """Knows who belongs to what."""

    async def release(self, user_id: UUID) -> None:
        """Let somebody leave all organizations, or else none; LastOwner."""


class TenancyMemberships:
    """Tenancy's members."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._members = MemberServiceStub(channel)

    async def release(self, user_id: UUID) -> None:
        try:
            await self._members.ReleaseUser(ReleaseUserRequest(user_id=str(user_id)))
        except PeerError as error:
            if error.reason == LastOwner.reason:
                raise LastOwner from error
            raise

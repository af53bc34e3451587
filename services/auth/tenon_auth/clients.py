"""What auth asks of other services."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

import grpc

from tenon.privacy.v1.personal_data_service_pb2 import ExportPersonalDataRequest
from tenon.privacy.v1.personal_data_service_pb2_grpc import PersonalDataServiceStub
from tenon.tenancy.v1.invitation_service_pb2 import CheckInvitationRequest
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
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


class Invitations(Protocol):
    """Knows who was invited."""

    async def check(self, token: str, email: str) -> None:
        """Say whether whoever has this token was invited by this address, and so reads its mails.

        Raises what a token is refused with, for who showed it to read.
        """


class TenancyInvitations:
    """Tenancy's invitations."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._invitations = InvitationServiceStub(channel)

    async def check(self, token: str, email: str) -> None:
        await self._invitations.CheckInvitation(CheckInvitationRequest(token=token, email=email))


class PersonalData(Protocol):
    """Knows what is held of a person."""

    async def collect(self, user_id: UUID) -> Mapping[str, Any]:
        """Return what each service holds of somebody, by the services' names."""


class EverybodysPersonalData:
    """All services, auth itself too."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._stubs = {name: PersonalDataServiceStub(channel) for name, channel in channels.items()}

    async def collect(self, user_id: UUID) -> Mapping[str, Any]:
        request = ExportPersonalDataRequest(user_id=str(user_id))
        replies = await asyncio.gather(
            *(stub.ExportPersonalData(request) for stub in self._stubs.values())
        )
        documents = dict(zip(self._stubs, (reply.document for reply in replies), strict=True))
        return await asyncio.to_thread(_read, documents)


def _read(documents: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: json.loads(document) for name, document in documents.items()}

"""What tenancy asks of other services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import grpc

from tenon.auth.v1.user_service_pb2 import BatchGetUsersRequest, ConfirmAddressRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_rpc.status import PeerError
from tenon_tenancy.errors import InvitationForAnotherAddress

NOT_THEIRS = "address_not_theirs"


@dataclass(frozen=True, slots=True)
class Profile:
    """What people call a user, and where they write to."""

    email: str
    name: str


class Directory(Protocol):
    """Knows the people behind the ids."""

    async def profiles(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Profile]:
        """Return the profiles of those that exist; at most 1000 may be asked for at once."""

    async def confirm_address(self, user_id: UUID, email: str) -> None:
        """Say that somebody has read a mail to an address; InvitationForAnotherAddress."""


class AuthDirectory:
    """Auth as the directory."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._users = UserServiceStub(channel)

    async def profiles(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Profile]:
        reply = await self._users.BatchGetUsers(BatchGetUsersRequest(ids=map(str, user_ids)))
        return {UUID(user.id): Profile(user.email, user.name) for user in reply.users}

    async def confirm_address(self, user_id: UUID, email: str) -> None:
        try:
            await self._users.ConfirmAddress(
                ConfirmAddressRequest(user_id=str(user_id), email=email)
            )
        except PeerError as error:
            if error.reason == NOT_THEIRS:
                raise InvitationForAnotherAddress from error
            raise

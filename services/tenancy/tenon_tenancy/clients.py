"""What tenancy asks of other services."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import grpc

from tenon.auth.v1.user_service_pb2 import BatchGetUsersRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.privacy.v1.data_key_pb2 import DataKey, KeyRotation
from tenon.privacy.v1.data_key_service_pb2 import ListDataKeysRequest, RotateDataKeysRequest
from tenon.privacy.v1.data_key_service_pb2_grpc import DataKeyServiceStub


@dataclass(frozen=True, slots=True)
class Profile:
    """What people call a user, and where they write to."""

    email: str
    name: str


class Directory(Protocol):
    """Knows the people behind the ids."""

    async def profiles(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Profile]:
        """Return the profiles of those that exist; at most 1000 may be asked for at once."""


class AuthDirectory:
    """Auth as the directory."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._users = UserServiceStub(channel)

    async def profiles(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Profile]:
        reply = await self._users.BatchGetUsers(BatchGetUsersRequest(ids=map(str, user_ids)))
        return {UUID(user.id): Profile(user.email, user.name) for user in reply.users}


DATA_KEY_HOLDERS = ("tenancy",)
"""The services with data keys of organizations."""


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """An organization's keys in one service, as that tells them."""

    service: str
    keys: Sequence[DataKey]
    rotation: KeyRotation | None


class DataKeyHolders(Protocol):
    """Knows the data keys of organizations."""

    async def list(self, org_id: UUID) -> Sequence[HeldKeys]: ...

    async def rotate(self, org_id: UUID) -> None:
        """Have each service begin to replace its key; what has begun is not begun again."""


class EverybodysDataKeys:
    """All services that have some, tenancy itself too."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._stubs = {name: DataKeyServiceStub(channels[name]) for name in DATA_KEY_HOLDERS}

    async def list(self, org_id: UUID) -> Sequence[HeldKeys]:
        request = ListDataKeysRequest(org_id=str(org_id))
        replies = await asyncio.gather(
            *(stub.ListDataKeys(request) for stub in self._stubs.values())
        )
        return [
            HeldKeys(service, reply.keys, reply.rotation if reply.HasField("rotation") else None)
            for service, reply in zip(self._stubs, replies, strict=True)
        ]

    async def rotate(self, org_id: UUID) -> None:
        request = RotateDataKeysRequest(org_id=str(org_id))
        await asyncio.gather(*(stub.RotateDataKeys(request) for stub in self._stubs.values()))

"""What tenancy asks of other services."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import grpc

from tenon.auth.v1.audit_client_service_pb2 import OpenClientsRequest
from tenon.auth.v1.audit_client_service_pb2_grpc import AuditClientServiceStub
from tenon.auth.v1.user_service_pb2 import BatchGetUsersRequest, ConfirmAddressRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.privacy.v1.data_key_pb2 import DataKey, KeyRotation
from tenon.privacy.v1.data_key_service_pb2 import ListDataKeysRequest, RotateDataKeysRequest
from tenon.privacy.v1.data_key_service_pb2_grpc import DataKeyServiceStub
from tenon.usage.v1.usage_service_pb2 import MeasureUsageRequest
from tenon.usage.v1.usage_service_pb2_grpc import UsageServiceStub
from tenon_core.errors import Code, TenonError
from tenon_policy.audit_clients import Client, OpenedClient
from tenon_rpc.channel import seconds_left
from tenon_rpc.status import PeerError
from tenon_rpc.usage import Month
from tenon_tenancy.errors import InvitationForAnotherAddress, UsageUnavailable

NOT_THEIRS = "address_not_theirs"
MEASURED = ("reports", "notifications")
"""Who counts what organizations use."""
MEASURING_SECONDS = 5.0
UNREACHABLE = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Profile:
    """What people call a user, and where they write to. `is_verified` says that the user has
    proved to read that address.
    """

    email: str
    name: str
    is_verified: bool


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
        return {
            UUID(user.id): Profile(user.email, user.name, user.email_verified)
            for user in reply.users
        }

    async def confirm_address(self, user_id: UUID, email: str) -> None:
        try:
            await self._users.ConfirmAddress(
                ConfirmAddressRequest(user_id=str(user_id), email=email)
            )
        except PeerError as error:
            if error.reason == NOT_THEIRS:
                raise InvitationForAnotherAddress from error
            raise


class AuditClients(Protocol):
    """Opens where audited calls came from."""

    async def open(self, sealed: Collection[bytes]) -> Mapping[bytes, OpenedClient]:
        """Return each opened; empty for people who were erased. At most 1000; Unavailable."""


class AuthAuditClients:
    """Auth, which has people's keys."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._clients = AuditClientServiceStub(channel)

    async def open(self, sealed: Collection[bytes]) -> Mapping[bytes, OpenedClient]:
        values = list(sealed)
        reply = await self._clients.OpenClients(OpenClientsRequest(sealed=values))
        opened = [
            OpenedClient(one.salt, Client(one.ip_address, one.user_agent)) for one in reply.clients
        ]
        return dict(zip(values, opened, strict=True))


class Usages(Protocol):
    """Knows what an organization uses of all services."""

    async def measure(self, org_id: UUID, month: Month) -> Mapping[str, int]:
        """Return all figures by their names; UsageUnavailable."""


class EverybodysUsages:
    """All services that count, asked at once."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._stubs = {service: UsageServiceStub(channels[service]) for service in MEASURED}

    async def measure(self, org_id: UUID, month: Month) -> Mapping[str, int]:
        request = MeasureUsageRequest(org_id=str(org_id), month=str(month))
        replies = await asyncio.gather(*(self._ask(service, request) for service in self._stubs))
        return {name: figure for reply in replies for name, figure in reply.items()}

    async def _ask(self, service: str, request: MeasureUsageRequest) -> Mapping[str, int]:
        seconds = min(MEASURING_SECONDS, seconds_left())
        try:
            reply = await self._stubs[service].MeasureUsage(request, timeout=seconds)
        except TenonError as error:
            if error.code in UNREACHABLE:
                raise UsageUnavailable(f"{service} does not answer. Try again soon.") from error
            raise
        figures: Mapping[str, int] = reply.figures
        return figures


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

"""What notifications asks of other services when it writes a mail; none of it is kept."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar
from uuid import UUID

import grpc

from tenon.auth.v1.email_change_service_pb2 import GetEmailChangeNoticeRequest
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceStub
from tenon.auth.v1.erasure_service_pb2 import GetErasureRequest, GetErasureResponse
from tenon.auth.v1.erasure_service_pb2_grpc import ErasureServiceStub
from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceStub
from tenon.auth.v1.session_service_pb2 import GetSessionNoticeRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import BatchGetUsersRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.reports.v1.run_pb2 import Format
from tenon.reports.v1.run_service_pb2 import GetRunNoticeRequest, GetRunNoticeResponse
from tenon.reports.v1.run_service_pb2_grpc import RunServiceStub
from tenon.tenancy.v1.invitation_service_pb2 import GetInvitationNoticeRequest
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.organization_deletion_pb2 import OrganizationErasureReceipt
from tenon.tenancy.v1.organization_deletion_service_pb2 import (
    GetOrganizationDeletionNoticeRequest,
)
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import OrganizationDeletionServiceStub
from tenon.tenancy.v1.ownership_service_pb2 import GetOwnershipNoticeRequest
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon.tenancy.v1.role_pb2 import Role
from tenon_core.coalescing import Coalescer
from tenon_core.email_addresses import delivery_form
from tenon_core.errors import Code
from tenon_rpc.status import PeerError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Person:
    """To whom a mail goes."""

    name: str
    email: str
    verified: bool = False


@dataclass(frozen=True, slots=True)
class RunNotice:
    """What a mail says about a run that has ended."""

    dataset_name: str
    format: str
    rows: int
    size_bytes: int
    file_url: str
    failure: str
    expire_time: datetime | None


@dataclass(frozen=True, slots=True)
class SessionNotice:
    """What a mail says about a session."""

    device: str
    ip_address: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class LinkNotice:
    """A link that can still be used; its token is a secret of the recipient's."""

    token: str
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class InvitationNotice:
    """An invitation that can be accepted; its token is a secret of the address's."""

    email: str
    organization_name: str
    role: str
    token: str
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class OwnershipNotice:
    """An offer to own an organization, that waits or was accepted."""

    organization_name: str
    expire_time: datetime
    accepted: bool


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What one service has destroyed of a person."""

    service: str
    keys: int
    rows: int
    erase_time: datetime


@dataclass(frozen=True, slots=True)
class OrganizationReceipt:
    """What one service has destroyed of an organization."""

    service: str
    keys: int
    rows: int
    files: int
    erase_time: datetime


@dataclass(frozen=True, slots=True)
class DeletionNotice:
    """What a mail says about the deletion of an organization."""

    org_id: str
    org_name: str
    request_time: datetime
    delete_time: datetime
    receipts: tuple[OrganizationReceipt, ...]


@dataclass(frozen=True, slots=True)
class ErasureNotice:
    """What a mail says about an erasure."""

    request_time: datetime
    receipts: tuple[ErasureReceipt, ...]


class People(Protocol):
    async def find(self, user_id: UUID) -> Person | None: ...

    async def find_session(self, user_id: UUID, session_id: UUID) -> SessionNotice | None: ...

    async def find_link(self, user_id: UUID, link_id: UUID) -> LinkNotice | None: ...

    async def find_changing_email(self, user_id: UUID, link_id: UUID) -> str | None: ...

    async def find_erased(self, erasure_id: UUID) -> Person | None: ...

    async def find_erasure(self, erasure_id: UUID) -> ErasureNotice | None: ...


class Runs(Protocol):
    async def find_notice(self, org_id: UUID, run_id: UUID) -> RunNotice | None: ...


class Organizations(Protocol):
    async def find_invitation(self, org_id: UUID, link_id: UUID) -> InvitationNotice | None: ...

    async def find_ownership(self, org_id: UUID, offer_id: UUID) -> OwnershipNotice | None: ...
    async def find_deletion(self, deletion_id: UUID) -> DeletionNotice | None: ...


class AuthPeople:
    """Auth's users; those wanted at one moment are asked for in one call."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = UserServiceStub(channel)
        self._sessions = SessionServiceStub(channel)
        self._links = LinkServiceStub(channel)
        self._email_changes = EmailChangeServiceStub(channel)
        self._erasures = ErasureServiceStub(channel)
        self._people = Coalescer[UUID, Person | None](self._load)

    async def find(self, user_id: UUID) -> Person | None:
        return await self._people.get(user_id)

    async def find_session(self, user_id: UUID, session_id: UUID) -> SessionNotice | None:
        request = GetSessionNoticeRequest(user_id=str(user_id), session_id=str(session_id))
        reply = await found_or_none(self._sessions.GetSessionNotice(request))
        if reply is None:
            return None
        session = reply.session
        return SessionNotice(
            session.device, session.ip_address, session.create_time.ToDatetime(tzinfo=UTC)
        )

    async def find_link(self, user_id: UUID, link_id: UUID) -> LinkNotice | None:
        request = GetLinkNoticeRequest(user_id=str(user_id), link_id=str(link_id))
        reply = await found_or_none(self._links.GetLinkNotice(request))
        if reply is None:
            return None
        return LinkNotice(reply.token, reply.expire_time.ToDatetime(tzinfo=UTC))

    async def find_changing_email(self, user_id: UUID, link_id: UUID) -> str | None:
        request = GetEmailChangeNoticeRequest(user_id=str(user_id), link_id=str(link_id))
        reply = await found_or_none(self._email_changes.GetEmailChangeNotice(request))
        return None if reply is None else delivery_form(reply.email)

    async def find_erased(self, erasure_id: UUID) -> Person | None:
        """Return who is told of an erasure; None if nobody."""
        reply = await self._erasure(erasure_id)
        if reply is None or not reply.email:
            return None
        return Person(reply.name, delivery_form(reply.email), verified=True)

    async def find_erasure(self, erasure_id: UUID) -> ErasureNotice | None:
        reply = await self._erasure(erasure_id)
        if reply is None:
            return None
        receipts = (
            ErasureReceipt(one.service, one.keys, one.rows, one.erase_time.ToDatetime(tzinfo=UTC))
            for one in reply.receipts
        )
        return ErasureNotice(reply.request_time.ToDatetime(tzinfo=UTC), tuple(receipts))

    async def _erasure(self, erasure_id: UUID) -> GetErasureResponse | None:
        request = GetErasureRequest(erasure_id=str(erasure_id))
        return await found_or_none(self._erasures.GetErasure(request))

    async def _load(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Person | None]:
        request = BatchGetUsersRequest(ids=[str(user_id) for user_id in user_ids])
        reply = await self._stub.BatchGetUsers(request)
        found = {
            UUID(user.id): Person(user.name, delivery_form(user.email), user.email_verified)
            for user in reply.users
        }
        return {user_id: found.get(user_id) for user_id in user_ids}


class ReportsRuns:
    """Runs of reports."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = RunServiceStub(channel)

    async def find_notice(self, org_id: UUID, run_id: UUID) -> RunNotice | None:
        request = GetRunNoticeRequest(org_id=str(org_id), run_id=str(run_id))
        reply = await found_or_none(self._stub.GetRunNotice(request))
        return None if reply is None else _notice(reply)


class TenancyOrganizations:
    """Organizations of tenancy."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._invitations = InvitationServiceStub(channel)
        self._ownership = OwnershipServiceStub(channel)
        self._deletions = OrganizationDeletionServiceStub(channel)

    async def find_invitation(self, org_id: UUID, link_id: UUID) -> InvitationNotice | None:
        request = GetInvitationNoticeRequest(org_id=str(org_id), link_id=str(link_id))
        reply = await found_or_none(self._invitations.GetInvitationNotice(request))
        if reply is None:
            return None
        invitation = reply.invitation
        return InvitationNotice(
            email=delivery_form(invitation.email),
            organization_name=invitation.organization_name,
            role=Role.Name(invitation.role).removeprefix("ROLE_").lower(),
            token=reply.token,
            expire_time=invitation.expire_time.ToDatetime(tzinfo=UTC),
        )

    async def find_ownership(self, org_id: UUID, offer_id: UUID) -> OwnershipNotice | None:
        request = GetOwnershipNoticeRequest(org_id=str(org_id), offer_id=str(offer_id))
        reply = await found_or_none(self._ownership.GetOwnershipNotice(request))
        if reply is None:
            return None
        expires = reply.expire_time.ToDatetime(tzinfo=UTC)
        return OwnershipNotice(reply.organization_name, expires, reply.accepted)

    async def find_deletion(self, deletion_id: UUID) -> DeletionNotice | None:
        request = GetOrganizationDeletionNoticeRequest(deletion_id=str(deletion_id))
        reply = await found_or_none(self._deletions.GetOrganizationDeletionNotice(request))
        if reply is None:
            return None
        deletion = reply.deletion
        return DeletionNotice(
            deletion.org_id,
            reply.name,
            deletion.request_time.ToDatetime(tzinfo=UTC),
            deletion.delete_time.ToDatetime(tzinfo=UTC),
            tuple(map(_receipt, deletion.receipts)),
        )


async def found_or_none(asked: Awaitable[R]) -> R | None:
    """Return what was asked for; None if its owner knows no such thing."""
    try:
        return await asked
    except PeerError as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise


def _receipt(one: OrganizationErasureReceipt) -> OrganizationReceipt:
    at = one.erase_time.ToDatetime(tzinfo=UTC)
    return OrganizationReceipt(one.service, one.keys, one.rows, one.files, at)


def _notice(reply: GetRunNoticeResponse) -> RunNotice:
    run = reply.run
    expires = run.expire_time.ToDatetime(tzinfo=UTC) if run.HasField("expire_time") else None
    return RunNotice(
        dataset_name=reply.dataset_name,
        format=Format.Name(run.format).removeprefix("FORMAT_"),
        rows=run.progress.rows,
        size_bytes=run.size_bytes,
        file_url=run.file_url,
        failure=run.failure,
        expire_time=expires,
    )

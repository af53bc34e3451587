"""What people do with the mails about their addresses."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import psycopg
from grpc.aio import Metadata

from services.auth.tests.sessions.test_list_sessions import bearer
from tenon.auth.v1.email_change_service_pb2 import (
    ConfirmEmailChangeRequest,
    GetEmailChangeNoticeRequest,
    RequestEmailChangeRequest,
    UndoEmailChangeRequest,
)
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceStub
from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceStub
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD

Admin = psycopg.Connection[tuple[Any, ...]]


def new_address() -> str:
    return f"{uuid4()}@example.com"


@dataclass
class Person:
    """Somebody with a verified address who is logged in."""

    auth: grpc.aio.Channel
    notifications: grpc.aio.Channel
    admin: Admin
    user_id: str
    email: str
    metadata: Metadata

    async def ask(self, email: str) -> None:
        request = RequestEmailChangeRequest(email=email)
        await EmailChangeServiceStub(self.auth).RequestEmailChange(request, metadata=self.metadata)

    async def confirm(self, token: str) -> str:
        """Return the reason of a refusal; empty for none."""
        request = ConfirmEmailChangeRequest(token=token)
        changes = EmailChangeServiceStub(self.auth)
        try:
            await changes.ConfirmEmailChange(request, metadata=self.metadata)
        except PeerError as error:
            return error.reason
        return ""

    async def change(self, email: str) -> str:
        """Take another address; return what undoes it."""
        await self.ask(email)
        assert await self.confirm(await self.mailed("change_email")) == ""
        return await self.mailed("undo_email_change")

    async def undo(self, token: str) -> str:
        try:
            await EmailChangeServiceStub(self.auth).UndoEmailChange(
                UndoEmailChangeRequest(token=token)
            )
        except PeerError as error:
            return error.reason
        return ""

    async def log_in(self, email: str, password: str = PASSWORD) -> str:
        """Go on in a new session; return the reason of a refusal."""
        try:
            reply = await SessionServiceStub(self.auth).LogIn(
                LogInRequest(email=email, password=password)
            )
        except PeerError as error:
            return error.reason
        self.metadata = bearer(reply.tokens.access_token)
        return ""

    async def mailed(self, purpose: str) -> str:
        """Return what the last mail for a purpose would carry."""
        notice = await LinkServiceStub(self.notifications).GetLinkNotice(
            GetLinkNoticeRequest(user_id=self.user_id, link_id=self.links(purpose)[-1])
        )
        token: str = notice.token
        return token

    async def recipient(self, purpose: str) -> str:
        """Return where that mail would go; empty if nowhere."""
        request = GetEmailChangeNoticeRequest(user_id=self.user_id, link_id=self.links(purpose)[-1])
        try:
            reply = await EmailChangeServiceStub(self.notifications).GetEmailChangeNotice(request)
        except PeerError as error:
            return "" if error.reason == "link_not_found" else error.reason
        address: str = reply.email
        return address

    def links(self, purpose: str) -> list[str]:
        rows = self.admin.execute(
            "SELECT id::text FROM auth.links WHERE user_id = %s AND purpose = %s ORDER BY id",
            [self.user_id, purpose],
        )
        return [row[0] for row in rows.fetchall()]

    def addresses(self) -> list[bool]:
        """Return for each address that others cannot have whether it is only kept from them.

        An address has a row for each index key, of which other tests add more: one key is counted.
        """
        rows = self.admin.execute(
            "SELECT release_time IS NOT NULL FROM auth.logins WHERE user_id = %(id)s"
            " AND index_key = (SELECT max(index_key) FROM auth.logins WHERE user_id = %(id)s)"
            " ORDER BY 1",
            {"id": self.user_id},
        )
        return [row[0] for row in rows.fetchall()]


async def is_free(auth: grpc.aio.Channel, email: str) -> bool:
    """Say whether somebody new can have an address; they have it then."""
    try:
        await UserServiceStub(auth).SignUp(
            SignUpRequest(email=email, password=PASSWORD, name="Eve")
        )
    except PeerError as error:
        if error.reason == "email_taken":
            return False
        raise
    return True

"""Accounts at rest: what the database has of them, and what happens when keys come and go."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from tenon.auth.v1.session_service_pb2 import GetSessionRequest, LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import BatchGetUsersRequest, SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.app import APP
from tenon_auth.users.repository import UserRepository
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.file_keyring import INDEX, KEK, add_key
from tenon_crypto.opening import open_keyring
from tenon_rpc.backbone import open_backbone
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


def admin(system: System) -> "psycopg.Connection[Any]":
    return psycopg.connect(system.admin_url(), autocommit=True)


def destroy_keys(system: System, user_id: str) -> None:
    with admin(system) as database:
        database.execute("DELETE FROM auth.user_data_keys WHERE user_id = %s", [user_id])


async def sign_up(auth: grpc.aio.Channel, name: str) -> SignUpResponse:
    request = SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name=name)
    reply: SignUpResponse = await UserServiceStub(auth).SignUp(request)
    return reply


@pytest.fixture
async def tenancy(system: System, auth: grpc.aio.Channel) -> AsyncIterator[grpc.aio.Channel]:  # noqa: ARG001 # its process runs by then
    """Auth as tenancy reaches it."""
    channel = system.channel("auth", caller="tenancy")
    yield channel
    await channel.close(None)


def test_the_database_has_neither_name_nor_address(
    system: System, signed_up: SignUpResponse
) -> None:
    with admin(system) as database:
        rows = database.execute(
            "SELECT u.email, u.name, l.email_index, s.family_key FROM auth.users u"
            " JOIN auth.logins l ON l.user_id = u.id JOIN auth.sessions s ON s.user_id = u.id"
            " WHERE u.id = %s",
            [signed_up.user.id],
        ).fetchall()
    (email, name, index, family_key), *_ = rows  # one for each index key
    assert signed_up.user.email.encode() not in email + index
    assert b"Ada" not in name
    assert email[:17] == name[:17] == family_key[:17], "one data key"


async def test_many_users_take_two_statements(
    system: System, auth: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [UUID((await sign_up(auth, f"Ada {number}")).user.id) for number in range(20)]
    statements = 0

    settings = system.settings(APP)
    cipher = FieldCipher(DataKeys("auth", open_keyring(settings.keyring_url)))
    async with (
        open_backbone("auth", settings) as backbone,
        backbone.database.system("contacts") as tx,
    ):
        execute = tx.execute

        async def counted(*arguments: Any) -> Any:
            nonlocal statements
            statements += 1
            return await execute(*arguments)

        monkeypatch.setattr(tx, "execute", counted)
        found = await UserRepository(tx, cipher).find_all(ids)
    assert {user.id for user in found} == set(ids)
    assert statements == 2


async def test_who_has_no_key_any_more_is_left_out_of_lists(
    system: System, auth: grpc.aio.Channel, tenancy: grpc.aio.Channel, signed_up: SignUpResponse
) -> None:
    other = await sign_up(auth, "Grace")
    destroy_keys(system, signed_up.user.id)
    request = BatchGetUsersRequest(ids=[signed_up.user.id, other.user.id])
    reply = await UserServiceStub(tenancy).BatchGetUsers(request)
    assert [user.name for user in reply.users] == ["Grace"]


async def test_without_the_key_nothing_of_the_account_is_told(
    system: System, signed_up: SignUpResponse, metadata: Metadata
) -> None:
    destroy_keys(system, signed_up.user.id)
    async with system.serving(APP) as started:
        with pytest.raises(PeerError) as refused:
            await SessionServiceStub(started).GetSession(GetSessionRequest(), metadata=metadata)
    assert refused.value.reason == "undecryptable"


async def test_an_address_stays_taken_and_logs_in_while_keys_are_replaced(
    system: System, signed_up: SignUpResponse
) -> None:
    for kind in (KEK, INDEX):
        add_key(system.directory / "keyring", kind)
    async with system.serving(APP) as restarted:
        log_in = LogInRequest(email=signed_up.user.email, password=PASSWORD)
        assert (await SessionServiceStub(restarted).LogIn(log_in)).user == signed_up.user
        again = SignUpRequest(email=signed_up.user.email, password=PASSWORD, name="Eve")
        with pytest.raises(PeerError) as refused:
            await UserServiceStub(restarted).SignUp(again)
        assert refused.value.reason == "email_taken"

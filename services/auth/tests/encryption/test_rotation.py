"""All keys of auth replaced: everybody is still who they were, and can log in."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from psycopg import sql

from services.auth.tests.second_factors.enrolled import Enrolled
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.app import APP
from tenon_auth.foundation import Accounts
from tenon_crypto.cells import OwnerKind
from tenon_crypto.envelope import key_id_of
from tenon_crypto.file_keyring import INDEX
from tenon_crypto.sealed_tables import sealed_tables
from tenon_policy.records import deed
from tenon_rotation import Level
from tenon_rotation.pace import Pace
from tenon_rpc.backbone import open_backbone
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.servers import Servers
from tenon_testing.system import System

BYTES = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = 'auth' AND data_type = 'bytea'"
)


@pytest.fixture(scope="module")
def system(servers: Servers) -> Iterator[System]:
    """A system of its own: others' cells are damaged on purpose, and their keys stay."""
    own = System(servers, f"test_{uuid4().hex}")
    yield own
    own.stop()


@pytest.fixture(scope="module")
async def auth(system: System) -> AsyncIterator[grpc.aio.Channel]:
    async with system.serving(APP) as channel:
        yield channel


@pytest.fixture
async def accounts(auth: grpc.aio.Channel, system: System) -> AsyncIterator[Accounts]:  # noqa: ARG001 # it has migrated
    """What a worker of auth stands on."""
    async with open_backbone(APP.name, system.settings(APP, process="auth-worker")) as backbone:
        yield Accounts(backbone)


async def rotate(accounts: Accounts, level: Level) -> None:
    service = accounts.rotations.service
    rotation = await service.start(level, deed("keys.rotate", "operators/test", "keys"))
    assert await service.levels[level].run(rotation, Pace(share=1.0, seconds=60))
    found = await service.find_last(level)
    assert found is not None
    assert found.left == 0


async def log_in(auth: grpc.aio.Channel, email: str) -> str:
    """Return the user's id, or why not."""
    try:
        request = LogInRequest(email=email, password=PASSWORD)
        reply = await SessionServiceStub(auth).LogIn(request)
    except PeerError as refused:
        return refused.reason
    return reply.user.id or "second step"


def values_by_key(system: System) -> dict[Any, set[str]]:
    """Return which columns of auth name which data key."""
    found: dict[Any, set[str]] = {}
    with psycopg.connect(system.admin_url()) as admin:
        for table, column in admin.execute(BYTES).fetchall():
            query = sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(
                sql.Identifier(column), sql.Identifier("auth", table), sql.Identifier(column)
            )
            for (value,) in admin.execute(query).fetchall():
                found.setdefault(key_id_of(bytes(value)), set()).add(f"{table}.{column}")
    return found


async def test_everybodys_data_keys_are_replaced(
    accounts: Accounts, auth: grpc.aio.Channel, system: System, enrolled: Enrolled
) -> None:
    with psycopg.connect(system.admin_url()) as admin:
        rows = admin.execute("SELECT id FROM auth.user_data_keys").fetchall()
    old = {key_id for (key_id,) in rows}
    before = {key_id: columns for key_id, columns in values_by_key(system).items() if key_id in old}
    await rotate(accounts, Level.DATA)
    assert before
    assert not set(values_by_key(system)) & set(before)
    assert await log_in(auth, enrolled.email) == "second step"
    known = {
        f"{one.table.name}.{column}"
        for one in sealed_tables("auth", OwnerKind.USER)
        for column in one.columns
    }
    assert known.issuperset(set().union(*before.values()))


async def test_an_account_is_found_by_the_new_index_key_alone(
    accounts: Accounts, system: System, signed_up: SignUpResponse
) -> None:
    directory = system.directory / "keyring"
    old = sorted(directory.glob(f"*.{INDEX}"))
    await accounts.keyring.add(INDEX)
    assert await found_without(system, old, signed_up) == "invalid_credentials"
    await rotate(accounts, Level.INDEX)
    old = sorted(directory.glob(f"*.{INDEX}"))[:-1]
    assert await found_without(system, old, signed_up) == signed_up.user.id


async def found_without(system: System, keys: list[Path], signed_up: SignUpResponse) -> str:
    """Log in while these keys are away; whoever can has an address that nobody else can take."""
    for key in keys:
        key.rename(key.with_suffix(".away"))
    try:
        async with system.serving(APP) as started:
            found = await log_in(started, signed_up.user.email)
            if found == signed_up.user.id:
                again = SignUpRequest(email=signed_up.user.email, password=PASSWORD, name="Eve")
                with pytest.raises(PeerError) as refused:
                    await UserServiceStub(started).SignUp(again)
                assert refused.value.reason == "email_taken"
    finally:
        for key in keys:
            key.with_suffix(".away").rename(key)
    return found

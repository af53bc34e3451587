"""An account ends once, whole, wherever its process dies; and never that of a last owner."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID, uuid4

import grpc
import pytest

from services.auth.tests.email_changes.mailbox import is_free
from services.auth.tests.erasures.conftest import Admin, Working
from services.auth.tests.passwords.test_guesses import guess
from services.auth.tests.sessions.test_list_sessions import bearer
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.erasure_service_pb2 import DeleteUserRequest, GetErasureRequest
from tenon.auth.v1.erasure_service_pb2_grpc import ErasureServiceStub
from tenon.auth.v1.session_service_pb2 import RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.privacy.v1.events_pb2 import PersonalDataErased
from tenon.tenancy.v1.member_service_pb2 import ReleaseUserRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon_auth.app import APP
from tenon_auth.erasures.models import OTHERS, Erasure
from tenon_auth.erasures.repository import ErasureRepository
from tenon_auth.erasures.service import CARRY_OUT
from tenon_auth.foundation import Accounts
from tenon_core import clock
from tenon_core.events import Event
from tenon_core.ids import uuid7
from tenon_embedded.ports import free_port
from tenon_policy.policies import Role
from tenon_rpc.backbone import open_backbone
from tenon_rpc.process import running
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD, Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join = Callable[[Tenant, Role, Caller], None]
Work = Callable[[], AbstractAsyncContextManager[Working]]

OF_PEOPLE = (
    "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attname = 'user_id'"
    " OR a.attname = 'id' AND c.relname = 'users')"
    " WHERE n.nspname = 'auth' AND c.relkind = 'r'"
    " AND c.relname NOT IN ('outbox', 'jobs', 'erasures', 'erasure_receipts')"
)


async def delete(auth: grpc.aio.Channel, caller: Caller) -> str:
    """Return the reason of a refusal; empty for none."""
    try:
        await ErasureServiceStub(auth).DeleteUser(DeleteUserRequest(), metadata=caller.metadata)
    except PeerError as error:
        return error.reason
    return ""


def left(admin: Admin, user_id: UUID) -> list[str]:
    """Return the tables that still hold somebody."""
    found = []
    for table, column in admin.execute(OF_PEOPLE).fetchall():
        query = f"SELECT count(*) FROM auth.{table} WHERE {column} = %s"  # noqa: S608 # of the catalogue
        if admin.execute(query.encode(), [user_id]).fetchone() != (0,):
            found.append(table)
    return sorted(found)


def told(admin: Admin, user_id: UUID) -> int:
    """Return how often the others were told to erase somebody."""
    row = admin.execute(
        "SELECT count(*) FROM auth.outbox WHERE user_id = %s AND type = 'tenon.auth.v1.UserErased'",
        [user_id],
    ).fetchone()
    assert row is not None
    return int(row[0])


def begun(admin: Admin, user_id: UUID) -> bool:
    """Say whether an erasure is on record."""
    row = admin.execute("SELECT 1 FROM auth.erasures WHERE user_id = %s", [user_id]).fetchone()
    return row is not None


def roles(admin: Admin, user_id: UUID) -> list[int]:
    rows = admin.execute(
        "SELECT role FROM tenancy.memberships WHERE user_id = %s ORDER BY 1", [user_id]
    )
    return [row[0] for row in rows.fetchall()]


async def test_nothing_of_the_account_is_left(
    auth: grpc.aio.Channel, admin: Admin, ada: Caller, callers: Callers, join: Join
) -> None:
    join(await callers.tenant(), Role.MEMBER, ada)
    join(await callers.tenant(), Role.OWNER, ada)
    assert {"users", "logins", "sessions", "user_data_keys"} < set(left(admin, ada.user_id))
    assert await delete(auth, ada) == ""
    assert left(admin, ada.user_id) == []
    assert roles(admin, ada.user_id) == []
    await eventually(lambda: is_refused(auth, ada.metadata), within=1.2)
    assert await guess(auth, ada.email, PASSWORD) == "invalid_credentials"
    with pytest.raises(PeerError):
        await SessionServiceStub(auth).RefreshSession(
            RefreshSessionRequest(refresh_token=ada.refresh_token)
        )
    assert await is_free(auth, ada.email)


async def test_the_last_owner_stays_and_loses_nothing(
    auth: grpc.aio.Channel, admin: Admin, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    join(await callers.tenant(), Role.MEMBER, tenant.owner)
    join(await callers.tenant(), Role.OWNER, tenant.owner)
    assert await delete(auth, tenant.owner) == "last_owner"
    assert roles(admin, tenant.owner.user_id) == [Role.MEMBER, Role.OWNER, Role.OWNER]
    assert not await is_refused(auth, tenant.metadata)
    assert told(admin, tenant.owner.user_id) == 0
    assert not begun(admin, tenant.owner.user_id), "or it would go on when they are not the last"
    join(tenant, Role.OWNER, await callers.user())
    assert await delete(auth, tenant.owner) == "", "and not once they are not the last"


async def test_of_two_owners_who_go_at_once_one_stays(
    auth: grpc.aio.Channel, admin: Admin, callers: Callers, join: Join
) -> None:
    """Both are dispensable when they are looked at first: the last look is under the lock."""
    tenants = [await callers.tenant() for _ in range(10)]
    others = [await callers.user() for _ in tenants]
    for tenant, other in zip(tenants, others, strict=True):
        join(tenant, Role.OWNER, other)
    leaving = [
        who for pair in zip(tenants, others, strict=True) for who in (pair[0].owner, pair[1])
    ]
    gone = await asyncio.gather(*(delete(auth, one) for one in leaving))
    assert Counter(gone) == {"": 10, "last_owner": 10}
    for tenant in tenants:
        members = admin.execute(
            "SELECT role FROM tenancy.memberships WHERE org_id = %s", [tenant.org_id]
        )
        assert members.fetchall() == [(Role.OWNER,)]


async def test_twenty_at_once_erase_it_once(
    auth: grpc.aio.Channel, admin: Admin, ada: Caller
) -> None:
    reasons = await asyncio.gather(*(delete(auth, ada) for _ in range(20)))
    assert set(reasons) <= {"", "session_ended"}
    assert left(admin, ada.user_id) == []
    assert told(admin, ada.user_id) == 1


async def test_it_needs_a_log_in_of_late(auth: grpc.aio.Channel, admin: Admin, ada: Caller) -> None:
    admin.execute("UPDATE auth.sessions SET auth_time = 'epoch' WHERE user_id = %s", [ada.user_id])
    request = RefreshSessionRequest(refresh_token=ada.refresh_token)
    refreshed = await SessionServiceStub(auth).RefreshSession(request)
    with pytest.raises(PeerError) as refused:
        await ErasureServiceStub(auth).DeleteUser(
            DeleteUserRequest(), metadata=bearer(refreshed.tokens.access_token)
        )
    assert refused.value.reason == "recent_auth_required"
    assert "users" in left(admin, ada.user_id)


@pytest.mark.parametrize("released", [False, True])
async def test_what_a_dead_process_began_is_gone_on_with(
    system: System, admin: Admin, ada: Caller, working: Work, released: bool
) -> None:
    """It died when it was on record; or later, when the organizations were left."""
    async with open_backbone(APP.name, system.settings(APP)) as backbone:
        queue = Accounts(backbone).queue
        async with backbone.database.user(ada.user_id) as tx:
            await ErasureRepository(tx).add(Erasure(ada.user_id, uuid7(), clock.now()))
            payload = {"user_id": str(ada.user_id)}
            await queue.enqueue(tx, CARRY_OUT, payload, user_id=ada.user_id)
    if released:
        tenancy = system.channel("tenancy", caller="auth")
        request = ReleaseUserRequest(user_id=str(ada.user_id))
        await MemberServiceStub(tenancy).ReleaseUser(request)
        await tenancy.close(None)
    async with working() as until:

        async def erased() -> bool:
            return left(admin, ada.user_id) == []

        await until(erased)
    assert told(admin, ada.user_id) == 1


async def test_it_is_done_later_where_tenancy_does_not_answer(
    system: System, admin: Admin, ada: Caller, working: Work
) -> None:
    settings = system.settings(APP)
    away = {**settings.peers, "tenancy": f"127.0.0.1:{free_port()}"}
    async with running(APP, settings.model_copy(update={"peers": away})) as port:
        alone = system.channel("auth", at=f"127.0.0.1:{port}")
        assert await delete(alone, ada) == ""
        await alone.close(None)
    assert "users" in left(admin, ada.user_id)
    admin.execute("UPDATE auth.jobs SET run_at = now() WHERE user_id = %s", [ada.user_id])
    async with working() as until:

        async def erased() -> bool:
            return left(admin, ada.user_id) == []

        await until(erased)


@pytest.fixture
async def others(system: System) -> Sequence[str]:
    """Run those who report what they have erased."""
    for service in OTHERS:
        await asyncio.to_thread(system.start, service)
    return OTHERS


def report(admin: Admin, service: str, user_id: UUID) -> None:
    """Let a service say that it has erased somebody."""
    event = Event.of(PersonalDataErased(user_id=str(user_id)), user_id=user_id)
    admin.execute(
        f"INSERT INTO {service}.outbox (id, type, user_id, event_time, payload)"  # noqa: S608 # of ours
        " VALUES (%s, %s, %s, now(), %s)",
        [uuid7(), event.type, user_id, event.payload],
    )


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("wrong", [OTHERS[:1], OTHERS[1:]])
async def test_services_that_are_wrong_erase_nobody(
    auth: grpc.aio.Channel, admin: Admin, callers: Callers, working: Work, wrong: Sequence[str]
) -> None:
    """Nobody has asked for it. An erasure that is refused later is forgotten all the same."""
    ada = (await callers.tenant()).owner
    for service in wrong:
        report(admin, service, ada.user_id)

    async def heard() -> bool:
        query = "SELECT count(*) FROM auth.erasure_receipts WHERE user_id = %s"
        return admin.execute(query, [ada.user_id]).fetchone() == (len(wrong),)

    async with working() as until:
        await until(heard)
    assert "users" in left(admin, ada.user_id)
    assert told(admin, ada.user_id) == 0
    assert await delete(auth, ada) == "last_owner"
    assert not begun(admin, ada.user_id)


async def test_who_is_back_from_a_backup_is_erased_again(
    admin: Admin, ada: Caller, working: Work, others: Sequence[str]
) -> None:
    """Auth has forgotten that it erased them; the receipts of the others have not."""
    for service in others:
        report(admin, service, ada.user_id)
    async with working() as until:

        async def erased() -> bool:
            return left(admin, ada.user_id) == []

        await until(erased)
    assert told(admin, ada.user_id) == 1


async def test_an_unknown_erasure_is_not_found(system: System, ada: Caller) -> None:
    del ada
    channel = system.channel("auth", caller="notifications-worker")
    for erasure_id in (str(uuid4()), "nothing"):
        with pytest.raises(PeerError) as refused:
            await ErasureServiceStub(channel).GetErasure(GetErasureRequest(erasure_id=erasure_id))
        assert refused.value.reason == "erasure_not_found"
    await channel.close(None)

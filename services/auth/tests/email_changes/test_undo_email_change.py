"""Whoever lost an account to a thief of a session gets it back by the mail to the old address."""

import asyncio
from collections import Counter
from uuid import UUID

import grpc
import pytest

from services.auth.tests.email_changes.conftest import Join
from services.auth.tests.email_changes.mailbox import Person, is_free, new_address
from services.auth.tests.identities.stored import add_identity
from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import factors_of, register
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.identity_service_pb2 import ListIdentitiesRequest
from tenon.auth.v1.identity_service_pb2_grpc import IdentityServiceStub
from tenon.auth.v1.password_service_pb2 import ResetPasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon_auth.app import APP, worker
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System
from tenon_testing.waiting import eventually

NEW = "tsunami kettle pelican"


async def choose_password(ada: Person) -> None:
    token = await ada.mailed("reset_password")
    request = ResetPasswordRequest(token=token, new_password=NEW)
    await PasswordServiceStub(ada.auth).ResetPassword(request)


async def test_the_old_address_is_back_and_the_thief_is_out(
    auth: grpc.aio.Channel, ada: Person
) -> None:
    stolen, thief, theirs = ada.metadata, ada, new_address()
    undo = await thief.change(theirs)
    assert await ada.undo(undo) == ""
    await eventually(lambda: is_refused(auth, stolen), within=1.2)
    assert await thief.log_in(theirs) == "invalid_credentials"
    assert await thief.log_in(ada.email, PASSWORD) == "invalid_credentials", "they may know it"
    await choose_password(ada)
    assert await ada.log_in(ada.email, NEW) == ""
    assert ada.addresses() == [False]
    assert await is_free(auth, theirs)


async def test_what_the_thief_has_added_lets_nobody_in(
    auth: grpc.aio.Channel, system: System, ada: Person
) -> None:
    await register(auth, ada.metadata, Authenticator(system.url))
    await add_identity(system, UUID(ada.user_id))
    undo = await ada.change(new_address())
    assert await ada.undo(undo) == ""
    await choose_password(ada)
    assert await ada.log_in(ada.email, NEW) == "", "no second factor is asked for"
    factors = await factors_of(auth, ada.metadata)
    assert (list(factors.items), factors.recovery_codes_left) == ([], 0)
    identities = IdentityServiceStub(auth)
    assert not (
        await identities.ListIdentities(ListIdentitiesRequest(), metadata=ada.metadata)
    ).items


async def test_what_the_owner_had_before_stays(
    auth: grpc.aio.Channel, system: System, ada: Person
) -> None:
    await register(auth, ada.metadata, Authenticator(system.url))
    ada.admin.execute(
        "UPDATE auth.passkeys SET create_time = now() - interval '25 hours' WHERE user_id = %s",
        [ada.user_id],
    )
    undo = await ada.change(new_address())
    assert await ada.undo(undo) == ""
    query = "SELECT count(*) FROM auth.passkeys WHERE user_id = %s"
    assert ada.admin.execute(query, [ada.user_id]).fetchone() == (1,)


async def test_fifty_at_once_undo_it_once(ada: Person) -> None:
    undo = await ada.change(new_address())
    told: Counter[str] = Counter()
    for _ in range(5):  # fewer than wait for a hash at once
        told += Counter(await asyncio.gather(*(ada.undo(undo) for _ in range(10))))
    assert told == {"": 1, "link_spent": 49}
    assert len(ada.links("reset_password")) == 1


async def test_a_thief_who_changes_it_twice_loses_it_all(
    auth: grpc.aio.Channel, ada: Person
) -> None:
    first, second = new_address(), new_address()
    undo = await ada.change(first)
    later = await ada.change(second)
    assert ada.addresses() == [False, True, True]
    assert await ada.undo(undo) == ""
    assert await ada.undo(later) == "link_spent", "it would give the thief the account"
    await choose_password(ada)
    assert await ada.log_in(ada.email, NEW) == ""
    assert await is_free(auth, first)
    assert await is_free(auth, second)


async def test_a_change_that_is_not_undone_can_still_be(ada: Person) -> None:
    first = new_address()
    undo = await ada.change(first)
    later = await ada.change(new_address())
    assert await ada.undo(later) == ""
    assert ada.addresses() == [False, True]
    assert await ada.undo(undo) == ""
    assert ada.addresses() == [False]
    await choose_password(ada)
    assert await ada.log_in(ada.email, NEW) == ""


async def test_back_and_forth_is_undone_like_any_other(ada: Person) -> None:
    other = new_address()
    undo = await ada.change(other)
    await ada.change(ada.email)
    assert await ada.log_in(ada.email) == ""
    assert await ada.undo(undo) == ""
    assert ada.addresses() == [False]
    await choose_password(ada)
    assert await ada.log_in(ada.email, NEW) == ""


async def test_an_undo_and_another_change_at_once_do_not_mix(ada: Person) -> None:
    undo = await ada.change(new_address())
    await ada.ask(new_address())
    confirm = await ada.mailed("change_email")
    told = await asyncio.gather(ada.undo(undo), ada.confirm(confirm))
    assert told[0] == ""
    assert told[1] in ("", "link_spent", "session_ended")
    assert ada.addresses() == [False]
    await choose_password(ada)
    assert await ada.log_in(ada.email, NEW) == ""


async def test_nobody_else_gets_the_old_address_while_it_can_come_back(
    auth: grpc.aio.Channel, join: Join
) -> None:
    ada, eve = await join(), await join()
    undo = await ada.change(new_address())
    assert not await is_free(auth, ada.email)
    await eve.ask(ada.email)
    assert await eve.confirm(await eve.mailed("change_email")) == "email_taken"
    assert await ada.undo(undo) == ""


async def test_the_old_address_is_free_and_forgotten_when_its_link_is_over(
    auth: grpc.aio.Channel, system: System, ada: Person
) -> None:
    undo = await ada.change(new_address())
    for statement in (
        "UPDATE auth.links SET expire_time = now() - interval '1 hour' WHERE user_id = %s",
        "UPDATE auth.logins SET release_time = release_time - interval '8 days' WHERE user_id = %s",
        "UPDATE auth.email_changes SET release_time = now() WHERE user_id = %s",
        "UPDATE auth.jobs SET run_at = now() WHERE user_id = %s",
    ):
        ada.admin.execute(statement.encode(), [ada.user_id])
    assert await ada.undo(undo) == "link_spent"
    async with worker(system.settings(APP, process="auth-worker")) as work, work.running():
        work.wake()

        async def forgotten() -> bool:
            left = ada.admin.execute(
                "SELECT count(*) FROM auth.email_changes WHERE user_id = %s", [ada.user_id]
            ).fetchone()
            return left == (0,) and ada.addresses() == [False]

        await eventually(forgotten)
    assert await is_free(auth, ada.email)


async def test_a_stranger_whose_address_was_taken_by_mistake_gets_no_undo(
    auth: grpc.aio.Channel, ada: Person
) -> None:
    """Their link would give them the account of who mistyped; the address is theirs at once."""
    ada.admin.execute("UPDATE auth.users SET email_verified = false WHERE id = %s", [ada.user_id])
    await ada.ask(new_address())
    assert await ada.confirm(await ada.mailed("change_email")) == ""
    assert ada.links("undo_email_change") == []
    assert await is_free(auth, ada.email)


async def test_no_thief_uses_up_the_mails_that_an_undo_needs(ada: Person) -> None:
    undo = await ada.change(new_address())
    ada.admin.execute(
        "INSERT INTO auth.links SELECT user_id, gen_random_uuid(), 'reset_password', now(),"
        " now() + interval '1 hour' FROM auth.links CROSS JOIN generate_series(1, 3)"
        " WHERE user_id = %s",
        [ada.user_id],
    )
    assert await ada.undo(undo) == ""


async def test_an_account_without_a_password_comes_back_too(ada: Person) -> None:
    undo = await ada.change(new_address())
    ada.admin.execute("DELETE FROM auth.credentials WHERE user_id = %s", [ada.user_id])
    assert await ada.undo(undo) == ""
    assert ada.addresses() == [False]


@pytest.mark.parametrize("purpose", ["change_email", "verify_email"])
async def test_a_link_for_something_else_undoes_nothing(ada: Person, purpose: str) -> None:
    await ada.ask(new_address())
    assert await ada.undo(await ada.mailed(purpose)) == "link_spent"

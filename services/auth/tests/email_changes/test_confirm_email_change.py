"""An account gets another address by its link, once; nobody learns whose addresses there are."""

import asyncio
from collections import Counter

import grpc
import pytest

from services.auth.tests.email_changes.conftest import Join
from services.auth.tests.email_changes.mailbox import Admin, Person, is_free, new_address
from services.auth.tests.sessions.test_list_sessions import bearer
from services.auth.tests.sessions.test_log_out import is_refused
from tenon.auth.v1.events_pb2 import EmailChangeRequested
from tenon.auth.v1.password_service_pb2 import ResetPasswordRequest
from tenon.auth.v1.password_service_pb2_grpc import PasswordServiceStub
from tenon.auth.v1.session_service_pb2 import LogInRequest, RefreshSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon_auth.links.models import Purpose
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.waiting import eventually


async def test_nothing_changes_until_the_new_address_confirms(ada: Person) -> None:
    new = new_address()
    await ada.ask(new)
    assert await ada.log_in(new) == "invalid_credentials"
    assert await ada.recipient("change_email") == new
    assert await ada.confirm(await ada.mailed("change_email")) == ""
    assert await ada.log_in(ada.email) == "invalid_credentials"
    assert await ada.log_in(new) == ""
    assert await ada.recipient("undo_email_change") == ada.email


async def test_other_sessions_end_and_the_one_that_confirms_goes_on(
    auth: grpc.aio.Channel, ada: Person
) -> None:
    first = ada.metadata
    assert await ada.log_in(ada.email) == ""
    await ada.change(new_address())
    await eventually(lambda: is_refused(auth, first), within=1.2)
    assert not await is_refused(auth, ada.metadata)


async def test_fifty_confirmations_at_once_are_one(ada: Person) -> None:
    await ada.ask(new_address())
    token = await ada.mailed("change_email")
    told = Counter(await asyncio.gather(*(ada.confirm(token) for _ in range(50))))
    assert told == {"": 1, "link_spent": 49}
    assert len(ada.links("undo_email_change")) == 1


async def test_of_two_accounts_one_gets_an_address(join: Join, auth: grpc.aio.Channel) -> None:
    people, new = [await join() for _ in range(8)], new_address()
    for person in people[:3]:  # to one address go three mails an hour
        await person.ask(new)
    tokens = [await person.mailed("change_email") for person in people[:3]]
    tries = (person.confirm(token) for person, token in zip(people, tokens, strict=False))
    assert Counter(await asyncio.gather(*tries)) == {"": 1, "email_taken": 2}
    assert not await is_free(auth, new)


async def test_whoever_lost_an_address_keeps_their_own(join: Join) -> None:
    ada, eve, new = await join(), await join(), new_address()
    for person in (ada, eve):
        await person.ask(new)
    token = await eve.mailed("change_email")
    assert await ada.confirm(await ada.mailed("change_email")) == ""
    assert await eve.confirm(token) == "email_taken"
    assert await eve.log_in(eve.email) == ""
    assert eve.addresses() == [False]


async def test_two_who_swap_addresses_at_once_both_keep_theirs(join: Join) -> None:
    ada, eve = await join(), await join()
    await ada.ask(eve.email)
    await eve.ask(ada.email)
    tokens = [await person.mailed("change_email") for person in (ada, eve)]
    told = await asyncio.gather(ada.confirm(tokens[0]), eve.confirm(tokens[1]))
    assert set(told) == {"email_taken"}


async def test_the_reply_is_the_same_for_an_address_with_an_account(join: Join) -> None:
    """And no mail goes to it: its owner has asked for nothing."""
    ada, eve = await join(), await join()
    await ada.ask(eve.email)
    assert await ada.recipient("change_email") == ""
    await ada.ask(new_address())
    assert await ada.recipient("change_email") != ""


async def test_another_users_link_is_spent(join: Join) -> None:
    """Or a stranger to whom it was mailed by mistake would have the account."""
    ada, eve = await join(), await join()
    await ada.ask(new_address())
    token = await ada.mailed("change_email")
    assert await eve.confirm(token) == "link_spent"
    assert await ada.confirm(f"{token[:-4]}AAAA") == "link_spent"
    assert await ada.confirm(token) == ""


async def test_links_that_went_to_the_old_address_die_with_it(
    auth: grpc.aio.Channel, ada: Person
) -> None:
    """One who still reads that mailbox would take the account."""
    ada.admin.execute(
        "INSERT INTO auth.links SELECT user_id, gen_random_uuid(), 'reset_password', now(),"
        " now() + interval '1 hour' FROM auth.links WHERE user_id = %s",
        [ada.user_id],
    )
    reset = await ada.mailed(Purpose.RESET_PASSWORD)
    await ada.ask(new_address())
    other = await ada.mailed("change_email")
    await ada.change(new_address())
    request = ResetPasswordRequest(token=reset, new_password="tsunami kettle pelican")
    with pytest.raises(PeerError) as refused:
        await PasswordServiceStub(auth).ResetPassword(request)
    assert refused.value.reason == "link_spent"
    assert await ada.confirm(other) == "link_spent"


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "a b@example.com"])
async def test_what_is_no_address_is_refused(ada: Person, email: str) -> None:
    with pytest.raises(PeerError) as refused:
        await ada.ask(email)
    assert refused.value.reason == "invalid_email"


async def test_ones_own_address_is_no_change(ada: Person) -> None:
    with pytest.raises(PeerError) as refused:
        await ada.ask(ada.email.upper())
    assert [field.pointer for field in refused.value.fields] == ["/email"]


async def test_a_user_has_three_links_an_hour_mailed_to_new_addresses(join: Join) -> None:
    ada = await join()
    for _ in range(3):
        await ada.ask(new_address())
    with pytest.raises(PeerError) as refused:
        await ada.ask(new_address())
    assert (refused.value.reason, refused.value.limit) == ("too_many_mails", "link_mails_per_user")


async def test_others_links_to_an_address_refuse_nobody_and_delay_the_mail(
    join: Join, admin: Admin
) -> None:
    """Or they could keep its owner from it, and whoever asks would learn of them."""
    new = new_address()
    local, domain = new.split("@")
    people = [await join() for _ in range(4)]
    for number, person in enumerate(people):
        await person.ask(f"{local}+{number}@{domain}" if number < 3 else new)
    query = (
        "SELECT payload FROM auth.outbox WHERE user_id = %s AND type LIKE '%%EmailChangeRequested'"
    )
    events = [
        EmailChangeRequested.FromString(admin.execute(query, [one.user_id]).fetchall()[0][0])
        for one in people
    ]
    assert [event.HasField("send_time") for event in events] == [False, False, False, True]


async def test_it_is_asked_for_by_who_has_logged_in_lately(
    auth: grpc.aio.Channel, ada: Person
) -> None:
    sessions = SessionServiceStub(auth)
    begun = await sessions.LogIn(LogInRequest(email=ada.email, password=PASSWORD))
    ada.admin.execute(
        "UPDATE auth.sessions SET auth_time = now() - interval '11 minutes' WHERE id = %s",
        [begun.session.id],
    )
    request = RefreshSessionRequest(refresh_token=begun.tokens.refresh_token)
    refreshed = await sessions.RefreshSession(request)
    ada.metadata = bearer(refreshed.tokens.access_token)
    with pytest.raises(PeerError) as refused:
        await ada.ask(new_address())
    assert refused.value.reason == "recent_auth_required"


async def test_the_new_address_is_stored_sealed_alone(ada: Person) -> None:
    new = new_address()
    await ada.change(new)
    row = ada.admin.execute(
        "SELECT new_email || old_email FROM auth.email_changes WHERE user_id = %s", [ada.user_id]
    ).fetchone()
    assert row is not None
    assert new.encode() not in row[0]
    assert ada.email.encode() not in row[0]

"""Who gets into which account by a provider, and who gets into none."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.identities.conftest import settings_of
from services.auth.tests.identities.hostile_provider import Hostile
from services.auth.tests.identities.visitor import NAME, Visitor
from services.auth.tests.passwords.test_guesses import guess
from tenon.auth.v1.session_service_pb2 import GetSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.app import APP
from tenon_auth.users.service import UserService
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System

Admin = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def admin(system: System) -> Iterator[Admin]:
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


def events_of(admin: Admin, user_id: str) -> list[str]:
    """Return what was told of somebody, but for records of accesses."""
    rows = admin.execute(
        "SELECT type FROM auth.outbox WHERE user_id = %s AND type LIKE 'tenon.auth.%%' ORDER BY id",
        [user_id],
    )
    return [row[0].rpartition(".")[2] for row in rows.fetchall()]


def verify(admin: Admin, signed_up: SignUpResponse) -> None:
    """Let an address be verified, as by its mailed link."""
    user_id = signed_up.user.id
    admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [user_id])


async def test_who_is_new_gets_an_account_of_a_verified_address(
    visitor: Visitor, admin: Admin
) -> None:
    email = f"{uuid4()}@example.com"
    reply = await visitor.log_in(email=email, name="Grace Hopper")
    assert (reply.user.email, reply.user.name) == (email, "Grace Hopper")
    assert reply.user.email_verified
    assert list(reply.session.methods) == ["fed"]
    assert events_of(admin, reply.user.id) == ["UserSignedUp"]
    metadata = Metadata(("authorization", f"Bearer {reply.tokens.access_token}"))
    session = await SessionServiceStub(visitor.oidc).GetSession(
        GetSessionRequest(), metadata=metadata
    )
    assert session.user == reply.user


async def test_who_comes_again_has_the_same_account_whatever_their_address_is_now(
    visitor: Visitor, admin: Admin
) -> None:
    subject = str(uuid4())
    first = await visitor.log_in(sub=subject)
    second = await visitor.log_in(sub=subject, email="moved@example.com", email_verified=False)
    assert second.user == first.user
    assert second.session.id != first.session.id
    assert events_of(admin, first.user.id) == ["UserSignedUp", "SessionStarted"]


async def test_another_subject_is_another_person(visitor: Visitor) -> None:
    replies = [await visitor.log_in() for _ in range(2)]
    assert replies[0].user.id != replies[1].user.id


async def test_subjects_that_differ_in_blanks_or_case_are_different_people(
    visitor: Visitor,
) -> None:
    subject = f"a{uuid4()}"
    replies = [await visitor.log_in(sub=one) for one in (subject, f" {subject}", subject.upper())]
    assert len({reply.user.id for reply in replies}) == 3


@pytest.mark.parametrize("email", ["\ud800@example.com", "a\u0000b@example.com", "a" * 321, 7])
async def test_an_address_that_makes_no_sense_is_none(
    visitor: Visitor, hostile: Hostile, email: object
) -> None:
    subject = str(uuid4())
    hostile.userinfo = {"sub": subject}
    assert await visitor.refused(sub=subject, email=email) == "provider_email_unverified"


async def test_an_account_of_a_verified_address_is_connected(
    visitor: Visitor, signed_up: SignUpResponse, admin: Admin
) -> None:
    verify(admin, signed_up)
    reply = await visitor.log_in(email=signed_up.user.email.upper())
    assert reply.user.id == signed_up.user.id
    assert events_of(admin, reply.user.id)[-2:] == ["IdentityLinked", "SessionStarted"]


async def test_pre_account_takeover_whoever_signed_up_first_shares_no_account(
    visitor: Visitor, signed_up: SignUpResponse, admin: Admin
) -> None:
    """The attacker has signed up with somebody's address and a password of their own; its owner
    comes by a provider. Once it is known whose address it is, they do get in.
    """
    email = signed_up.user.email
    assert await visitor.refused(email=email) == "account_unverified"
    assert admin.execute(
        "SELECT count(*) FROM auth.identities WHERE user_id = %s", [signed_up.user.id]
    ).fetchone() == (0,)
    verify(admin, signed_up)
    assert await visitor.refused(email=email) == ""


async def test_control_without_the_check_the_attacker_shares_it(
    visitor: Visitor, signed_up: SignUpResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verified(*arguments: Any) -> Any:
        user = await get_within(*arguments)
        object.__setattr__(user, "email_verified", True)
        return user

    get_within = UserService.get_within
    monkeypatch.setattr(UserService, "get_within", verified)
    assert await visitor.refused(email=signed_up.user.email) == ""


@pytest.mark.parametrize("said", [None, False, "true", "True", 1, "yes", [True]])
async def test_an_address_that_the_provider_does_not_vouch_for_opens_nothing(
    visitor: Visitor, signed_up: SignUpResponse, admin: Admin, said: object
) -> None:
    """Neither an account that has it nor a new one; and the refusal says not which."""
    verify(admin, signed_up)
    for email in (signed_up.user.email, f"{uuid4()}@example.com"):
        told = await visitor.refused(email=email, email_verified=said)
        assert told == "provider_email_unverified"
    assert await visitor.refused(email=signed_up.user.email, email_verified=True) == ""


async def test_whose_provider_knows_no_address_gets_no_account(
    visitor: Visitor, hostile: Hostile
) -> None:
    subject = str(uuid4())
    hostile.userinfo = {"sub": subject, "email_verified": True}
    assert await visitor.refused(sub=subject, email=None) == "provider_email_unverified"


async def test_an_address_may_be_told_elsewhere_than_in_the_token(
    visitor: Visitor, hostile: Hostile
) -> None:
    email, subject = f"{uuid4()}@example.com", str(uuid4())
    hostile.userinfo = {"sub": subject, "email": email, "email_verified": True}
    reply = await visitor.log_in(sub=subject, email=None, email_verified=None)
    assert reply.user.email == email


async def test_an_address_is_vouched_for_where_it_is_told(
    visitor: Visitor, hostile: Hostile
) -> None:
    """What the token vouches for is another address, or none."""
    subject = str(uuid4())
    hostile.userinfo = {"sub": subject, "email": f"{uuid4()}@example.com"}
    told = await visitor.refused(sub=subject, email=None, email_verified=True)
    assert told == "provider_email_unverified"
    hostile.userinfo["email_verified"] = True
    assert await visitor.refused(sub=subject, email=None, email_verified=None) == ""


@pytest.mark.parametrize("subject", ["another", "\ud800", None, 7])
async def test_what_is_told_elsewhere_is_of_the_same_person(
    visitor: Visitor, hostile: Hostile, subject: object
) -> None:
    hostile.userinfo = {"sub": subject, "email": "a@example.com", "email_verified": True}
    assert await visitor.refused(email=None, email_verified=None) == "id_token_invalid"


async def test_an_address_that_changed_hands_does_not_open_the_account_of_its_former_owner(
    visitor: Visitor,
) -> None:
    """Providers give addresses anew; the subject stays somebody else's."""
    email = f"{uuid4()}@example.com"
    await visitor.log_in(email=email)
    assert await visitor.refused(email=email) == "provider_connected"


async def test_many_windows_at_once_make_one_account(visitor: Visitor) -> None:
    subject, email = str(uuid4()), f"{uuid4()}@example.com"
    replies = await asyncio.gather(*(visitor.log_in(sub=subject, email=email) for _ in range(8)))
    assert len({reply.user.id for reply in replies}) == 1


async def test_an_account_without_a_password_is_not_logged_in_to_by_one(visitor: Visitor) -> None:
    reply = await visitor.log_in()
    for password, expected in (("", "invalid_argument"), (PASSWORD, "invalid_credentials")):
        assert await guess(visitor.oidc, reply.user.email, password) == expected


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "a\u0000b", "http://evil.example", 7, None])
async def test_who_has_no_name_that_we_take_is_called_by_their_address(
    visitor: Visitor, name: object
) -> None:
    reply = await visitor.log_in(email=f"grace.{uuid4()}@example.com", name=name)
    assert reply.user.name == reply.user.email.partition("@")[0]


async def test_what_is_stored_of_an_identity_is_sealed(visitor: Visitor, admin: Admin) -> None:
    subject, email = f"subject-{uuid4()}", f"{uuid4()}@example.com"
    reply = await visitor.log_in(sub=subject, email=email)
    rows = admin.execute(
        "SELECT i::text || l::text, i.subject, i.email FROM auth.identities AS i"
        " JOIN auth.identity_logins AS l ON l.identity_id = i.id WHERE i.user_id = %s",
        [reply.user.id],
    ).fetchall()
    ((text, *sealed),) = rows
    for secret in (subject, email):
        assert secret not in text
        assert all(secret.encode() not in value for value in sealed)


@pytest.fixture(scope="module")
async def closed(system: System, providers: dict[str, Hostile]) -> AsyncIterator[grpc.aio.Channel]:
    chosen = settings_of(NAME, providers[NAME], trust_email=True)
    async with system.serving(APP, oidc_providers=[chosen], sign_up="closed") as channel:
        yield channel


async def test_where_sign_up_is_closed_only_who_has_an_account_gets_in(
    closed: grpc.aio.Channel, hostile: Hostile, signed_up: SignUpResponse, admin: Admin
) -> None:
    visitor = Visitor(closed, hostile)
    assert await visitor.refused() == "sign_up_closed"
    verify(admin, signed_up)
    assert (await visitor.log_in(email=signed_up.user.email)).user.id == signed_up.user.id


@pytest.mark.parametrize(("said", "told"), [(None, ""), ("true", ""), (False, "no"), ("no", "no")])
async def test_where_the_operator_trusts_a_providers_addresses_silence_is_assent(
    closed: grpc.aio.Channel,
    hostile: Hostile,
    signed_up: SignUpResponse,
    admin: Admin,
    said: object,
    told: str,
) -> None:
    verify(admin, signed_up)
    refused = await Visitor(closed, hostile).refused(
        email=signed_up.user.email, email_verified=said
    )
    assert refused == ("provider_email_unverified" if told else "")


async def test_where_addresses_are_verified_first_the_providers_word_is_enough(
    system: System, providers: dict[str, Hostile], hostile: Hostile
) -> None:
    chosen = [settings_of(NAME, providers[NAME])]
    email = f"{uuid4()}@example.com"
    async with system.serving(APP, oidc_providers=chosen, sign_up="verified") as channel:
        request = SignUpRequest(email=email, password=PASSWORD, name="Mallory")
        await UserServiceStub(channel).SignUp(request)  # and waits for a link that they never see
        reply = await Visitor(channel, hostile).log_in(email=email)
    assert reply.user.email_verified


async def test_an_address_that_is_none_is_told(visitor: Visitor) -> None:
    begun = await visitor.start()
    with pytest.raises(PeerError) as refused:
        await visitor.finish(begun, visitor.provider.code(begun.url, email="grace"))
    assert refused.value.reason == "invalid_email"


async def test_fifty_at_once_of_one_state_begin_one_session(
    visitor: Visitor, hostile: Hostile
) -> None:
    begun = await visitor.start()
    code = hostile.code(begun.url)
    told = Counter(await asyncio.gather(*(visitor.told(begun, code) for _ in range(50))))
    assert told == {"": 1, "flow_spent": 49}
    assert hostile.exchanged == [code]

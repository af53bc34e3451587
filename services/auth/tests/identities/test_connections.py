"""Connecting one's account with one at a provider, and disconnecting it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from grpc.aio import Metadata

from services.auth.tests.identities.hostile_provider import Hostile
from services.auth.tests.identities.test_log_in import events_of, verify
from services.auth.tests.identities.visitor import NAME, OTHER, Begun, Visitor
from services.auth.tests.passwords.test_change_password import change
from services.auth.tests.passwords.test_guesses import guess
from services.auth.tests.passwords.test_reset_password import (
    NEW,
    Forget,
    forget,
    links_of,
    reset,
)
from tenon.auth.v1.identity_pb2 import Identity
from tenon.auth.v1.identity_service_pb2 import (
    DisconnectIdentityRequest,
    FinishProviderLogInResponse,
    ListIdentitiesRequest,
)
from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceStub
from tenon.auth.v1.session_service_pb2 import RefreshSessionRequest, RevokeSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse
from tenon_auth.identities.people import People
from tenon_rpc.status import PeerError
from tenon_testing.callers import Callers
from tenon_testing.system import System

__all__ = ["forget"]  # a fixture

Admin = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def admin(system: System) -> Iterator[Admin]:
    with psycopg.connect(system.admin_url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def verified(signed_up: SignUpResponse, admin: Admin) -> SignUpResponse:
    """Somebody with a password, whose address is verified."""
    verify(admin, signed_up)
    return signed_up


async def listed(visitor: Visitor, metadata: Metadata) -> list[Identity]:
    reply = await visitor.stub.ListIdentities(ListIdentitiesRequest(), metadata=metadata)
    return list(reply.items)


async def disconnect(visitor: Visitor, metadata: Metadata, identity_id: str) -> str:
    """Return the reason of a refusal; empty if it is done."""
    request = DisconnectIdentityRequest(identity_id=identity_id)
    try:
        await visitor.stub.DisconnectIdentity(request, metadata=metadata)
    except PeerError as error:
        return error.reason
    return ""


def of(reply: FinishProviderLogInResponse) -> Metadata:
    """Return what calls of somebody carry who has just logged in."""
    return Metadata(("authorization", f"Bearer {reply.tokens.access_token}"))


async def connected(visitor: Visitor, metadata: Metadata, **claims: Any) -> str:
    """Connect; return the reason of a refusal, empty if it is done."""
    begun = await visitor.connect(metadata)
    return await visitor.told(begun, visitor.provider.code(begun.url, **claims))


async def test_a_connected_one_logs_in_whatever_its_address_is(
    visitor: Visitor, verified: SignUpResponse, metadata: Metadata, admin: Admin
) -> None:
    subject, email = str(uuid4()), f"{uuid4()}@example.com"
    begun = await visitor.connect(metadata)
    code = visitor.provider.code(begun.url, sub=subject, email=email, email_verified=False)
    reply = await visitor.finish(begun, code)
    assert not reply.HasField("session"), "no session but the one that asked"
    (identity,) = await listed(visitor, metadata)
    assert (identity.provider, identity.title, identity.email) == (NAME, "Acme", email)
    assert events_of(admin, verified.user.id)[-1] == "IdentityLinked"
    assert (await visitor.log_in(sub=subject, email_verified=False)).user.id == verified.user.id


async def test_it_may_be_connected_again(
    visitor: Visitor, verified: SignUpResponse, metadata: Metadata, admin: Admin
) -> None:
    subject = str(uuid4())
    for _ in range(2):
        assert await connected(visitor, metadata, sub=subject) == ""
    assert len(await listed(visitor, metadata)) == 1
    assert Counter(events_of(admin, verified.user.id))["IdentityLinked"] == 1


async def test_pre_account_takeover_nobody_connects_with_an_account_of_an_unverified_address(
    visitor: Visitor, signed_up: SignUpResponse, metadata: Metadata, admin: Admin
) -> None:
    """Who signed up with somebody's address would keep a way in, whatever its owner does later."""
    with pytest.raises(PeerError) as refused:
        await visitor.connect(metadata)
    assert refused.value.reason == "email_unverified"
    verify(admin, signed_up)
    begun = await visitor.connect(metadata)
    admin.execute("UPDATE auth.users SET email_verified = false WHERE id = %s", [signed_up.user.id])
    assert await visitor.told(begun, visitor.provider.code(begun.url)) == "email_unverified"


@pytest.mark.usefixtures("verified")
async def test_somebody_elses_is_not_connected(visitor: Visitor, metadata: Metadata) -> None:
    subject = str(uuid4())
    theirs = await visitor.log_in(sub=subject)
    assert await connected(visitor, metadata, sub=subject) == "identity_taken"
    assert (await visitor.log_in(sub=subject)).user == theirs.user


@pytest.mark.usefixtures("verified")
async def test_a_second_one_of_a_provider_is_refused(visitor: Visitor, metadata: Metadata) -> None:
    assert await connected(visitor, metadata) == ""
    assert await connected(visitor, metadata) == "provider_connected"
    assert len(await listed(visitor, metadata)) == 1


@pytest.mark.usefixtures("verified")
async def test_of_many_at_once_for_two_accounts_one_has_it(
    visitor: Visitor, metadata: Metadata, callers: Callers, admin: Admin
) -> None:
    subject, other = str(uuid4()), await callers.user()
    admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [other.user_id])
    told = await asyncio.gather(
        *(connected(visitor, one, sub=subject) for one in (metadata, other.metadata))
    )
    assert sorted(told) == ["", "identity_taken"]
    held = [await listed(visitor, one) for one in (metadata, other.metadata)]
    assert sorted(map(len, held)) == [0, 1]


async def test_a_session_that_ended_meanwhile_connects_nothing(
    visitor: Visitor, verified: SignUpResponse, metadata: Metadata
) -> None:
    begun = await visitor.connect(metadata)
    request = RevokeSessionRequest(session_id=verified.session.id)
    await SessionServiceStub(visitor.oidc).RevokeSession(request, metadata=metadata)
    assert await visitor.told(begun, visitor.provider.code(begun.url)) == "session_ended"


async def test_so_does_one_that_ended_at_the_last_moment(
    visitor: Visitor,
    verified: SignUpResponse,
    metadata: Metadata,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was live when it was looked at, before the identity was added."""
    connect, request = People.connect, RevokeSessionRequest(session_id=verified.session.id)

    async def late(self: People, *arguments: object) -> None:
        await SessionServiceStub(visitor.oidc).RevokeSession(request, metadata=metadata)
        await connect(self, *arguments)  # type: ignore[arg-type] # whatever it takes

    monkeypatch.setattr(People, "connect", late)
    subject = str(uuid4())
    assert await connected(visitor, metadata, sub=subject) == "session_ended"
    monkeypatch.undo()
    assert (await visitor.log_in(sub=subject)).user.id != verified.user.id


@pytest.mark.usefixtures("verified")
async def test_a_flow_that_connects_is_forged_by_nobody(
    visitor: Visitor, metadata: Metadata
) -> None:
    """Whoever logs in by it does not connect, and the other way round: the cookie says which."""
    begun, log_in = await visitor.connect(metadata), await visitor.start()
    swapped = Begun(begun.url, log_in.flow_token)
    assert await visitor.told(swapped, visitor.provider.code(begun.url)) == "flow_spent"


async def test_who_has_another_way_in_disconnects(
    visitor: Visitor, verified: SignUpResponse, metadata: Metadata
) -> None:
    subject = str(uuid4())
    assert await connected(visitor, metadata, sub=subject) == ""
    (identity,) = await listed(visitor, metadata)
    assert await disconnect(visitor, metadata, identity.id) == ""
    assert await listed(visitor, metadata) == []
    assert await disconnect(visitor, metadata, identity.id) == "identity_not_found"
    assert (await visitor.log_in(sub=subject)).user.id != verified.user.id


async def test_the_last_way_in_stays(visitor: Visitor) -> None:
    reply = await visitor.log_in()
    (identity,) = await listed(visitor, of(reply))
    assert await disconnect(visitor, of(reply), identity.id) == "last_way_in"
    assert len(await listed(visitor, of(reply))) == 1


async def test_of_two_ways_in_that_go_at_once_one_stays(
    visitor: Visitor, providers: dict[str, Hostile]
) -> None:
    reply = await visitor.log_in()
    begun = await visitor.connect(of(reply), OTHER)
    code = providers[OTHER].code(begun.url)
    assert await visitor.told(begun, code, provider=OTHER) == ""
    held = await listed(visitor, of(reply))
    told = await asyncio.gather(*(disconnect(visitor, of(reply), one.id) for one in held))
    assert sorted(told) == ["", "last_way_in"]


async def test_a_provider_that_is_gone_is_no_way_in(
    visitor: Visitor, providers: dict[str, Hostile], admin: Admin
) -> None:
    reply = await visitor.log_in()
    begun = await visitor.connect(of(reply), OTHER)
    code = providers[OTHER].code(begun.url)
    assert await visitor.told(begun, code, provider=OTHER) == ""
    admin.execute(
        "UPDATE auth.identities SET issuer = 'https://gone.example' WHERE user_id = %s"
        " AND issuer = %s",
        [reply.user.id, providers[OTHER].issuer],
    )
    gone = {one.title: one for one in await listed(visitor, of(reply))}
    assert gone["https://gone.example"].provider == ""
    assert await disconnect(visitor, of(reply), gone["Acme"].id) == "last_way_in"
    assert await disconnect(visitor, of(reply), gone["https://gone.example"].id) == ""


@pytest.mark.usefixtures("verified")
async def test_nobody_disconnects_for_somebody_else(visitor: Visitor, metadata: Metadata) -> None:
    theirs = await visitor.log_in()
    (identity,) = await listed(visitor, of(theirs))
    assert await disconnect(visitor, metadata, identity.id) == "identity_not_found"
    assert await disconnect(visitor, metadata, "x") == "identity_not_found"
    assert len(await listed(visitor, of(theirs))) == 1


async def test_without_a_password_there_is_none_to_change(visitor: Visitor) -> None:
    reply = await visitor.log_in()
    assert await change(visitor.oidc, of(reply)) == "no_password"


async def test_a_first_password_is_chosen_by_a_mailed_link(
    visitor: Visitor, system: System, admin: Admin, forget: Forget
) -> None:
    """And then the provider is not the only way in any more."""
    subject = str(uuid4())
    first = await visitor.log_in(sub=subject)
    await forget(first.user.email)
    (link_id,) = links_of(admin, first.user.id)
    channel = system.channel("auth", caller="notifications-worker")
    notice = await LinkServiceStub(channel).GetLinkNotice(
        GetLinkNoticeRequest(user_id=first.user.id, link_id=link_id)
    )
    await channel.close(None)
    assert await reset(visitor.oidc, notice.token) == ""
    assert await guess(visitor.oidc, first.user.email, NEW) == ""
    again = await visitor.log_in(sub=subject)
    assert await change(visitor.oidc, of(again), current=NEW, new=f"{NEW} anew") == ""
    (identity,) = await listed(visitor, of(again))
    assert await disconnect(visitor, of(again), identity.id) == ""


async def test_an_old_log_in_connects_and_disconnects_nothing(
    visitor: Visitor, verified: SignUpResponse, admin: Admin
) -> None:
    admin.execute(
        "UPDATE auth.sessions SET auth_time = now() - interval '11 minutes' WHERE user_id = %s",
        [verified.user.id],
    )
    metadata = await refreshed(visitor.oidc, verified.tokens.refresh_token)
    with pytest.raises(PeerError) as refused:
        await visitor.connect(metadata)
    assert refused.value.reason == "recent_auth_required"
    assert await disconnect(visitor, metadata, str(uuid4())) == "recent_auth_required"


async def refreshed(auth: grpc.aio.Channel, refresh_token: str) -> Metadata:
    reply = await SessionServiceStub(auth).RefreshSession(
        RefreshSessionRequest(refresh_token=refresh_token)
    )
    return Metadata(("authorization", f"Bearer {reply.tokens.access_token}"))

"""Which addresses are one account: for sign-up, log-in, address change and password reset."""

import grpc
import pytest

from services.auth.tests.sessions.test_list_sessions import bearer
from tenon.auth.v1.email_change_service_pb2 import RequestEmailChangeRequest
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceStub
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import ConfirmAddressRequest, SignUpRequest, SignUpResponse
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_rpc.status import PeerError
from tenon_testing.addresses import INVALID, PAIRS, Pair
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


async def sign_up(auth: grpc.aio.Channel, email: str) -> SignUpResponse:
    request = SignUpRequest(email=email, password=PASSWORD, name="Carol")
    reply: SignUpResponse = await UserServiceStub(auth).SignUp(request)
    return reply


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_an_account_is_logged_in_to_by_its_own_address_only(
    auth: grpc.aio.Channel, pair: Pair
) -> None:
    first, second = pair.unique()
    account = await sign_up(auth, first)
    log_ins = SessionServiceStub(auth)
    again = await log_ins.LogIn(LogInRequest(email=first, password=PASSWORD))
    assert again.user.id == account.user.id
    if pair.same:
        other = await log_ins.LogIn(LogInRequest(email=second, password=PASSWORD))
        assert other.user.id == account.user.id
    else:
        with pytest.raises(PeerError) as refused:
            await log_ins.LogIn(LogInRequest(email=second, password=PASSWORD))
        assert refused.value.reason == "invalid_credentials"


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_an_address_has_one_account(auth: grpc.aio.Channel, pair: Pair) -> None:
    first, second = pair.unique()
    account = await sign_up(auth, first)
    if pair.same:
        with pytest.raises(PeerError) as refused:
            await sign_up(auth, second)
        assert refused.value.reason == "email_taken"
    else:
        assert (await sign_up(auth, second)).user.id != account.user.id


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_an_address_is_changed_to_another_one_only(
    auth: grpc.aio.Channel, pair: Pair
) -> None:
    first, second = pair.unique()
    account = await sign_up(auth, first)
    changes, metadata = EmailChangeServiceStub(auth), bearer(account.tokens.access_token)
    request = RequestEmailChangeRequest(email=second)
    if pair.same:
        with pytest.raises(PeerError) as refused:
            await changes.RequestEmailChange(request, metadata=metadata)
        assert refused.value.reason == "invalid_email"
    else:
        await changes.RequestEmailChange(request, metadata=metadata)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_another_service_confirms_the_accounts_own_address_only(
    system: System, auth: grpc.aio.Channel, pair: Pair
) -> None:
    first, second = pair.unique()
    account = await sign_up(auth, first)
    tenancy = system.channel("auth", caller="tenancy")
    confirm = UserServiceStub(tenancy).ConfirmAddress
    request = ConfirmAddressRequest(user_id=account.user.id, email=second)
    if pair.same:
        await confirm(request)
    else:
        with pytest.raises(PeerError) as refused:
            await confirm(request)
        assert refused.value.reason == "address_not_theirs"
    await tenancy.close(None)


@pytest.mark.parametrize("text", [text for text in INVALID if "\ud800" not in text], ids=ascii)
async def test_nobody_signs_up_with_text_that_is_no_address(
    auth: grpc.aio.Channel, text: str
) -> None:
    with pytest.raises(PeerError) as refused:
        await sign_up(auth, text)
    assert refused.value.reason == "invalid_email"
    assert [one.pointer for one in refused.value.fields] == ["/email"]


async def test_the_stored_address_keeps_the_spelling_of_its_owner(auth: grpc.aio.Channel) -> None:
    reply = await sign_up(auth, " Rene\u0301.Straße@XN--STRAE-OQA.example ")
    assert reply.user.email == "Ren\u00e9.Straße@straße.example"

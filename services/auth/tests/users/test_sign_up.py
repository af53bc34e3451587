import grpc
import pytest

from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_rpc.status import PeerError

PASSWORD = "correct horse battery staple"


async def test_makes_an_account_and_logs_it_in(auth: grpc.aio.Channel) -> None:
    reply = await UserServiceStub(auth).SignUp(
        SignUpRequest(email="ada@example.com", password=PASSWORD, name=" Ada ")
    )
    assert reply.user.name == "Ada"
    assert reply.session.id
    assert reply.tokens.access_token


async def test_refuses_a_known_address_in_any_case(auth: grpc.aio.Channel) -> None:
    stub = UserServiceStub(auth)
    await stub.SignUp(SignUpRequest(email="bob@example.com", password=PASSWORD, name="Bob"))
    with pytest.raises(PeerError) as refused:
        await stub.SignUp(SignUpRequest(email="BOB@example.com", password=PASSWORD, name="Bob"))
    assert refused.value.reason == "email_taken"

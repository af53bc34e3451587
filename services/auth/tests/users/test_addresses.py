import grpc
import pytest

from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_testing.callers import PASSWORD


@pytest.mark.parametrize(
    ("signed_up", "typed"),
    [
        ("Carol@example.com", " carol@EXAMPLE.com "),
        ("dora@xn--bcher-kva.example", "dora@bücher.example"),
        ("rene\u0301@example.com", "ren\u00e9@example.com"),
    ],
    ids=["case and spaces", "punycode", "decomposed accent"],
)
async def test_every_way_to_write_an_address_logs_in(
    auth: grpc.aio.Channel, signed_up: str, typed: str
) -> None:
    account = SignUpRequest(email=signed_up, password=PASSWORD, name="C")
    reply = await UserServiceStub(auth).SignUp(account)
    for email in (signed_up, typed):
        again = await SessionServiceStub(auth).LogIn(LogInRequest(email=email, password=PASSWORD))
        assert again.user.id == reply.user.id

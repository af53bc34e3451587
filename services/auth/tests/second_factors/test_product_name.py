"""What authenticator apps and browsers call the product."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, unquote, urlsplit

import grpc
import pytest
from grpc.aio import Metadata
from pydantic import ValidationError

from services.auth.tests.passkeys.test_passkeys import creation_options
from tenon.auth.v1.second_factor_service_pb2 import StartTotpRequest
from tenon.auth.v1.second_factor_service_pb2_grpc import SecondFactorServiceStub
from tenon_auth.app import APP
from tenon_testing.system import System

NAME = "Beacon & Co"


@pytest.fixture
async def named(system: System) -> AsyncIterator[grpc.aio.Channel]:
    async with system.serving(APP, product_name=NAME) as channel:
        yield channel


async def test_an_authenticator_app_shows_the_products_name(
    named: grpc.aio.Channel, metadata: Metadata
) -> None:
    reply = await SecondFactorServiceStub(named).StartTotp(StartTotpRequest(), metadata=metadata)
    uri = urlsplit(reply.otpauth_uri)
    assert unquote(uri.path).startswith(f"/{NAME}:")
    assert parse_qs(uri.query)["issuer"] == [NAME]


async def test_a_browser_shows_the_products_name(
    named: grpc.aio.Channel, metadata: Metadata
) -> None:
    options = await creation_options(named, metadata)
    assert options["rp"]["name"] == NAME


@pytest.mark.parametrize("name", ["", "a:b", "https://evil.example", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_shown_refuses_the_start(system: System, name: str) -> None:
    with pytest.raises(ValidationError, match="product_name"):
        system.settings(APP, product_name=name)

"""Addresses that the deployment's mail server cannot take are refused when they are given."""

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest
from grpc.aio import Metadata

from services.auth.tests.users.test_addresses import sign_up
from tenon.auth.v1.email_change_service_pb2 import RequestEmailChangeRequest
from tenon.auth.v1.email_change_service_pb2_grpc import EmailChangeServiceStub
from tenon_auth.app import APP
from tenon_rpc.status import PeerError
from tenon_testing.system import System


@pytest.fixture
async def ascii_only(system: System) -> AsyncIterator[grpc.aio.Channel]:
    async with system.serving(APP, smtputf8=False) as channel:
        yield channel


async def test_nobody_signs_up_with_an_address_that_gets_no_mail(
    ascii_only: grpc.aio.Channel,
) -> None:
    with pytest.raises(PeerError) as refused:
        await sign_up(ascii_only, f"ren\u00e9.{uuid4()}@example.com")
    (problem,) = refused.value.fields
    assert (refused.value.reason, problem.pointer) == ("invalid_email", "/email")
    assert "ASCII" in problem.message
    assert await sign_up(ascii_only, f"{uuid4()}@b\u00fccher.example")


async def test_nobody_changes_to_an_address_that_gets_no_mail(
    ascii_only: grpc.aio.Channel, metadata: Metadata
) -> None:
    request = RequestEmailChangeRequest(email=f"ren\u00e9.{uuid4()}@example.com")
    with pytest.raises(PeerError) as refused:
        await EmailChangeServiceStub(ascii_only).RequestEmailChange(request, metadata=metadata)
    assert refused.value.reason == "invalid_email"

"""Names of people, API keys and passkeys, and of the devices that they log in on."""

from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc.aio import Metadata

from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.passkeys.test_passkeys import add, creation_options
from tenon.auth.v1.api_key_service_pb2 import CreateApiKeyRequest
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon.auth.v1.session_pb2 import Device
from tenon.auth.v1.user_service_pb2 import SignUpRequest, UpdateUserRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_VIEWER
from tenon_rpc.status import PeerError
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.names import INVALID, VALID

BAD = {why: name for why, name in INVALID.items() if "much" not in why}


def sign_up(name: str, **fields: Any) -> SignUpRequest:
    return SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name=name, **fields)


def wrong_fields(refused: PeerError) -> list[str]:
    return [field.pointer for field in refused.fields]


@pytest.mark.parametrize("name", VALID, ids=ascii)
async def test_a_person_may_have_a_name(auth: grpc.aio.Channel, name: str) -> None:
    assert (await UserServiceStub(auth).SignUp(sign_up(name))).user.name == name


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
async def test_no_person_signs_up_with_a_bad_name(auth: grpc.aio.Channel, name: str) -> None:
    with pytest.raises(PeerError) as refused:
        await UserServiceStub(auth).SignUp(sign_up(name))
    assert wrong_fields(refused.value) == ["/name"]


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
async def test_no_person_changes_to_a_bad_name(
    auth: grpc.aio.Channel, metadata: Metadata, name: str
) -> None:
    request = UpdateUserRequest(name=name)
    request.update_mask.paths[:] = ["name"]
    with pytest.raises(PeerError) as refused:
        await UserServiceStub(auth).UpdateUser(request, metadata=metadata)
    assert wrong_fields(refused.value) == ["/name"]


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
async def test_no_api_key_has_a_bad_name(
    auth: grpc.aio.Channel, callers: Callers, name: str
) -> None:
    tenant = await callers.tenant()
    request = CreateApiKeyRequest(org_id=str(tenant.org_id), name=name, role=ROLE_VIEWER)
    with pytest.raises(PeerError) as refused:
        await ApiKeyServiceStub(auth).CreateApiKey(request, metadata=tenant.metadata)
    assert "/name" in wrong_fields(refused.value)


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
async def test_no_passkey_has_a_bad_name(
    auth: grpc.aio.Channel, metadata: Metadata, passkey: Authenticator, name: str
) -> None:
    made = passkey.make(await creation_options(auth, metadata))
    assert await add(auth, metadata, made, name) == "invalid_argument"


@pytest.mark.parametrize(
    "user_agent", ["https://evil.example/1.0", "Mozilla/5.0 www.evil.example/2.0 Mobile"]
)
async def test_no_device_is_called_by_a_link(auth: grpc.aio.Channel, user_agent: str) -> None:
    device = Device(user_agent=user_agent)
    reply = await UserServiceStub(auth).SignUp(sign_up("Ada", device=device))
    assert "evil" not in reply.session.device

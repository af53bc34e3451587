"""One's own account is changed field by field, and nobody else's."""

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc.aio import Metadata

from tenon.auth.v1.session_service_pb2 import GetSessionRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpResponse, UpdateUserRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_rpc.status import PeerError


async def update(auth: grpc.aio.Channel, metadata: Metadata, name: str, *paths: str) -> str:
    """Return the name in the reply."""
    request = UpdateUserRequest(name=name, update_mask=FieldMask(paths=paths))
    reply = await UserServiceStub(auth).UpdateUser(request, metadata=metadata)
    changed: str = reply.user.name
    return changed


async def name_of(auth: grpc.aio.Channel, metadata: Metadata) -> str:
    reply = await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    found: str = reply.user.name
    return found


async def test_a_name_is_changed_where_the_mask_names_it(
    auth: grpc.aio.Channel, metadata: Metadata
) -> None:
    assert await update(auth, metadata, "Grace") == "Ada"
    assert await update(auth, metadata, "  Grace ", "name") == "Grace"
    assert await name_of(auth, metadata) == "Grace"


async def test_the_rest_of_the_account_stays(
    auth: grpc.aio.Channel, metadata: Metadata, signed_up: SignUpResponse
) -> None:
    await update(auth, metadata, "Grace", "name")
    reply = await SessionServiceStub(auth).GetSession(GetSessionRequest(), metadata=metadata)
    signed_up.user.name = "Grace"
    assert reply.user == signed_up.user


@pytest.mark.parametrize(
    ("name", "path", "pointer"),
    [
        ("", "name", "/name"),
        ("A" * 101, "name", "/name"),
        ("two\nlines", "name", "/name"),
        ("Grace", "email", "/update_mask"),
        ("Grace", "id", "/update_mask"),
    ],
)
async def test_what_cannot_be_is_refused_and_named(
    auth: grpc.aio.Channel, metadata: Metadata, name: str, path: str, pointer: str
) -> None:
    with pytest.raises(PeerError) as refused:
        await update(auth, metadata, name, path)
    assert refused.value.reason == "invalid_argument"
    assert [field.pointer for field in refused.value.fields] == [pointer]
    assert await name_of(auth, metadata) == "Ada"

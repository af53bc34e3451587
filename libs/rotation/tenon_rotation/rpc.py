"""An organization's data keys, told to tenancy: the same for every service that has some."""

from uuid import UUID

from tenon.privacy.v1 import data_key_pb2
from tenon.privacy.v1.data_key_service_pb2 import (
    ListDataKeysRequest,
    ListDataKeysResponse,
    RotateDataKeysRequest,
    RotateDataKeysResponse,
)
from tenon.privacy.v1.data_key_service_pb2_grpc import (
    DataKeyServiceServicer,
    add_DataKeyServiceServicer_to_server,
)
from tenon_core.errors import NotFound
from tenon_core.ids import parse_id
from tenon_crypto.repository import KeyVersion
from tenon_rotation.models import Rotation, State
from tenon_rotation.org_keys import OrgKeys
from tenon_rpc.guard import current_call
from tenon_rpc.methods import Registration
from tenon_rpc.times import packed_time

STATES = {
    State.RUNNING: data_key_pb2.ROTATION_STATE_RUNNING,
    State.SUCCEEDED: data_key_pb2.ROTATION_STATE_SUCCEEDED,
    State.FAILED: data_key_pb2.ROTATION_STATE_FAILED,
}


def data_keys(keys: OrgKeys) -> Registration:
    return add_DataKeyServiceServicer_to_server, DataKeyServicer(keys)


class DataKeyServicer(DataKeyServiceServicer):
    def __init__(self, keys: OrgKeys) -> None:
        self._keys = keys

    async def ListDataKeys(
        self, request: ListDataKeysRequest, context: object
    ) -> ListDataKeysResponse:
        versions, rotation = await self._keys.get(_org_id(request.org_id))
        return ListDataKeysResponse(
            keys=map(_packed_key, versions), rotation=_packed(rotation) if rotation else None
        )

    async def RotateDataKeys(
        self, request: RotateDataKeysRequest, context: object
    ) -> RotateDataKeysResponse:
        rotation = await self._keys.rotate(current_call(), _org_id(request.org_id))
        return RotateDataKeysResponse(rotation=_packed(rotation))


def _org_id(text: str) -> UUID:
    org_id = parse_id(text)
    if org_id is None:
        raise NotFound
    return org_id


def _packed_key(key: KeyVersion) -> data_key_pb2.DataKey:
    return data_key_pb2.DataKey(
        id=str(key.id), create_time=packed_time(key.create_time), current=key.current
    )


def _packed(rotation: Rotation) -> data_key_pb2.KeyRotation:
    finished = rotation.finish_time
    return data_key_pb2.KeyRotation(
        id=str(rotation.id),
        state=STATES[rotation.state],
        done=rotation.done,
        total=rotation.total,
        create_time=packed_time(rotation.create_time),
        finish_time=packed_time(finished) if finished else None,
    )

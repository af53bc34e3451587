from tenon.tenancy.v1 import audit_checkpoint_pb2
from tenon.tenancy.v1.audit_checkpoint_service_pb2 import (
    CheckpointKey,
    CreateAuditCheckpointRequest,
    CreateAuditCheckpointResponse,
    GetAuditBeginningRequest,
    GetAuditBeginningResponse,
    ListAuditCheckpointsRequest,
    ListAuditCheckpointsResponse,
    ListCheckpointKeysRequest,
    ListCheckpointKeysResponse,
)
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceServicer
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.audit_checkpoints.models import Beginning, Checkpoint
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import public_jwks


class AuditCheckpointServicer(AuditCheckpointServiceServicer):
    def __init__(self, checkpoints: AuditCheckpointService) -> None:
        self._checkpoints = checkpoints

    async def ListAuditCheckpoints(
        self, request: ListAuditCheckpointsRequest, context: object
    ) -> ListAuditCheckpointsResponse:
        page = await self._checkpoints.list(current_call(), request.page_size, request.page_token)
        return ListAuditCheckpointsResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def CreateAuditCheckpoint(
        self, request: CreateAuditCheckpointRequest, context: object
    ) -> CreateAuditCheckpointResponse:
        checkpoint = await self._checkpoints.create(current_call())
        return CreateAuditCheckpointResponse(checkpoint=_packed(checkpoint))

    async def GetAuditBeginning(
        self, request: GetAuditBeginningRequest, context: object
    ) -> GetAuditBeginningResponse:
        beginning = await self._checkpoints.get_beginning(current_call())
        packed = (
            _packed_beginning(beginning) if beginning else audit_checkpoint_pb2.AuditBeginning()
        )
        return GetAuditBeginningResponse(beginning=packed)

    async def ListCheckpointKeys(
        self, request: ListCheckpointKeysRequest, context: object
    ) -> ListCheckpointKeysResponse:
        keys = public_jwks(self._checkpoints.public_keys)
        return ListCheckpointKeysResponse(keys=[CheckpointKey(**key) for key in keys])


def _packed(checkpoint: Checkpoint) -> audit_checkpoint_pb2.AuditCheckpoint:
    return audit_checkpoint_pb2.AuditCheckpoint(
        position=checkpoint.position,
        previous_position=checkpoint.previous,
        hash=checkpoint.hash.hex(),
        create_time=packed_time(checkpoint.create_time),
        key_id=checkpoint.key_id,
        signature=checkpoint.signature.hex(),
    )


def _packed_beginning(beginning: Beginning) -> audit_checkpoint_pb2.AuditBeginning:
    return audit_checkpoint_pb2.AuditBeginning(
        begins_after=beginning.position,
        hash=beginning.hash.hex(),
        create_time=packed_time(beginning.create_time),
        key_id=beginning.key_id,
        signature=beginning.signature.hex(),
    )

from tenon.auth.v1.erasure_service_pb2 import (
    DeleteUserRequest,
    DeleteUserResponse,
    ErasureReceipt,
    GetErasureRequest,
    GetErasureResponse,
)
from tenon.auth.v1.erasure_service_pb2_grpc import ErasureServiceServicer
from tenon_auth.erasures.models import Receipt
from tenon_auth.erasures.service import ErasureService
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class ErasureServicer(ErasureServiceServicer):
    def __init__(self, erasures: ErasureService) -> None:
        self._erasures = erasures

    async def DeleteUser(self, request: DeleteUserRequest, context: object) -> DeleteUserResponse:
        await self._erasures.request(current_call())
        return DeleteUserResponse()

    async def GetErasure(self, request: GetErasureRequest, context: object) -> GetErasureResponse:
        erasure, receipts, notice = await self._erasures.get(parse_id(request.erasure_id))
        return GetErasureResponse(
            user_id=str(erasure.user_id),
            request_time=packed_time(erasure.request_time),
            finish_time=packed_time(erasure.finish_time),
            receipts=map(_packed, receipts),
            email=notice.email,
            name=notice.name,
        )


def _packed(receipt: Receipt) -> ErasureReceipt:
    return ErasureReceipt(
        service=receipt.service,
        keys=receipt.keys,
        rows=receipt.rows,
        erase_time=packed_time(receipt.erase_time),
    )

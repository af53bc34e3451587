from collections.abc import Sequence

from tenon.tenancy.v1.encryption_pb2 import Encryption, ServiceEncryption
from tenon.tenancy.v1.encryption_service_pb2 import (
    GetEncryptionRequest,
    GetEncryptionResponse,
    RotateEncryptionRequest,
    RotateEncryptionResponse,
)
from tenon.tenancy.v1.encryption_service_pb2_grpc import EncryptionServiceServicer
from tenon_rpc.guard import current_call
from tenon_tenancy.clients import HeldKeys
from tenon_tenancy.encryption.service import EncryptionService


class EncryptionServicer(EncryptionServiceServicer):
    def __init__(self, encryption: EncryptionService) -> None:
        self._encryption = encryption

    async def GetEncryption(
        self, request: GetEncryptionRequest, context: object
    ) -> GetEncryptionResponse:
        held = await self._encryption.get(current_call())
        return GetEncryptionResponse(encryption=_packed(held))

    async def RotateEncryption(
        self, request: RotateEncryptionRequest, context: object
    ) -> RotateEncryptionResponse:
        held = await self._encryption.rotate(current_call())
        return RotateEncryptionResponse(encryption=_packed(held))


def _packed(held: Sequence[HeldKeys]) -> Encryption:
    return Encryption(
        services=[
            ServiceEncryption(service=one.service, keys=one.keys, rotation=one.rotation)
            for one in held
        ]
    )

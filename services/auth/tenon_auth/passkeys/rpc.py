from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from tenon.auth.v1 import second_factor_pb2
from tenon.auth.v1.passkey_service_pb2 import (
    AddPasskeyRequest,
    AddPasskeyResponse,
    ListPasskeysRequest,
    ListPasskeysResponse,
    RemovePasskeyRequest,
    RemovePasskeyResponse,
    RenamePasskeyRequest,
    RenamePasskeyResponse,
    StartPasskeyRequest,
    StartPasskeyResponse,
)
from tenon.auth.v1.passkey_service_pb2_grpc import PasskeyServiceServicer
from tenon_auth.passkeys.models import Passkey
from tenon_auth.passkeys.service import PasskeyService
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class PasskeyServicer(PasskeyServiceServicer):
    def __init__(self, passkeys: PasskeyService) -> None:
        self._passkeys = passkeys

    async def StartPasskey(
        self, request: StartPasskeyRequest, context: object
    ) -> StartPasskeyResponse:
        options = Struct()
        options.update(await self._passkeys.start(current_call()))
        return StartPasskeyResponse(options=options)

    async def AddPasskey(self, request: AddPasskeyRequest, context: object) -> AddPasskeyResponse:
        passkey, codes = await self._passkeys.add(
            current_call(), MessageToDict(request.passkey), request.name
        )
        return AddPasskeyResponse(passkey=_packed(passkey), recovery_codes=codes)

    async def ListPasskeys(
        self, request: ListPasskeysRequest, context: object
    ) -> ListPasskeysResponse:
        page = await self._passkeys.list(current_call(), request.page_size, request.page_token)
        return ListPasskeysResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def RenamePasskey(
        self, request: RenamePasskeyRequest, context: object
    ) -> RenamePasskeyResponse:
        passkey = await self._passkeys.rename(
            current_call(), parse_id(request.passkey_id), request.name
        )
        return RenamePasskeyResponse(passkey=_packed(passkey))

    async def RemovePasskey(
        self, request: RemovePasskeyRequest, context: object
    ) -> RemovePasskeyResponse:
        await self._passkeys.remove(current_call(), parse_id(request.passkey_id))
        return RemovePasskeyResponse()


def _packed(passkey: Passkey) -> second_factor_pb2.Passkey:
    return second_factor_pb2.Passkey(
        id=str(passkey.id),
        name=passkey.name,
        create_time=packed_time(passkey.create_time),
        use_time=packed_time(passkey.use_time) if passkey.use_time else None,
        transports=passkey.transports,
        backed_up=passkey.backed_up,
    )

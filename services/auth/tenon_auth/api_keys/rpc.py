from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from tenon.auth.v1 import api_key_pb2
from tenon.auth.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ExchangeApiKeyRequest,
    ExchangeApiKeyResponse,
    GetApiKeyNoticeRequest,
    GetApiKeyNoticeResponse,
    GetCurrentApiKeyRequest,
    GetCurrentApiKeyResponse,
    ListApiKeysRequest,
    ListApiKeysResponse,
    RevokeApiKeyRequest,
    RevokeApiKeyResponse,
    RotateApiKeyRequest,
    RotateApiKeyResponse,
)
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceServicer
from tenon.tenancy.v1 import role_pb2
from tenon_auth.api_keys.models import ApiKey, Wish
from tenon_auth.api_keys.service import ApiKeyService
from tenon_core.display_names import normal_name
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import parse_id
from tenon_policy.policies import Role
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class ApiKeyServicer(ApiKeyServiceServicer):
    def __init__(self, api_keys: ApiKeyService) -> None:
        self._api_keys = api_keys

    async def CreateApiKey(
        self, request: CreateApiKeyRequest, context: object
    ) -> CreateApiKeyResponse:
        key, secret = await self._api_keys.create(current_call(), _wish(request))
        return CreateApiKeyResponse(api_key=_packed(key, secret))

    async def ListApiKeys(
        self, request: ListApiKeysRequest, context: object
    ) -> ListApiKeysResponse:
        page = await self._api_keys.list(
            current_call(), _creator(request.creator), request.page_size, request.page_token
        )
        return ListApiKeysResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def GetCurrentApiKey(
        self, request: GetCurrentApiKeyRequest, context: object
    ) -> GetCurrentApiKeyResponse:
        return GetCurrentApiKeyResponse(api_key=_packed(await self._api_keys.get(current_call())))

    async def RotateApiKey(
        self, request: RotateApiKeyRequest, context: object
    ) -> RotateApiKeyResponse:
        key, secret = await self._api_keys.rotate(
            current_call(), parse_id(request.key_id), request.grace_seconds
        )
        return RotateApiKeyResponse(api_key=_packed(key, secret))

    async def RevokeApiKey(
        self, request: RevokeApiKeyRequest, context: object
    ) -> RevokeApiKeyResponse:
        await self._api_keys.revoke(current_call(), parse_id(request.key_id))
        return RevokeApiKeyResponse()

    async def ExchangeApiKey(
        self, request: ExchangeApiKeyRequest, context: object
    ) -> ExchangeApiKeyResponse:
        token, expires = await self._api_keys.exchange(current_call(), request.secret)
        return ExchangeApiKeyResponse(access_token=token, access_expire_time=packed_time(expires))

    async def GetApiKeyNotice(
        self, request: GetApiKeyNoticeRequest, context: object
    ) -> GetApiKeyNoticeResponse:
        key = await self._api_keys.get_notice(parse_id(request.org_id), parse_id(request.key_id))
        return GetApiKeyNoticeResponse(
            name=key.name,
            role=role_pb2.Role.ValueType(key.role),
            expire_time=packed_time(key.expire_time),
        )


def _creator(text: str) -> UUID | None:
    creator_id = parse_id(text)
    if text and creator_id is None:
        raise InvalidArgument(fields=[FieldError("/creator", "must be the id of a user")])
    return creator_id


def _wish(request: CreateApiKeyRequest) -> Wish:
    expires = _read_time(request.expire_time) if request.HasField("expire_time") else None
    known = request.role in role_pb2.Role.values()
    role = Role(request.role) if known else Role.NONE
    return Wish(normal_name(request.name), role, request.permissions, expires)


def _read_time(timestamp: Timestamp) -> datetime:
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(fields=[FieldError("/expire_time", "is no time")]) from None


def _packed(key: ApiKey, secret: str | None = None) -> api_key_pb2.ApiKey:
    return api_key_pb2.ApiKey(
        id=str(key.id),
        org_id=str(key.org_id),
        name=key.name,
        role=role_pb2.Role.ValueType(key.role),
        permissions=key.permissions,
        prefix=key.prefix,
        creator_id=str(key.creator_id),
        create_time=packed_time(key.create_time),
        expire_time=packed_time(key.expire_time),
        last_used_time=packed_time(key.last_used_time),
        secret=secret,
    )

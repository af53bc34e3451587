"""What a service holds of a person, told to auth: the same for every service."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from tenon.privacy.v1.personal_data_service_pb2 import (
    ExportPersonalDataRequest,
    ExportPersonalDataResponse,
)
from tenon.privacy.v1.personal_data_service_pb2_grpc import (
    PersonalDataServiceServicer,
    add_PersonalDataServiceServicer_to_server,
)
from tenon_core.errors import NotFound
from tenon_core.ids import parse_id
from tenon_rpc.methods import Registration

Export = Callable[[UUID], Awaitable[Mapping[str, Any]]]
"""Returns what is held of somebody: times and ids as they are, lists and texts."""


def personal_data(export: Export) -> Registration:
    return add_PersonalDataServiceServicer_to_server, PersonalDataServicer(export)


class PersonalDataServicer(PersonalDataServiceServicer):
    def __init__(self, export: Export) -> None:
        self._export = export

    async def ExportPersonalData(
        self, request: ExportPersonalDataRequest, context: object
    ) -> ExportPersonalDataResponse:
        user_id = parse_id(request.user_id)
        if user_id is None:
            raise NotFound
        held = await self._export(user_id)
        document = await asyncio.to_thread(json.dumps, held, default=str)
        return ExportPersonalDataResponse(document=document)

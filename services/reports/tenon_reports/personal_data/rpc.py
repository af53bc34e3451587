import asyncio
import json

from tenon.privacy.v1.personal_data_service_pb2 import (
    ExportPersonalDataRequest,
    ExportPersonalDataResponse,
)
from tenon.privacy.v1.personal_data_service_pb2_grpc import PersonalDataServiceServicer
from tenon_core.errors import NotFound
from tenon_core.ids import parse_id
from tenon_reports.personal_data.service import PersonalDataService


class PersonalDataServicer(PersonalDataServiceServicer):
    def __init__(self, personal_data: PersonalDataService) -> None:
        self._personal_data = personal_data

    async def ExportPersonalData(
        self, request: ExportPersonalDataRequest, context: object
    ) -> ExportPersonalDataResponse:
        user_id = parse_id(request.user_id)
        if user_id is None:
            raise NotFound
        held = await self._personal_data.export(user_id)
        document = await asyncio.to_thread(json.dumps, held, default=str)
        return ExportPersonalDataResponse(document=document)

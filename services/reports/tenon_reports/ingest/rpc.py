from tenon.reports.v1.event_service_pb2 import (
    IngestEventsRequest,
    IngestEventsResponse,
)
from tenon.reports.v1.event_service_pb2 import Receipt as PackedReceipt
from tenon.reports.v1.event_service_pb2_grpc import EventServiceServicer
from tenon_core.ids import parse_id
from tenon_core.offload import offload
from tenon_reports.ingest.models import NewEvent, Outcome, Receipt
from tenon_reports.ingest.service import IngestService
from tenon_rpc.guard import current_call

OUTCOMES = {
    Outcome.DUPLICATE: PackedReceipt.OUTCOME_DUPLICATE,
    Outcome.CONFLICT: PackedReceipt.OUTCOME_CONFLICT,
    Outcome.REJECTED: PackedReceipt.OUTCOME_REJECTED,
}


class EventServicer(EventServiceServicer):
    def __init__(self, ingest: IngestService) -> None:
        self._ingest = ingest

    async def IngestEvents(
        self, request: IngestEventsRequest, context: object
    ) -> IngestEventsResponse:
        events = await offload(request.ByteSize(), _unpacked, request)
        answer = await self._ingest.ingest(current_call(), parse_id(request.dataset_id), events)
        return IngestEventsResponse(
            accepted=answer.accepted,
            duplicates=answer.count(Outcome.DUPLICATE),
            conflicts=answer.count(Outcome.CONFLICT),
            rejected=answer.count(Outcome.REJECTED),
            receipts=map(_packed, answer.receipts),
        )


def _unpacked(request: IngestEventsRequest) -> list[NewEvent]:
    return [
        NewEvent(event.id, event.time, dict(event.dimensions), dict(event.measures))
        for event in request.events
    ]


def _packed(receipt: Receipt) -> PackedReceipt:
    return PackedReceipt(
        index=receipt.index,
        id=receipt.id,
        outcome=OUTCOMES[receipt.outcome],
        reason=receipt.reason,
    )

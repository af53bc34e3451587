"""Somebody who uses reports: its stubs, with plain values for what tests say often."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.dataset_service_pb2 import CreateDatasetRequest
from tenon.reports.v1.dataset_service_pb2_grpc import DatasetServiceStub
from tenon.reports.v1.event_service_pb2 import Event, IngestEventsRequest, IngestEventsResponse
from tenon.reports.v1.event_service_pb2_grpc import EventServiceStub
from tenon.reports.v1.query_pb2 import Query
from tenon.reports.v1.query_service_pb2 import RunQueryRequest, RunQueryResponse
from tenon.reports.v1.query_service_pb2_grpc import QueryServiceStub
from tenon.reports.v1.run_pb2 import FORMAT_CSV, Run
from tenon.reports.v1.run_service_pb2 import (
    EventsExport,
    GetRunFileRequest,
    GetRunRequest,
    StartRunRequest,
)
from tenon.reports.v1.run_service_pb2_grpc import RunServiceStub
from tenon.reports.v1.upload_pb2 import Upload
from tenon.reports.v1.upload_service_pb2 import (
    CreateUploadRequest,
    GetUploadRequest,
    ReadRejectedRowsRequest,
    UploadHeader,
)
from tenon.reports.v1.upload_service_pb2_grpc import UploadServiceStub
from tenon_testing.callers import Tenant
from tenon_testing.waiting import eventually

CHUNK_BYTES = 64 * 1024
STREAM_SECONDS = 60.0
ENDED_UPLOAD = (Upload.STATE_SUCCEEDED, Upload.STATE_FAILED)
ENDED_RUN = (Run.STATE_SUCCEEDED, Run.STATE_FAILED, Run.STATE_CANCELLED)


@dataclass
class ReportsClient:
    """One member of one organization."""

    channel: grpc.aio.Channel
    tenant: Tenant

    def __post_init__(self) -> None:
        self.datasets = DatasetServiceStub(self.channel)
        self.events = EventServiceStub(self.channel)
        self.uploads = UploadServiceStub(self.channel)
        self.queries = QueryServiceStub(self.channel)
        self.runs = RunServiceStub(self.channel)

    @property
    def org_id(self) -> str:
        return str(self.tenant.org_id)

    async def create_dataset(
        self,
        dimensions: Iterable[str] = ("color",),
        measures: Iterable[str] = ("size",),
        time_zone: str = "UTC",
    ) -> Dataset:
        reply = await self.datasets.CreateDataset(
            CreateDatasetRequest(
                org_id=self.org_id,
                name=f"Dataset {uuid4()}",
                time_zone=time_zone,
                dimensions=dimensions,
                measures=measures,
            ),
            metadata=self.tenant.metadata,
        )
        dataset: Dataset = reply.dataset
        return dataset

    async def ingest(self, dataset_id: str, *events: Event) -> IngestEventsResponse:
        reply: IngestEventsResponse = await self.events.IngestEvents(
            IngestEventsRequest(org_id=self.org_id, dataset_id=dataset_id, events=events),
            metadata=self.tenant.metadata,
        )
        return reply

    async def query(self, dataset_id: str, **query: Any) -> RunQueryResponse:
        """Ask with the JSON form of a query; by default for the number of events."""
        query = {"metrics": [{"name": "n", "op": "OP_COUNT"}], "dataset_id": dataset_id} | query
        reply: RunQueryResponse = await self.queries.RunQuery(
            RunQueryRequest(org_id=self.org_id, query=ParseDict(query, Query())),
            metadata=self.tenant.metadata,
        )
        return reply

    async def rows(self, dataset_id: str, **query: Any) -> list[list[Any]]:
        """Return the rows of an answer."""
        answer = await self.query(dataset_id, **query)
        return [[plain(cell) for cell in row.values] for row in answer.rows]

    async def upload(self, dataset_id: str, body: bytes, **header: Any) -> Upload:
        header = {"time_column": "time"} | header
        return await self.send(self._parts(UploadHeader(dataset_id=dataset_id, **header), body))

    async def send(self, parts: AsyncIterator[CreateUploadRequest]) -> Upload:
        """Send the messages of an upload."""
        reply = await self.uploads.CreateUpload(
            parts, metadata=self.tenant.metadata, timeout=STREAM_SECONDS
        )
        upload: Upload = reply.upload
        return upload

    async def load(self, dataset_id: str, body: bytes, **header: Any) -> Upload:
        """Upload a file and wait for its end."""
        upload = await self.upload(dataset_id, body, **header)

        async def ended() -> Upload | None:
            present = await self.get_upload(upload.id)
            return present if present.state in ENDED_UPLOAD else None

        found = await eventually(ended, within=60)
        assert found
        return found

    async def get_upload(self, upload_id: str) -> Upload:
        reply = await self.uploads.GetUpload(
            GetUploadRequest(org_id=self.org_id, upload_id=upload_id),
            metadata=self.tenant.metadata,
        )
        upload: Upload = reply.upload
        return upload

    async def rejected(self, upload_id: str) -> str:
        """Return the file of rejected rows."""
        replies = self.uploads.ReadRejectedRows(
            ReadRejectedRowsRequest(org_id=self.org_id, upload_id=upload_id),
            metadata=self.tenant.metadata,
            timeout=STREAM_SECONDS,
        )
        return b"".join([reply.chunk async for reply in replies]).decode()

    async def start_run(self, **source: Any) -> Run:
        """Start a run of `query` or `events`, given in their JSON form."""
        request = StartRunRequest(org_id=self.org_id, format=FORMAT_CSV)
        if "query" in source:
            request.query.CopyFrom(ParseDict(source["query"], Query()))
        if "events" in source:
            request.events.CopyFrom(ParseDict(source["events"], EventsExport()))
        reply = await self.runs.StartRun(request, metadata=self.tenant.metadata)
        run: Run = reply.run
        return run

    async def get_run(self, run_id: str) -> Run:
        reply = await self.runs.GetRun(
            GetRunRequest(org_id=self.org_id, run_id=run_id), metadata=self.tenant.metadata
        )
        run: Run = reply.run
        return run

    async def finished(self, run_id: str) -> Run:
        """Wait for a run's end."""

        async def ended() -> Run | None:
            present = await self.get_run(run_id)
            return present if present.state in ENDED_RUN else None

        found = await eventually(ended, within=60)
        assert found
        return found

    async def link(self, run_id: str) -> str:
        """Return the short-lived link to a run's file."""
        reply = await self.runs.GetRunFile(
            GetRunFileRequest(org_id=self.org_id, run_id=run_id), metadata=self.tenant.metadata
        )
        url: str = reply.url
        return url

    async def _parts(self, header: UploadHeader, body: bytes) -> AsyncIterator[CreateUploadRequest]:
        yield CreateUploadRequest(org_id=self.org_id, header=header)
        for start in range(0, len(body), CHUNK_BYTES):
            chunk = body[start : start + CHUNK_BYTES]
            yield CreateUploadRequest(org_id=self.org_id, chunk=chunk)


def event(
    event_id: str,
    time: str = "2024-05-01T12:00:00Z",
    dimensions: Mapping[str, str] | None = None,
    measures: Mapping[str, float] | None = None,
) -> Event:
    return Event(id=event_id, time=time, dimensions=dimensions or {}, measures=measures or {})


def plain(cell: Value) -> Any:
    return MessageToDict(cell)

"""The only place where reports is wired."""

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import reset_tzpath

from tenon.reports.v1.dataset_service_pb2_grpc import add_DatasetServiceServicer_to_server
from tenon.reports.v1.event_service_pb2_grpc import add_EventServiceServicer_to_server
from tenon.reports.v1.query_service_pb2_grpc import add_QueryServiceServicer_to_server
from tenon.reports.v1.run_service_pb2_grpc import add_RunServiceServicer_to_server
from tenon.reports.v1.upload_service_pb2_grpc import add_UploadServiceServicer_to_server
from tenon_core.key_file import read_key
from tenon_db.cursors import Consumer
from tenon_jobs import CeleryDoorbell, JobQueue, Keep, Upkeep, Worker, run_worker
from tenon_reports.datasets.rpc import DatasetServicer
from tenon_reports.datasets.service import DatasetService
from tenon_reports.datasets.tasks import DatasetTasks
from tenon_reports.files.service import FileService
from tenon_reports.files.tasks import FileTasks
from tenon_reports.ingest.rpc import EventServicer
from tenon_reports.ingest.service import IngestService
from tenon_reports.limits import pending_exports, pending_uploads
from tenon_reports.organization_data.service import OrganizationDataService
from tenon_reports.organization_data.tasks import OrganizationDataTasks
from tenon_reports.personal_data import subscriptions
from tenon_reports.personal_data.service import PersonalDataService
from tenon_reports.queries.rpc import QueryServicer
from tenon_reports.queries.service import QueryService
from tenon_reports.runs.exporting import RunExporter
from tenon_reports.runs.rpc import RunServicer
from tenon_reports.runs.service import RunService
from tenon_reports.runs.tasks import RunTasks
from tenon_reports.settings import ReportsSettings
from tenon_reports.uploads.loading import UploadLoader
from tenon_reports.uploads.rpc import UploadServicer
from tenon_reports.uploads.service import UploadService
from tenon_reports.uploads.tasks import UploadTasks
from tenon_reports.usage.service import UsageService
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.methods import Registration
from tenon_rpc.organization_data import deletion_handlers
from tenon_rpc.personal_data import personal_data
from tenon_rpc.process import ServiceApp
from tenon_rpc.usage import usage
from tenon_storage.opening import open_storage
from tenon_storage.storage import Storage

NAME = "reports"


@dataclass(frozen=True)
class Services:
    """What both processes of reports are made of."""

    queue: JobQueue
    storage: Storage
    files: FileService
    datasets: DatasetService
    ingest: IngestService
    uploads: UploadService
    runs: RunService


def services(backbone: Backbone[ReportsSettings]) -> Services:
    # By default Python prefers the machine's time zones, which differ from one to another, to
    # the release of the tzdata package.
    reset_tzpath(to=[])
    settings, database = backbone.settings, backbone.database
    queue = JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))
    link_key = read_key(settings.link_key_file)
    storage = open_storage(settings.storage_url, link_key, settings.public_url)
    datasets = DatasetService(database, queue)
    return Services(
        queue=queue,
        storage=storage,
        files=FileService(queue),
        datasets=datasets,
        ingest=IngestService(database, datasets, settings.ingest_slots),
        uploads=UploadService(
            database,
            queue,
            storage,
            datasets,
            max_bytes=settings.max_upload_bytes,
            slots=settings.upload_slots,
            pending=pending_uploads(settings),
        ),
        runs=RunService(database, queue, storage, datasets, pending_exports(settings)),
    )


def organization_data_of(
    backbone: Backbone[ReportsSettings], own: Services
) -> OrganizationDataService:
    return OrganizationDataService(
        backbone.database, own.queue, own.storage, own.datasets, own.ingest, own.runs
    )


def servicers(backbone: Backbone[ReportsSettings]) -> Sequence[Registration]:
    own = services(backbone)
    queries = QueryService(backbone.database, own.datasets, backbone.settings.query_slots)
    public_url = backbone.settings.public_url
    return [
        (add_DatasetServiceServicer_to_server, DatasetServicer(own.datasets)),
        (add_EventServiceServicer_to_server, EventServicer(own.ingest)),
        (add_UploadServiceServicer_to_server, UploadServicer(own.uploads)),
        (add_QueryServiceServicer_to_server, QueryServicer(queries)),
        (add_RunServiceServicer_to_server, RunServicer(own.runs, public_url)),
        personal_data(PersonalDataService(backbone.database).export),
        usage(UsageService(backbone.database, own.storage).measure),
    ]


@asynccontextmanager
async def worker(settings: ReportsSettings) -> AsyncIterator[Worker]:
    # A file's rows are millions of lists without a cycle: by default a quarter of the time to
    # read them would go into looking for one. Full collections stay frequent enough that what
    # failed jobs leave behind is not kept.
    gc.set_threshold(100_000, 10, 10)
    async with open_backbone(NAME, settings) as backbone:
        own, database = services(backbone), backbone.database
        loader = UploadLoader(
            database,
            own.storage,
            own.datasets,
            own.ingest,
            own.files,
            max_bytes=settings.max_upload_bytes,
            slice_seconds=settings.job_slice_seconds,
        )
        exporter = RunExporter(
            database,
            own.queue,
            own.storage,
            own.datasets,
            own.files,
            slice_seconds=settings.job_slice_seconds,
        )
        organization_data = organization_data_of(backbone, own)
        upkeep = Upkeep(database, own.queue, Keep.of(settings))
        types = [
            *upkeep.types(),
            *FileTasks(own.storage).types(),
            *UploadTasks(database, own.files, loader).types(),
            *RunTasks(database, own.files, exporter).types(),
            *OrganizationDataTasks(organization_data).types(),
            *DatasetTasks(own.datasets, own.ingest, own.uploads, own.runs).types(),
        ]
        handlers = {
            "auth": subscriptions.handlers(),
            "tenancy": deletion_handlers(organization_data.request),
        }
        consumers = [
            Consumer(database, PeerFeed(source, backbone.channels[source]), handled)
            for source, handled in handlers.items()
        ]
        yield Worker(
            database,
            own.queue,
            types,
            recurring=upkeep.recurring(),
            beside=[consumer.run for consumer in consumers],
        )


APP = ServiceApp(
    name=NAME,
    settings=ReportsSettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
)

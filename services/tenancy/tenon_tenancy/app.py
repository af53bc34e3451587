"""The only place where tenancy is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import (
    add_AuditCheckpointServiceServicer_to_server,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import add_AuditEventServiceServicer_to_server
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import (
    add_AuditStreamServiceServicer_to_server,
)
from tenon.tenancy.v1.member_service_pb2_grpc import add_MemberServiceServicer_to_server
from tenon.tenancy.v1.organization_service_pb2_grpc import add_OrganizationServiceServicer_to_server
from tenon_core import logging
from tenon_db.cursors import Consumer
from tenon_jobs import JobQueue, Keep, Upkeep, Worker, run_worker
from tenon_outbound.sending import Outbound
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.methods import Registration
from tenon_rpc.personal_data import personal_data
from tenon_rpc.process import ServiceApp
from tenon_storage.opening import open_storage
from tenon_tenancy.audit_checkpoints.rpc import AuditCheckpointServicer
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_checkpoints.writing import CheckpointWriter
from tenon_tenancy.audit_events import subscriptions
from tenon_tenancy.audit_events.rpc import AuditEventServicer
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_retention.service import AuditRetentionService
from tenon_tenancy.audit_retention.tasks import AuditRetentionTasks
from tenon_tenancy.audit_streams.delivering import AuditDeliveryService
from tenon_tenancy.audit_streams.rpc import AuditStreamServicer
from tenon_tenancy.audit_streams.sending import Sender
from tenon_tenancy.audit_streams.service import AuditStreamService
from tenon_tenancy.audit_streams.tasks import AuditStreamTasks
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.foundation import NAME, Foundation
from tenon_tenancy.members.rpc import MemberServicer
from tenon_tenancy.organizations.rpc import OrganizationServicer
from tenon_tenancy.organizations.service import OrganizationService
from tenon_tenancy.personal_data import subscriptions as erasures
from tenon_tenancy.personal_data.service import PersonalDataService
from tenon_tenancy.personal_data.tasks import PersonalDataTasks
from tenon_tenancy.settings import TenancySettings


def servicers(backbone: Backbone[TenancySettings]) -> Sequence[Registration]:
    foundation, database = Foundation(backbone), backbone.database
    members = foundation.members
    organizations = OrganizationService(database, members)
    audit_events = AuditEventService(database)
    checkpoints = checkpoints_of(backbone, audit_events)
    sender = Sender(Outbound(backbone.settings.outbound_allow))
    streams = AuditStreamService(database, foundation.cipher, sender)
    return [
        (add_OrganizationServiceServicer_to_server, OrganizationServicer(organizations)),
        (add_MemberServiceServicer_to_server, MemberServicer(members)),
        (add_AuditEventServiceServicer_to_server, AuditEventServicer(audit_events)),
        personal_data(PersonalDataService(database, members).export),
        (add_AuditCheckpointServiceServicer_to_server, AuditCheckpointServicer(checkpoints)),
        (add_AuditStreamServiceServicer_to_server, AuditStreamServicer(streams)),
    ]


def checkpoints_of(
    backbone: Backbone[TenancySettings], audit_events: AuditEventService
) -> AuditCheckpointService:
    settings = backbone.settings
    storage = open_storage(settings.checkpoint_url, b"", "")  # nobody is given links to it
    keys = CheckpointKeys(settings.checkpoint_keys_directory)
    return AuditCheckpointService(backbone.database, storage, audit_events, keys)


def consumers(backbone: Backbone[TenancySettings], queue: JobQueue) -> Sequence[Consumer]:
    """Make the consumers, one for each service's feed: of the audit log, and of erasures."""
    audit = subscriptions.handlers(AuditEventService(backbone.database))
    more = {"auth": erasures.handlers(queue)}
    return [
        Consumer(
            backbone.database,
            PeerFeed(source, backbone.channels[source]),
            {**audit, **more.get(source, {})},
        )
        for source in subscriptions.SOURCES
    ]


@asynccontextmanager
async def worker(settings: TenancySettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        foundation = Foundation(backbone)
        queue, members = foundation.queue, foundation.members
        audit_events = AuditEventService(backbone.database)
        checkpoints = checkpoints_of(backbone, audit_events)
        sender = Sender(Outbound(settings.outbound_allow))
        deliveries = AuditDeliveryService(
            backbone.database, foundation.cipher, audit_events, sender
        )
        streams = AuditStreamTasks(backbone.database, queue, deliveries)
        beside = [
            *(consumer.run for consumer in consumers(backbone, queue)),
            CheckpointWriter(checkpoints).run,
            streams.run,
        ]
        personal_data = PersonalDataTasks(backbone.database, members)
        retention = AuditRetentionTasks(
            backbone.database,
            queue,
            AuditRetentionService(
                backbone.database,
                audit_events,
                checkpoints,
                settings.personal_audit_retention_days,
            ),
        )
        upkeep = Upkeep(backbone.database, queue, Keep.of(settings))
        yield Worker(
            backbone.database,
            queue,
            [*personal_data.types(), *retention.types(), *streams.types(), *upkeep.types()],
            recurring=[*retention.recurring(), *upkeep.recurring()],
            beside=beside,
        )


@asynccontextmanager
async def opened() -> AsyncIterator[AuditVerificationService]:
    """Open the logs for the commands of an operator."""
    settings = TenancySettings()
    logging.configure(NAME, settings.log_level)
    async with open_backbone(NAME, settings) as backbone:
        audit_events = AuditEventService(backbone.database)
        yield AuditVerificationService(backbone.database, checkpoints_of(backbone, audit_events))


def operate(words: Sequence[str]) -> None:
    from tenon_tenancy.audit_verification.command import audit  # servers need no command line

    audit.main([*words], prog_name="python -m tenon_tenancy audit", obj=opened)


APP = ServiceApp(
    name=NAME,
    settings=TenancySettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
    operators={"audit": operate},
)

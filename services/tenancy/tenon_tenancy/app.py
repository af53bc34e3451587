"""The only place where tenancy is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import (
    add_AuditCheckpointServiceServicer_to_server,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import add_AuditEventServiceServicer_to_server
from tenon.tenancy.v1.audit_export_service_pb2_grpc import add_AuditExportServiceServicer_to_server
from tenon.tenancy.v1.invitation_service_pb2_grpc import add_InvitationServiceServicer_to_server
from tenon.tenancy.v1.member_service_pb2_grpc import add_MemberServiceServicer_to_server
from tenon.tenancy.v1.organization_service_pb2_grpc import add_OrganizationServiceServicer_to_server
from tenon.tenancy.v1.ownership_service_pb2_grpc import add_OwnershipServiceServicer_to_server
from tenon.tenancy.v1.policy_service_pb2_grpc import add_PolicyServiceServicer_to_server
from tenon_core import logging
from tenon_db.cursors import Consumer
from tenon_jobs import JobQueue, Keep, Upkeep, Worker, run_worker
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.methods import Registration
from tenon_rpc.personal_data import personal_data
from tenon_rpc.process import ServiceApp
from tenon_storage.opening import open_storage
from tenon_storage.storage import Storage
from tenon_tenancy.audit_checkpoints.rpc import AuditCheckpointServicer
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_checkpoints.writing import CheckpointWriter
from tenon_tenancy.audit_events import subscriptions
from tenon_tenancy.audit_events.rpc import AuditEventServicer
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_exports.rpc import AuditExportServicer
from tenon_tenancy.audit_exports.service import AuditExportService
from tenon_tenancy.audit_exports.tasks import AuditExportTasks
from tenon_tenancy.audit_exports.writing import AuditExportWriter
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.foundation import NAME, Foundation
from tenon_tenancy.invitations.rpc import InvitationServicer
from tenon_tenancy.invitations.tasks import InvitationTasks
from tenon_tenancy.members.rpc import MemberServicer
from tenon_tenancy.organizations.rpc import OrganizationServicer
from tenon_tenancy.ownership_offers.rpc import OwnershipServicer
from tenon_tenancy.ownership_offers.service import OwnershipService
from tenon_tenancy.personal_data import subscriptions as erasures
from tenon_tenancy.personal_data.service import PersonalDataService
from tenon_tenancy.personal_data.tasks import PersonalDataTasks
from tenon_tenancy.policies.rpc import PolicyServicer
from tenon_tenancy.settings import TenancySettings


def servicers(backbone: Backbone[TenancySettings]) -> Sequence[Registration]:
    foundation, database = Foundation(backbone), backbone.database
    members = foundation.members
    ownership = OwnershipService(database, foundation.tags, members, foundation.organizations)
    audit_events = AuditEventService(database)
    checkpoints = checkpoints_of(backbone, audit_events)
    settings = backbone.settings
    audit_exports = AuditExportService(
        database, foundation.queue, storage_of(settings), audit_events
    )
    return [
        (add_OrganizationServiceServicer_to_server, OrganizationServicer(foundation.organizations)),
        (add_MemberServiceServicer_to_server, MemberServicer(members)),
        (add_PolicyServiceServicer_to_server, PolicyServicer(foundation.policies)),
        (add_InvitationServiceServicer_to_server, InvitationServicer(foundation.invitations)),
        (add_OwnershipServiceServicer_to_server, OwnershipServicer(ownership)),
        (add_AuditEventServiceServicer_to_server, AuditEventServicer(audit_events)),
        personal_data(PersonalDataService(database, members).export),
        (add_AuditCheckpointServiceServicer_to_server, AuditCheckpointServicer(checkpoints)),
        (
            add_AuditExportServiceServicer_to_server,
            AuditExportServicer(audit_exports, settings.public_url),
        ),
    ]


def storage_of(settings: TenancySettings) -> Storage:
    """Open the storage of exports."""
    return open_storage(
        settings.storage_url, settings.link_key_file.read_bytes(), settings.public_url
    )


def audit_exports_of(
    backbone: Backbone[TenancySettings], queue: JobQueue, checkpoints: AuditCheckpointService
) -> AuditExportTasks:
    database, storage = backbone.database, storage_of(backbone.settings)
    audit_events = AuditEventService(database)
    exports = AuditExportService(database, queue, storage, audit_events)
    return AuditExportTasks(
        exports, AuditExportWriter(database, storage, audit_events, checkpoints)
    )


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
        checkpoints = checkpoints_of(backbone, AuditEventService(backbone.database))
        beside = [
            *(consumer.run for consumer in consumers(backbone, queue)),
            CheckpointWriter(checkpoints).run,
        ]
        personal_data = PersonalDataTasks(backbone.database, members)
        invitations = InvitationTasks(backbone.database, foundation.invitations)
        audit_exports = audit_exports_of(backbone, queue, checkpoints)
        upkeep = Upkeep(backbone.database, queue, Keep.of(settings))
        yield Worker(
            backbone.database,
            queue,
            [
                *personal_data.types(),
                *invitations.types(),
                *audit_exports.types(),
                *upkeep.types(),
            ],
            recurring=upkeep.recurring(),
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

"""The only place where tenancy is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import (
    add_AuditCheckpointServiceServicer_to_server,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import add_AuditEventServiceServicer_to_server
from tenon.tenancy.v1.audit_export_service_pb2_grpc import add_AuditExportServiceServicer_to_server
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import (
    add_AuditStreamServiceServicer_to_server,
)
from tenon.tenancy.v1.encryption_service_pb2_grpc import add_EncryptionServiceServicer_to_server
from tenon.tenancy.v1.invitation_service_pb2_grpc import add_InvitationServiceServicer_to_server
from tenon.tenancy.v1.member_service_pb2_grpc import add_MemberServiceServicer_to_server
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import (
    add_OrganizationDeletionServiceServicer_to_server,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import add_OrganizationServiceServicer_to_server
from tenon.tenancy.v1.ownership_service_pb2_grpc import add_OwnershipServiceServicer_to_server
from tenon.tenancy.v1.policy_service_pb2_grpc import add_PolicyServiceServicer_to_server
from tenon.tenancy.v1.usage_service_pb2_grpc import add_UsageServiceServicer_to_server
from tenon_core import logging
from tenon_db.cursors import Consumer
from tenon_jobs import Keep, Upkeep, Worker, run_worker
from tenon_rotation.operator import RotationOperator
from tenon_rotation.rpc import data_keys
from tenon_rpc.backbone import Backbone, open_backbone
from tenon_rpc.feed import PeerFeed
from tenon_rpc.methods import Registration
from tenon_rpc.personal_data import personal_data
from tenon_rpc.process import ServiceApp
from tenon_tenancy.audit_checkpoints.rpc import AuditCheckpointServicer
from tenon_tenancy.audit_checkpoints.writing import CheckpointWriter
from tenon_tenancy.audit_events import subscriptions
from tenon_tenancy.audit_events.rpc import AuditEventServicer
from tenon_tenancy.audit_exports.rpc import AuditExportServicer
from tenon_tenancy.audit_retention.tasks import AuditRetentionTasks
from tenon_tenancy.audit_streams.rpc import AuditStreamServicer
from tenon_tenancy.audit_streams.tasks import AuditStreamTasks
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.encryption.rpc import EncryptionServicer
from tenon_tenancy.foundation import NAME, Foundation
from tenon_tenancy.invitations.rpc import InvitationServicer
from tenon_tenancy.invitations.tasks import InvitationTasks
from tenon_tenancy.members.rpc import MemberServicer
from tenon_tenancy.organization_deletions import subscriptions as receipts
from tenon_tenancy.organization_deletions.rpc import OrganizationDeletionServicer
from tenon_tenancy.organization_deletions.tasks import OrganizationDeletionTasks
from tenon_tenancy.organizations.rpc import OrganizationServicer
from tenon_tenancy.ownership_offers.rpc import OwnershipServicer
from tenon_tenancy.personal_data import subscriptions as erasures
from tenon_tenancy.personal_data.service import PersonalDataService
from tenon_tenancy.personal_data.tasks import PersonalDataTasks
from tenon_tenancy.policies.rpc import PolicyServicer
from tenon_tenancy.settings import TenancySettings
from tenon_tenancy.usage.rpc import UsageServicer
from tenon_tenancy.usage.service import UsageService


def servicers(backbone: Backbone[TenancySettings]) -> Sequence[Registration]:
    own = Foundation(backbone)
    exports = AuditExportServicer(own.audit_exports, backbone.settings.public_url)
    return [
        (add_OrganizationServiceServicer_to_server, OrganizationServicer(own.organizations)),
        (add_MemberServiceServicer_to_server, MemberServicer(own.members)),
        (add_PolicyServiceServicer_to_server, PolicyServicer(own.policies)),
        (add_InvitationServiceServicer_to_server, InvitationServicer(own.invitations)),
        (add_OwnershipServiceServicer_to_server, OwnershipServicer(own.ownership)),
        (
            add_OrganizationDeletionServiceServicer_to_server,
            OrganizationDeletionServicer(own.deletions),
        ),
        (add_UsageServiceServicer_to_server, UsageServicer(own.usage)),
        (add_AuditEventServiceServicer_to_server, AuditEventServicer(own.audit_events)),
        (add_AuditCheckpointServiceServicer_to_server, AuditCheckpointServicer(own.checkpoints)),
        (add_AuditExportServiceServicer_to_server, exports),
        (add_AuditStreamServiceServicer_to_server, AuditStreamServicer(own.audit_streams)),
        (add_EncryptionServiceServicer_to_server, EncryptionServicer(own.encryption)),
        data_keys(own.rotations.org_keys),
        personal_data(
            PersonalDataService(backbone.database, own.members, own.audit_clients).export
        ),
    ]


def consumers(backbone: Backbone[TenancySettings], own: Foundation) -> Sequence[Consumer]:
    """Make the consumers, one for each service's feed: of the audit log, of erasures, and of their
    receipts.
    """
    audit = subscriptions.handlers(own.audit_events)
    more = {"auth": erasures.handlers(own.queue)}
    return [
        Consumer(
            backbone.database,
            PeerFeed(source, backbone.channels[source]),
            {**audit, **receipts.handlers(own.deletions, source), **more.get(source, {})},
        )
        for source in subscriptions.SOURCES
    ]


@asynccontextmanager
async def worker(settings: TenancySettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        own, database = Foundation(backbone), backbone.database
        personal_data = PersonalDataTasks(database, own.members)
        invitations = InvitationTasks(database, own.invitations)
        deletions = OrganizationDeletionTasks(database, own.deletions, own.erasing)
        retention = AuditRetentionTasks(database, own.queue, own.audit_retention)
        streams = AuditStreamTasks(database, own.queue, own.audit_deliveries)
        encryption = own.rotations.tasks(settings.encryption_key_days)
        upkeep = Upkeep(database, own.queue, Keep.of(settings), counts_mails=True)
        yield Worker(
            database,
            own.queue,
            [
                *personal_data.types(),
                *invitations.types(),
                *deletions.types(),
                *own.audit_export_tasks.types(),
                *retention.types(),
                *streams.types(),
                *encryption.types(),
                *upkeep.types(),
            ],
            recurring=[
                *deletions.recurring(),
                *retention.recurring(),
                *encryption.recurring(),
                *upkeep.recurring(),
            ],
            beside=[
                *(consumer.run for consumer in consumers(backbone, own)),
                CheckpointWriter(own.checkpoints).run,
                streams.run,
            ],
        )


@asynccontextmanager
async def opened() -> AsyncIterator[Foundation]:
    """Open what an operator's commands work with."""
    settings = TenancySettings()
    logging.configure(NAME, settings.log_level)
    async with open_backbone(NAME, settings) as backbone:
        yield Foundation(backbone)


@asynccontextmanager
async def opened_logs() -> AsyncIterator[AuditVerificationService]:
    async with opened() as own:
        yield own.audit_verification


@asynccontextmanager
async def opened_usage() -> AsyncIterator[UsageService]:
    async with opened() as own:
        yield own.usage


def operate(words: Sequence[str]) -> None:
    from tenon_tenancy.audit_verification.command import audit  # servers need no command line

    audit.main([*words], prog_name="python -m tenon_tenancy audit", obj=opened_logs)


def bill(words: Sequence[str]) -> None:
    from tenon_tenancy.usage.command import usage  # as above

    usage.main([*words], prog_name="python -m tenon_tenancy usage", obj=opened_usage)


@asynccontextmanager
async def opened_encryption() -> AsyncIterator[RotationOperator]:
    async with opened() as own:
        yield own.rotations.operator


def operate_encryption(words: Sequence[str]) -> None:
    from tenon_rotation.command import encryption  # as above

    name = "python -m tenon_tenancy encryption"
    encryption.main([*words], prog_name=name, obj=opened_encryption)


APP = ServiceApp(
    name=NAME,
    settings=TenancySettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
    operators={"audit": operate, "usage": bill, "encryption": operate_encryption},
)

"""The only place where tenancy is wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import (
    add_AuditCheckpointServiceServicer_to_server,
)
from tenon.tenancy.v1.audit_event_service_pb2_grpc import add_AuditEventServiceServicer_to_server
from tenon.tenancy.v1.member_service_pb2_grpc import add_MemberServiceServicer_to_server
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import (
    add_OrganizationDeletionServiceServicer_to_server,
)
from tenon.tenancy.v1.organization_service_pb2_grpc import add_OrganizationServiceServicer_to_server
from tenon.tenancy.v1.usage_service_pb2_grpc import add_UsageServiceServicer_to_server
from tenon_core import logging
from tenon_db.cursors import Consumer
from tenon_jobs import CeleryDoorbell, JobQueue, Keep, Upkeep, Worker, run_worker
from tenon_policy.tags import Tags
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
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.clients import AuthDirectory, EverybodysUsages
from tenon_tenancy.members.ending import MembershipEnding
from tenon_tenancy.members.rpc import MemberServicer
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organization_deletions import subscriptions as receipts
from tenon_tenancy.organization_deletions.erasing import OrganizationErasing
from tenon_tenancy.organization_deletions.rpc import OrganizationDeletionServicer
from tenon_tenancy.organization_deletions.service import OrganizationDeletionService
from tenon_tenancy.organization_deletions.tasks import OrganizationDeletionTasks
from tenon_tenancy.organizations.rpc import OrganizationServicer
from tenon_tenancy.organizations.service import OrganizationService
from tenon_tenancy.personal_data import subscriptions as erasures
from tenon_tenancy.personal_data.service import PersonalDataService
from tenon_tenancy.personal_data.tasks import PersonalDataTasks
from tenon_tenancy.settings import TenancySettings
from tenon_tenancy.usage.rpc import UsageServicer
from tenon_tenancy.usage.service import UsageService

NAME = "tenancy"


def servicers(backbone: Backbone[TenancySettings]) -> Sequence[Registration]:
    database = backbone.database
    directory = AuthDirectory(backbone.channels["auth"])
    members = MemberService(database, backbone.grant_changes, directory)
    organizations = OrganizationService(database, members)
    audit_events = AuditEventService(database)
    checkpoints = checkpoints_of(backbone, audit_events)
    return [
        (add_OrganizationServiceServicer_to_server, OrganizationServicer(organizations)),
        (add_MemberServiceServicer_to_server, MemberServicer(members)),
        (
            add_OrganizationDeletionServiceServicer_to_server,
            OrganizationDeletionServicer(deletions_of(backbone)),
        ),
        (add_AuditEventServiceServicer_to_server, AuditEventServicer(audit_events)),
        (add_UsageServiceServicer_to_server, UsageServicer(usage_of(backbone))),
        personal_data(PersonalDataService(database, members).export),
        (add_AuditCheckpointServiceServicer_to_server, AuditCheckpointServicer(checkpoints)),
    ]


def queue_of(settings: TenancySettings) -> JobQueue:
    return JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))


def ending_of(backbone: Backbone[TenancySettings]) -> MembershipEnding:
    return MembershipEnding(backbone.grant_changes, Tags(backbone.redis))


def deletions_of(backbone: Backbone[TenancySettings]) -> OrganizationDeletionService:
    settings = backbone.settings
    ending, queue = ending_of(backbone), queue_of(settings)
    return OrganizationDeletionService(backbone.database, queue, ending, settings.deletion_days)


def erasing_of(
    backbone: Backbone[TenancySettings], storages: Sequence[Storage] = ()
) -> OrganizationErasing:
    """`storages` are where slices keep files of organizations, each below `orgs/<id>`."""
    queue = queue_of(backbone.settings)
    return OrganizationErasing(backbone.database, queue, ending_of(backbone), storages)


def usage_of(backbone: Backbone[TenancySettings]) -> UsageService:
    directory = AuthDirectory(backbone.channels["auth"])
    members = MemberService(backbone.database, backbone.grant_changes, directory)
    organizations = OrganizationService(backbone.database, members)
    return UsageService(organizations, members, EverybodysUsages(backbone.channels))


def checkpoints_of(
    backbone: Backbone[TenancySettings], audit_events: AuditEventService
) -> AuditCheckpointService:
    settings = backbone.settings
    storage = open_storage(settings.checkpoint_url, b"", "")  # nobody is given links to it
    keys = CheckpointKeys(settings.checkpoint_keys_directory)
    return AuditCheckpointService(backbone.database, storage, audit_events, keys)


def consumers(backbone: Backbone[TenancySettings]) -> Sequence[Consumer]:
    """Make the consumers, one for each service's feed: of the audit log, of erasures, and of their
    receipts.
    """
    deletions = deletions_of(backbone)
    audit = subscriptions.handlers(AuditEventService(backbone.database))
    more = {"auth": erasures.handlers(queue_of(backbone.settings))}
    return [
        Consumer(
            backbone.database,
            PeerFeed(source, backbone.channels[source]),
            {**audit, **receipts.handlers(deletions, source), **more.get(source, {})},
        )
        for source in subscriptions.SOURCES
    ]


@asynccontextmanager
async def worker(settings: TenancySettings) -> AsyncIterator[Worker]:
    async with open_backbone(NAME, settings) as backbone:
        queue = queue_of(settings)
        checkpoints = checkpoints_of(backbone, AuditEventService(backbone.database))
        beside = [
            *(consumer.run for consumer in consumers(backbone)),
            CheckpointWriter(checkpoints).run,
        ]
        directory = AuthDirectory(backbone.channels["auth"])
        members = MemberService(backbone.database, backbone.grant_changes, directory)
        personal_data = PersonalDataTasks(backbone.database, members)
        deletions = OrganizationDeletionTasks(
            backbone.database, deletions_of(backbone), erasing_of(backbone)
        )
        upkeep = Upkeep(backbone.database, queue, Keep.of(settings))
        yield Worker(
            backbone.database,
            queue,
            [*personal_data.types(), *deletions.types(), *upkeep.types()],
            recurring=[*deletions.recurring(), *upkeep.recurring()],
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


@asynccontextmanager
async def opened_usage() -> AsyncIterator[UsageService]:
    """Open what an operator bills by."""
    settings = TenancySettings()
    logging.configure(NAME, settings.log_level)
    async with open_backbone(NAME, settings) as backbone:
        yield usage_of(backbone)


def operate(words: Sequence[str]) -> None:
    from tenon_tenancy.audit_verification.command import audit  # servers need no command line

    audit.main([*words], prog_name="python -m tenon_tenancy audit", obj=opened)


def bill(words: Sequence[str]) -> None:
    from tenon_tenancy.usage.command import usage  # as above

    usage.main([*words], prog_name="python -m tenon_tenancy usage", obj=opened_usage)


APP = ServiceApp(
    name=NAME,
    settings=TenancySettings,
    migrations=Path(__file__).parents[1] / "migrations" / "versions",
    servicers=servicers,
    work=lambda settings: run_worker(NAME, settings, worker),
    operators={"audit": operate, "usage": bill},
)

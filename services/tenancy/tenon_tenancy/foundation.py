"""What tenancy's servers, workers and operators stand on."""

from tenon_core.key_file import read_key
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.cells import OwnerKind
from tenon_crypto.data_keys import DataKeys
from tenon_crypto.fields import FieldCipher
from tenon_crypto.opening import open_keyring
from tenon_crypto.row_tokens import RowTokens
from tenon_jobs import CeleryDoorbell, JobQueue
from tenon_outbound.sending import Outbound
from tenon_policy.tags import Tags
from tenon_rotation import Rotations
from tenon_rpc.backbone import Backbone
from tenon_storage.opening import open_storage
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_exports.service import AuditExportService
from tenon_tenancy.audit_exports.tasks import AuditExportTasks
from tenon_tenancy.audit_exports.writing import AuditExportWriter
from tenon_tenancy.audit_retention.service import AuditRetentionService
from tenon_tenancy.audit_streams.delivering import AuditDeliveryService
from tenon_tenancy.audit_streams.sending import Sender
from tenon_tenancy.audit_streams.service import AuditStreamService
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.clients import (
    AuthAuditClients,
    AuthDirectory,
    EverybodysDataKeys,
    EverybodysUsages,
)
from tenon_tenancy.encryption.service import EncryptionService
from tenon_tenancy.invitations.indexes import InvitationIndexes
from tenon_tenancy.invitations.mails import InvitationMails
from tenon_tenancy.invitations.service import InvitationService
from tenon_tenancy.limits import InvitationRates
from tenon_tenancy.members.ending import MembershipEnding
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organization_deletions.erasing import OrganizationErasing
from tenon_tenancy.organization_deletions.service import OrganizationDeletionService
from tenon_tenancy.organizations.service import OrganizationService
from tenon_tenancy.ownership_offers.service import OwnershipService
from tenon_tenancy.policies.service import PolicyService
from tenon_tenancy.settings import TenancySettings
from tenon_tenancy.usage.service import UsageService

NAME = "tenancy"


class Foundation:
    """All services of the slices, made once from what a process has opened."""

    def __init__(self, backbone: Backbone[TenancySettings]) -> None:
        self._backbone = backbone
        self._database, self._settings = backbone.database, backbone.settings
        settings = self._settings
        self.queue = JobQueue(NAME, CeleryDoorbell(NAME, settings.redis_url.get_secret_value()))
        self._lay_keys()
        self._lay_members()
        self._lay_ends()
        self._lay_logs()
        self._lay_streams()

    def _lay_keys(self) -> None:
        """What encrypts, and how it is replaced."""
        self.keyring = open_keyring(self._settings.keyring_url)
        self.keys = DataKeys(NAME, self.keyring)
        self.cipher = FieldCipher(self.keys)
        self._indexes = InvitationIndexes(
            self.cipher, BlindIndex(self.keyring, NAME, "invited_addresses", "email_index")
        )
        self.rotations = Rotations(
            self._database,
            self.queue,
            self.keyring,
            self.keys,
            [OwnerKind.ORGANIZATION],
            self._indexes,
        )
        holders = EverybodysDataKeys(self._backbone.channels)
        self.encryption = EncryptionService(self._database, holders)

    def _lay_members(self) -> None:
        """Organizations, and how people come to belong to them."""
        database, grants = self._database, self._backbone.grant_changes
        self.tags = Tags(self._backbone.redis)
        self.directory = AuthDirectory(self._backbone.channels["auth"])
        self.members = MemberService(
            database, grants, self.directory, self._settings.owned_organizations_per_user
        )
        self.organizations = OrganizationService(database, self.members, self.tags)
        self.policies = PolicyService(database, grants, self.members)
        self.invitations = InvitationService(
            database,
            self.cipher,
            self._indexes,
            RowTokens(self.keyring, NAME, "invitations"),
            self.queue,
            InvitationMails(
                NAME,
                BlindIndex(self.keyring, NAME, "mail_counters", "mailbox"),
                InvitationRates.of(self._settings),
            ),
            self.directory,
            self.members,
            self.organizations,
            self.policies,
            smtputf8=self._settings.smtputf8,
        )
        self.ownership = OwnershipService(database, self.tags, self.members, self.organizations)
        usages = EverybodysUsages(self._backbone.channels)
        self.usage = UsageService(self.organizations, self.members, usages)

    def _lay_ends(self) -> None:
        """How organizations end, and the storage of what they have in files."""
        database, settings = self._database, self._settings
        self.storage = open_storage(
            settings.storage_url, read_key(settings.link_key_file), settings.public_url
        )
        ending = MembershipEnding(self._backbone.grant_changes, self.tags)
        self.deletions = OrganizationDeletionService(
            database, self.queue, ending, settings.deletion_days
        )
        self.erasing = OrganizationErasing(database, self.queue, ending, self.storage)

    def _lay_logs(self) -> None:
        """The audit logs, and the proof of them."""
        database, settings = self._database, self._settings
        self.audit_clients = AuthAuditClients(self._backbone.channels["auth"])
        self.audit_events = AuditEventService(database, self.audit_clients)
        self.checkpoints = AuditCheckpointService(
            database,
            open_storage(settings.checkpoint_url, b"", ""),  # nobody is given links to it
            self.audit_events,
            CheckpointKeys(settings.checkpoint_keys_directory),
        )
        self.audit_verification = AuditVerificationService(
            database, self.checkpoints, self.audit_clients
        )
        self.audit_retention = AuditRetentionService(
            database, self.audit_events, self.checkpoints, settings.personal_audit_retention_days
        )
        self.audit_exports = AuditExportService(
            database, self.queue, self.storage, self.audit_events
        )
        writer = AuditExportWriter(
            database, self.storage, self.audit_events, self.checkpoints, self.audit_clients
        )
        self.audit_export_tasks = AuditExportTasks(self.audit_exports, writer)

    def _lay_streams(self) -> None:
        """Where the logs are sent."""
        database = self._database
        sender = Sender(Outbound(self._settings.outbound_allow))
        self.audit_streams = AuditStreamService(database, self.cipher, sender)
        self.audit_deliveries = AuditDeliveryService(
            database, self.cipher, self.audit_events, self.audit_clients, self.members, sender
        )

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID, uuid5

from sqlalchemy import Column, DateTime, Table, Text, Uuid, func

from tenon_db.tables import USER, metadata

METADATA = metadata("notifications")

emails = Table(
    "emails",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("org_id", Uuid),
    Column("subject_id", Uuid),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("failure", Text),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finish_time", DateTime(timezone=True)),
    info=USER,
)


class Kind(StrEnum):
    """What a mail is about; also the name of its templates."""

    CONFIRM_SIGN_UP = "confirm_sign_up"
    SIGN_UP_REPEATED = "sign_up_repeated"
    WELCOME = "welcome"
    VERIFY_EMAIL = "verify_email"
    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    NEW_DEVICE = "new_device"
    SESSION_REUSED = "session_reused"
    RESET_PASSWORD = "reset_password"  # noqa: S105 # a kind of mail
    LOG_IN_LINK = "log_in_link"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # a kind of mail
    IDENTITY_LINKED = "identity_linked"
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
    CHANGE_EMAIL = "change_email"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    ACCOUNT_ERASED = "account_erased"
    EXPORT_FINISHED = "export_finished"
    INVITATION = "invitation"
    OWNERSHIP_OFFERED = "ownership_offered"
    OWNERSHIP_TRANSFERRED = "ownership_transferred"
    API_KEY_CREATED = "api_key_created"
    API_KEY_ROTATED = "api_key_rotated"
    ORGANIZATION_DELETION_SCHEDULED = "organization_deletion_scheduled"
    ORGANIZATION_ERASED = "organization_erased"


TO_UNVERIFIED_ADDRESSES = frozenset(
    {
        Kind.CONFIRM_SIGN_UP,
        Kind.SIGN_UP_REPEATED,
        Kind.WELCOME,
        Kind.VERIFY_EMAIL,
        Kind.RESET_PASSWORD,
        Kind.CHANGE_EMAIL,
        Kind.INVITATION,
    }
)
"""What is sent to an address that its account has not proved to read. It may be a stranger's, so
these mails say nothing that the account's holder wrote, and there is no other kind for them."""
OF_EMAIL_CHANGES = frozenset({Kind.CHANGE_EMAIL, Kind.EMAIL_CHANGED})
"""What goes to another address than the user's: the one to be, or the one that was."""


class State(StrEnum):
    """queued → sent | failed"""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Email:
    """A mail to a user, known by ids only: address, name and content are asked for when it is
    sent, and forgotten. `subject_id` is what it is about: a run, a session. An invitation has its
    own id for that of a user, who may not exist. `actor_id` is the user who did what it is about,
    if it names them. It is not sent before `send_time`.
    """

    id: UUID
    user_id: UUID
    kind: Kind
    org_id: UUID | None = None
    subject_id: UUID | None = None
    send_time: datetime | None = None
    actor_id: UUID | None = None

    @classmethod
    def because_of(
        cls,
        event_id: UUID,
        kind: Kind,
        user_id: UUID,
        *,
        org_id: UUID | None = None,
        subject_id: UUID | None = None,
        send_time: datetime | None = None,
        actor_id: UUID | None = None,
    ) -> Self:
        """Make the mail of this kind about an event: the same event gives the same id."""
        return cls(uuid5(event_id, kind), user_id, kind, org_id, subject_id, send_time, actor_id)

    @property
    def in_organization(self) -> tuple[UUID, UUID]:
        """The organization of what it is about, and the id there."""
        assert self.org_id is not None
        assert self.subject_id is not None
        return self.org_id, self.subject_id

    def to_payload(self) -> dict[str, Any]:
        ids = {
            "id": self.id,
            "user_id": self.user_id,
            "org_id": self.org_id,
            "subject_id": self.subject_id,
            "actor_id": self.actor_id,
        }
        return {"kind": self.kind, **{name: str(value) for name, value in ids.items() if value}}

    @classmethod
    def from_payload(cls, payload: dict[str, str]) -> Self:
        def read(name: str) -> UUID | None:
            return UUID(payload[name]) if name in payload else None

        return cls(
            UUID(payload["id"]),
            UUID(payload["user_id"]),
            Kind(payload["kind"]),
            read("org_id"),
            read("subject_id") or read("run_id"),  # as it was called in jobs that may still wait
            actor_id=read("actor_id"),
        )

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, Table, Uuid

from tenon_auth.users.models import METADATA, KeptAddress
from tenon_crypto.fields import SealedTable
from tenon_db.tables import USER

RESERVED_LONGER = timedelta(hours=1)
"""An old address is still reserved when the last moment of its link is over."""

email_changes = Table(
    "email_changes",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("new_email", LargeBinary, nullable=False),
    Column("old_email", LargeBinary),
    Column("confirm_link_id", Uuid, nullable=False),
    Column("undo_link_id", Uuid),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("confirm_time", DateTime(timezone=True)),
    Column("release_time", DateTime(timezone=True)),
    info=USER,
)
SEALED_EMAIL_CHANGES = SealedTable(email_changes, owner="user_id", text=("new_email", "old_email"))


@dataclass(frozen=True, slots=True)
class EmailChange:
    """A change that waits for its link; or one that was confirmed, and can be undone until shortly
    before `release_time`, when its old address is anybody's.
    """

    id: UUID
    user_id: UUID
    new_email: str
    confirm_link_id: UUID
    create_time: datetime
    old_email: str | None = None
    undo_link_id: UUID | None = None
    confirm_time: datetime | None = None
    release_time: datetime | None = None

    @property
    def kept(self) -> KeptAddress:
        """The old address of a change that was confirmed."""
        assert self.old_email is not None
        assert self.release_time is not None
        return KeptAddress(self.old_email, self.release_time)

    def recipient(self, link_id: UUID) -> str | None:
        """Return the address that one of its links is mailed to."""
        return self.new_email if link_id == self.confirm_link_id else self.old_email

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Column, DateTime, Table, Text, Uuid

from tenon_auth.users.models import METADATA
from tenon_db.tables import USER

links = Table(
    "links",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("use_time", DateTime(timezone=True)),
    info=USER,
)


class Purpose(StrEnum):
    """What a link is for; it is good for nothing else."""

    RESET_PASSWORD = "reset_password"  # noqa: S105 # no secret
    LOG_IN = "log_in"
    VERIFY_EMAIL = "verify_email"
    CONFIRM_SIGN_UP = "confirm_sign_up"
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL_CHANGE = "undo_email_change"


LIVES = {
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.LOG_IN: timedelta(minutes=15),
    Purpose.VERIFY_EMAIL: timedelta(days=3),
    Purpose.CONFIRM_SIGN_UP: timedelta(days=1),
    Purpose.CHANGE_EMAIL: timedelta(days=1),
    Purpose.UNDO_EMAIL_CHANGE: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is mailed to its user, and what it proves by coming back: that they read the
    mail. Its token is derived, not stored.
    """

    id: UUID
    user_id: UUID
    purpose: Purpose
    create_time: datetime
    expire_time: datetime
    use_time: datetime | None = None

    def is_good(self, at: datetime) -> bool:
        return self.use_time is None and at < self.expire_time

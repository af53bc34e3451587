from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_auth.users.models import METADATA
from tenon_db.tables import USER

second_steps = Table(
    "second_steps",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("methods", ARRAY(Text), nullable=False),
    Column("device_hash", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("use_time", DateTime(timezone=True)),
    info=USER,
)

LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A log-in that waits for its second step: what the first one proved, and on which device. Its
    token is derived, not stored.
    """

    id: UUID
    user_id: UUID
    methods: Sequence[str]
    device_hash: bytes
    create_time: datetime
    expire_time: datetime
    use_time: datetime | None = None

    def is_good(self, at: datetime) -> bool:
        return self.use_time is None and at < self.expire_time

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, Uuid

from tenon_auth.users.models import METADATA
from tenon_crypto.fields import SealedTable
from tenon_db.tables import USER

totp_factors = Table(
    "totp_factors",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("confirm_time", DateTime(timezone=True)),
    Column("last_step", BigInteger, nullable=False),
    Column("use_time", DateTime(timezone=True)),
    info=USER,
)
SEALED_TOTP_FACTORS = SealedTable(totp_factors, owner="user_id", text=("secret",))

ENROLLING = timedelta(minutes=10)
"""How long a secret waits for the code that confirms it."""


@dataclass(frozen=True, slots=True)
class TotpFactor:
    """A secret in base32 that codes are made from; each secret has an id of its own. `last_step` is
    the step of time whose code was used last.
    """

    user_id: UUID
    id: UUID
    secret: str
    create_time: datetime
    confirm_time: datetime | None = None
    last_step: int = 0
    use_time: datetime | None = None

    def waits(self, at: datetime) -> bool:
        """Say whether it can still be confirmed."""
        return self.confirm_time is None and at < self.create_time + ENROLLING

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_auth.users.models import METADATA
from tenon_crypto.fields import SealedTable
from tenon_db.tables import GLOBAL, USER

passkeys = Table(
    "passkeys",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("transports", ARRAY(Text), nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("use_time", DateTime(timezone=True)),
    info=USER,
)
SEALED_PASSKEYS = SealedTable(passkeys, owner="user_id", text=("name",))

# Hashes of the credential ids of all users' passkeys: no credential is registered twice (Web
# Authentication, 7.1), and a transaction of one user sees no passkeys of another.
passkey_credentials = Table(
    "passkey_credentials",
    METADATA,
    Column("credential_hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    info=GLOBAL,
)

# Hashes of challenges that were answered; they name nobody.
spent_challenges = Table(
    "spent_challenges",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)


def credential_hash(credential_id: bytes) -> bytes:
    return hashlib.sha256(credential_id).digest()


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key that only its device can sign with. `sign_count` is how often it has, where the device
    counts; 0 where it does not.
    """

    id: UUID
    user_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: Sequence[str]
    backed_up: bool
    create_time: datetime
    use_time: datetime | None = None

from sqlalchemy import Column, DateTime, LargeBinary, Table, Text, Uuid

from tenon_auth.users.models import METADATA
from tenon_db.tables import USER

# Keyed hashes; `index_key` says of which key.
recovery_codes = Table(
    "recovery_codes",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
    Column("index_key", Text, nullable=False),
    Column("use_time", DateTime(timezone=True)),
    info=USER,
)

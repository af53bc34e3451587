from enum import StrEnum

from sqlalchemy import Column, DateTime, Table, Uuid

from tenon_auth.users.models import METADATA
from tenon_db.tables import GLOBAL


class SignUps(StrEnum):
    """Who may make an account.

    OPEN: anybody, at once. VERIFIED: anybody, by a link that is mailed to the address; nobody
    learns which addresses have accounts. CLOSED: nobody.
    """

    OPEN = "open"
    VERIFIED = "verified"
    CLOSED = "closed"


# Accounts that nobody can log in to yet, by when they are given up; ids alone.
pending_sign_ups = Table(
    "pending_sign_ups",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)

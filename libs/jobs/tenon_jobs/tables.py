"""The jobs table that each service has in its schema."""

from enum import StrEnum
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from tenon_db.tables import GLOBAL


class State(StrEnum):
    """How far a job has come; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    QUARANTINED = "quarantined"


@cache
def jobs_of(schema: str) -> sa.Table:
    """Return the table that `tenon_jobs.migrations.create_jobs` makes.

    `claims` counts the claims since an outcome was last recorded, `attempts` the recorded
    outcomes that were no success, `token` all claims: it is the fence against late writers.
    `account_id` is whose share a job uses; `claim_time` is that of the last claim, of types with
    a limit per account.
    """
    return sa.Table(
        "jobs",
        sa.MetaData(schema=schema),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("org_id", sa.Uuid),
        sa.Column("user_id", sa.Uuid),
        sa.Column("account_id", sa.Uuid),
        sa.Column("lane", sa.BigInteger, nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("dedupe_key", sa.Text),
        sa.Column("state", sa.Text, nullable=False, server_default=State.QUEUED),
        sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("token", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("claim_time", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text),
        sa.Column("create_time", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("finish_time", sa.DateTime(timezone=True)),
        info=GLOBAL,
    )


@cache
def recurring_of(schema: str) -> sa.Table:
    """Return the table of a service's schedules: what they were when they last fired, and up to
    when their times have been fired.
    """
    return sa.Table(
        "recurring",
        sa.MetaData(schema=schema),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("cron", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("job_type", sa.Text, nullable=False),
        sa.Column("fired_until", sa.DateTime(timezone=True), nullable=False),
        info=GLOBAL,
    )


def lane(org_id: UUID | None) -> int:
    """Return the queue within the queue that an organization's jobs wait in.

    The low 64 bits of a version 7 id are random, so lanes lie evenly between
    -2^63 and -2^62; work outside any organization has lane 0.
    """
    if org_id is None:
        return 0
    return int.from_bytes(org_id.bytes[8:], "big", signed=True)

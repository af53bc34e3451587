"""Migration operations on a service's tables of jobs."""

from alembic import op

from tenon_db.migrations import global_table, schema


def create_jobs() -> None:
    """Make the tables of jobs and of recurring work: first version, never to be edited."""
    _create_jobs()
    _create_recurring()


def enqueue(job_type: str) -> None:
    """Add a job without a payload or an organization, for the first worker after the migration."""
    op.execute(
        f"INSERT INTO {schema()}.jobs (id, type, payload, lane, run_at, priority)"  # noqa: S608 # our own names
        f" VALUES (gen_random_uuid(), '{job_type}', '{{}}', 0, now(), 0)"
    )


def add_accounts_to_jobs() -> None:
    """Give jobs the account whose share they use: second version, never to be edited.

    Waiting jobs count as their organization's until they are done.
    """
    table = f"{schema()}.jobs"
    op.execute(f"ALTER TABLE {table} ADD COLUMN account_id uuid, ADD COLUMN claim_time timestamptz")
    op.execute(
        f"UPDATE {table} SET account_id = org_id WHERE"  # noqa: S608 # our schema's name
        " state IN ('queued', 'running') AND org_id IS NOT NULL"
    )
    op.execute(
        f"CREATE INDEX jobs_unfinished ON {table} (account_id, type) WHERE state IN"
        " ('queued', 'running')"
    )
    op.execute(
        f"CREATE INDEX jobs_claimed ON {table} (type, account_id, claim_time)"
        " WHERE claim_time IS NOT NULL"
    )


def _create_jobs() -> None:
    table = f"{schema()}.jobs"
    op.execute(
        f"CREATE TABLE {table} (id uuid PRIMARY KEY, type text NOT NULL, payload jsonb NOT NULL,"
        " org_id uuid, user_id uuid, lane bigint NOT NULL, run_at timestamptz NOT NULL,"
        " priority smallint NOT NULL, dedupe_key text, state text NOT NULL DEFAULT 'queued'"
        " CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'quarantined')),"
        " claims integer NOT NULL DEFAULT 0, attempts integer NOT NULL DEFAULT 0,"
        " lease_until timestamptz, token bigint NOT NULL DEFAULT 0, last_error text,"
        " create_time timestamptz NOT NULL DEFAULT now(), finish_time timestamptz,"
        " CHECK ((state = 'running') = (lease_until IS NOT NULL)))"
        # Every job is updated at least twice: clean up long before a fifth of a big table is dead.
        " WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.1)"
    )
    op.execute(
        f"CREATE INDEX jobs_queued ON {table} (type, lane, priority, run_at) WHERE state = 'queued'"
    )
    op.execute(f"CREATE INDEX jobs_due ON {table} (type, run_at) WHERE state = 'queued'")
    op.execute(f"CREATE INDEX jobs_running ON {table} (lane) WHERE state = 'running'")
    op.execute(
        f"CREATE INDEX jobs_set_aside ON {table} (state, type) WHERE state IN"
        " ('failed', 'quarantined')"
    )
    op.execute(
        f"CREATE UNIQUE INDEX jobs_dedupe ON {table} (type, dedupe_key)"
        " WHERE dedupe_key IS NOT NULL"
    )
    global_table("jobs")


def _create_recurring() -> None:
    op.execute(
        f"CREATE TABLE {schema()}.recurring (name text PRIMARY KEY, cron text NOT NULL,"
        " time_zone text NOT NULL, job_type text NOT NULL, fired_until timestamptz NOT NULL)"
    )
    global_table("recurring")

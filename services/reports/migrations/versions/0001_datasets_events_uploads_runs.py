"""Datasets, their events, uploads and runs."""

from alembic import op

from tenon_db import migrations as m
from tenon_jobs.migrations import create_jobs

revision = "0001"
down_revision = None

KEY_PARTS = 16

# Runs as the owner, for the application may not make tables. The table stands alone until it is
# complete; attaching it holds off neither readers nor writers of the other partitions.
MAKE_EVENTS_PARTITION = """
CREATE FUNCTION reports.make_events_partition(year integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part text := 'events_' || year;
BEGIN
  IF year NOT BETWEEN 1900 AND 2199 THEN
    RAISE EXCEPTION 'events of % are not taken', year;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('reports.events', 0));
  IF EXISTS (
    SELECT FROM pg_inherits
    WHERE inhparent = 'reports.events'::regclass
      AND inhrelid = to_regclass('reports.' || part)
  ) THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE reports.%I (LIKE reports.events INCLUDING ALL)', part);
  EXECUTE format(
    'ALTER TABLE reports.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part
  );
  EXECUTE format('COMMENT ON TABLE reports.%I IS %L', part, 'kind: tenant');
  EXECUTE format(
    'ALTER TABLE reports.events ATTACH PARTITION reports.%I FOR VALUES FROM (%L) TO (%L)',
    part, year || '-01-01 00:00:00+00', year + 1 || '-01-01 00:00:00+00'
  );
END $$
"""


def upgrade() -> None:
    _create_datasets()
    _create_events()
    _create_event_keys()
    _create_uploads()
    _create_runs()
    m.create_outbox()
    m.create_cursors()
    create_jobs()


def _create_datasets() -> None:
    op.execute(
        "CREATE TABLE reports.datasets (org_id uuid, id uuid, name text NOT NULL,"
        " time_zone text NOT NULL, dimensions text[] NOT NULL, measures text[] NOT NULL,"
        " generation bigint NOT NULL DEFAULT 0, create_time timestamptz NOT NULL,"
        " delete_time timestamptz, PRIMARY KEY (org_id, id))"
    )
    op.execute(
        "CREATE UNIQUE INDEX datasets_name ON reports.datasets (org_id, name)"
        " WHERE delete_time IS NULL"
    )
    m.tenant_table("datasets")


def _create_events() -> None:
    op.execute(
        "CREATE TABLE reports.events (org_id uuid NOT NULL, dataset_id uuid NOT NULL,"
        ' "time" timestamptz NOT NULL, id text COLLATE "C" NOT NULL, generation bigint NOT NULL,'
        ' dimensions text[] COLLATE "C" NOT NULL, measures float8[] NOT NULL)'
        ' PARTITION BY RANGE ("time")'
    )
    op.execute('CREATE INDEX events_time ON reports.events (org_id, dataset_id, "time")')
    m.tenant_table("events")
    op.execute(MAKE_EVENTS_PARTITION)
    op.execute("REVOKE ALL ON FUNCTION reports.make_events_partition FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION reports.make_events_partition TO {m.app_role()}")


def _create_event_keys() -> None:
    op.execute(
        "CREATE TABLE reports.event_keys (org_id uuid, dataset_id uuid, key uuid,"
        " payload bigint NOT NULL, PRIMARY KEY (org_id, dataset_id, key)) PARTITION BY HASH (key)"
    )
    m.tenant_table("event_keys")
    for part in range(KEY_PARTS):
        table = f"reports.event_keys_{part}"
        op.execute(
            f"CREATE TABLE {table} PARTITION OF reports.event_keys"
            f" FOR VALUES WITH (MODULUS {KEY_PARTS}, REMAINDER {part})"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"COMMENT ON TABLE {table} IS 'kind: tenant'")


def _create_uploads() -> None:
    op.execute(
        "CREATE TABLE reports.uploads (org_id uuid, id uuid, dataset_id uuid NOT NULL,"
        " user_id uuid NOT NULL, state text NOT NULL, time_column text NOT NULL,"
        " id_column text NOT NULL, time_zone text NOT NULL, null_text text NOT NULL,"
        " gzip boolean NOT NULL, size_bytes bigint NOT NULL, sha256 text,"
        " rows bigint NOT NULL DEFAULT 0, accepted bigint NOT NULL DEFAULT 0,"
        " duplicates bigint NOT NULL DEFAULT 0, conflicts bigint NOT NULL DEFAULT 0,"
        " rejected bigint NOT NULL DEFAULT 0, missing_columns text[] NOT NULL DEFAULT '{}',"
        " rejected_parts bigint[] NOT NULL DEFAULT '{}',"
        " failure text NOT NULL DEFAULT '', create_time timestamptz NOT NULL,"
        " finish_time timestamptz, PRIMARY KEY (org_id, id),"
        " FOREIGN KEY (org_id, dataset_id) REFERENCES reports.datasets,"
        " CHECK (state IN ('queued', 'running', 'succeeded', 'failed')))"
    )
    op.execute("CREATE INDEX uploads_of_dataset ON reports.uploads (org_id, dataset_id)")
    m.tenant_table("uploads")


def _create_runs() -> None:
    op.execute(
        "CREATE TABLE reports.runs (org_id uuid, id uuid, dataset_id uuid NOT NULL,"
        " user_id uuid NOT NULL, state text NOT NULL, format text NOT NULL, source jsonb NOT NULL,"
        " generation bigint NOT NULL, phase text NOT NULL, rows bigint NOT NULL DEFAULT 0,"
        " total bigint, eta_seconds bigint, size_bytes bigint NOT NULL DEFAULT 0,"
        " failure text NOT NULL DEFAULT '', create_time timestamptz NOT NULL,"
        " finish_time timestamptz, expire_time timestamptz, written jsonb,"
        " PRIMARY KEY (org_id, id),"
        " FOREIGN KEY (org_id, dataset_id) REFERENCES reports.datasets,"
        " CHECK (state IN ('queued', 'running', 'uploading', 'succeeded', 'failed', 'cancelling',"
        " 'cancelled', 'expired')))"
    )
    op.execute("CREATE INDEX runs_of_dataset ON reports.runs (org_id, dataset_id)")
    m.tenant_table("runs")
